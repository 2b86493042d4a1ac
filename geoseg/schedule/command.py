"""Command: what a run is started with, and which paths a job may name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import geoseg
from geoseg.errors import InputRefused
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.values import Lease

Command = Callable[[Lease, Sequence[Path]], list[str]]
"""From a lease, and the folders that its paths may lie below, to the command of the run."""


def run_command(lease: Lease, roots: Sequence[Path]) -> list[str]:
    """``geoseg run`` of the job's pipeline, in this interpreter.

    ``-P`` keeps Python from importing what lies in the folder that the service happens to stand in.
    """
    job, attempt = lease.job.settings, lease.attempt
    made = [sys.executable, "-P", "-m", "geoseg", "run", job.pipeline, "--out", lease.run.out]
    made += ["--progress", attempt.progress]
    made += [word for root in roots for word in ("--root", str(root))]
    made += [word for scene in lease.slot.scenes for word in ("--scene", scene)]
    return made


def run_with(workers: int | None, scheduler: str | None) -> Command:
    """:func:`run_command` with workers, or a scheduler, for what pipelines say."""
    more = [] if workers is None else ["--workers", str(workers)]
    more += [] if scheduler is None else ["--scheduler", scheduler]
    return lambda lease, roots: [*run_command(lease, roots), *more]


def run_environment() -> dict[str, str]:
    """The service's own environment, in which this geoseg is found whichever folder the run stands in."""
    home = str(Path(geoseg.__file__).parent.parent)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != home]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, *others])}


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders below which a job's paths have to lie, beside the folder of its pipeline; links are followed first."""

    folders: tuple[Path, ...] = ()

    @classmethod
    def of_paths(cls, paths: Iterable[str]) -> Self:
        """Of folders; InputRefused ``NOT_FOUND`` where one is none."""
        for path in paths:
            if not Path(path).is_dir():
                raise InputRefused.of("NOT_FOUND", path, "there is no such folder", "Check --root")
        return cls(tuple(Path(path).absolute() for path in paths))

    def of(self, job: JobSettings) -> tuple[Path, ...]:
        """The folders for one job."""
        return (Path(job.pipeline).parent, *self.folders)

    def check(self, job: JobSettings, *paths: str) -> None:
        """Refuse a path outside of them.

        Raises
        ------
        InputRefused
            ``ROOT``.
        """
        below = [os.path.realpath(root) for root in self.of(job)]
        for path in paths:
            real = Path(os.path.realpath(path))
            if not os.path.isabs(path) or not any(real.is_relative_to(root) for root in below):
                what = "lies outside of the folders that jobs may use: that of the pipeline, and each --root"
                raise InputRefused.of("ROOT", path, what, "Move it, or allow its folder: geoseg service --root FOLDER")
