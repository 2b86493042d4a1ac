"""Fingerprint: what a task depends on, as one number: the contents of its inputs, its settings, versions, and its sources."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geoseg
from geoseg.errors import InputRefused
from geoseg.jobs.digest import digest
from geoseg.pipeline.graph import Task
from geoseg.pipeline.paths import Paths, is_address
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.steps import CLUSTER, RUN, EstimateStep, ReportStep, SegmentStep, TrainStep
from geoseg.raster.env import GDAL_VERSION
from geoseg.raster.files import write_durable

_NOT_OF_IT = {*CLUSTER, *RUN, "id", "out", "incremental", "block_size", "device", "batch_size"}
"""Settings that do not change what a step makes."""


class Contents:
    """SHA-256 of files, in whole; computed once for each (path, size, times of change) and kept in a file."""

    def __init__(self, cache: Path) -> None:
        """Read what is known."""
        self._cache = cache
        try:
            known = json.loads(cache.read_bytes())
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[Any]] = known if isinstance(known, dict) else {}
        self._used: dict[str, list[Any]] = {}

    def of(self, path: str) -> str:
        """The digest of a file, or of all files in a folder (hidden ones too); an address of the network is its own.

        Raises
        ------
        InputRefused
            ``NOT_FOUND``, ``READ``.
        """
        if is_address(path):
            return path
        place = Path(path)
        try:
            if place.is_dir():
                below = sorted(p for p in place.rglob("*") if p.is_file())
                return digest([[p.relative_to(place).as_posix(), self._file(p)] for p in below])
            return self._file(place)
        except FileNotFoundError:
            raise InputRefused.of("NOT_FOUND", path, "no such file", "Check the path") from None
        except OSError as error:
            raise InputRefused.of("READ", path, error.strerror or str(error), "Check its permissions") from None

    def keep(self) -> None:
        """Write down what was used."""
        write_durable(self._cache, json.dumps(self._used, sort_keys=True).encode())

    def _file(self, path: Path) -> str:
        status, key = path.stat(), os.path.abspath(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputRefused.of("NOT_A_FILE", path, "is no regular file", "Name a file or a folder")
        # The time of change too: copying tools set that of modification back.
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._used.get(key) or self._known.get(key)
        if not (isinstance(known, list) and known[:-1] == stamp):
            with path.open("rb") as file:
                known = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
        self._used[key] = known
        return str(known[-1])


def digest_of(task: Task, pipeline: Pipeline, contents: Contents, sources: Mapping[str, str], folder: Path) -> str:
    """The digest of a task.

    Parameters
    ----------
    sources
        The digests of the tasks before it.
    folder
        The run's folder: samples that a person labels there count by their content.

    Raises
    ------
    InputRefused
        An input is not there, cannot be read, or lies outside of the allowed folders.
    """
    paths, step = pipeline.paths, task.step
    told: dict[str, Any] = {
        "versions": [geoseg.__version__, GDAL_VERSION],
        "settings": step.model_dump(mode="json", exclude=_NOT_OF_IT),
        "sources": [sources[name] for name in (*task.sources, *task.after)],
        "files": [contents.of(path) for path in files_of(task, paths)],
    }
    if task.scenes and not task.sources:
        how = pipeline.opening
        flags = how.get("quality", "").rpartition(":")[0]
        told["flags"] = contents.of(flags) if flags and Path(flags).is_file() else flags
        told["opening"] = [
            {**how, "quality": flags and how["quality"].rpartition(":")[2]},
            [s.bands for s in task.scenes],
        ]
        told["scenes"] = [
            [scene.name, scene.date and scene.date.isoformat(), [contents.of(file) for file in scene.files]]
            for scene in task.scenes
        ]
    if isinstance(step, SegmentStep):
        told["bundle"] = (
            sources[task.trained] if task.trained else contents.of(paths.at(task.filled(task.bundle or "")))
        )
    if isinstance(step, EstimateStep) and task.sources:
        samples = folder / task.sources[0] / "samples.gpkg"
        told["samples"] = contents.of(str(samples)) if samples.exists() else ""
    if isinstance(step, ReportStep):
        told["about"] = [pipeline.name, pipeline.description]
    return digest(told)


def files_of(task: Task, paths: Paths) -> list[str]:
    """The files, beside scenes and bundle, that a task reads."""
    named = task.files(paths)
    found = [] if task.file is None else [paths.at(task.filled(task.file))]
    found += named.values()
    if isinstance(task.step, TrainStep):
        found += _of_training(named["file"], paths)
    return found


def _of_training(file: str, paths: Paths) -> list[str]:
    """The scenes and labels of a training; each allowed."""
    from geoseg.training.settings.job import TrainSettings

    job = TrainSettings.read(file)
    images = job.images and (job.images.images, job.images.coco, job.images.voc)
    weights = [path for path in (job.network.encoder_weights, job.network.start_from) if path and Path(path).exists()]
    found = [path for path in (*job.files, *(images or ()), *weights) if path and not is_address(path)]
    for path in found:
        paths.check(Path(path))
    return found
