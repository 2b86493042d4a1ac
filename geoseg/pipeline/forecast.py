"""Forecast: what ``geoseg run --dry-run`` says: tasks that would run and that are done already, with bytes and time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from geoseg.errors import GeosegError
from geoseg.jobs.outputs import HIDDEN
from geoseg.pipeline.fingerprint import Contents
from geoseg.pipeline.graph import Task, tasks_of
from geoseg.pipeline.paths import is_address
from geoseg.pipeline.place import Place, bundle_of, open_inputs
from geoseg.pipeline.run import cluster_of
from geoseg.pipeline.scenes import find_scenes
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.standing import standing
from geoseg.pipeline.state import Record, read_state
from geoseg.pipeline.steps import SegmentStep
from geoseg.vector.threads import cores

MPX_PER_S = {"filter": 8.0, "polygonize": 12.0, "area": 60.0, "change": 12.0, "sample": 25.0}
"""Megapixels a second of the steps that run no network, on two cores; with the start of each, :data:`START_S`."""
START_S = 1.0
BLOCK_S = 0.003
"""What a client and a scheduler take for a block, at most: ``python -m bench.cluster``."""


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """What one task would take; None where that is not known. ``status``: ``run``, ``skipped``, or ``refused`` (``why``).

    Of a map ``chips`` of ``chip_size`` in ``blocks``, ``chip_s`` seconds each on one worker.
    """

    task: str
    step: str
    status: str
    why: str = ""
    read_bytes: int | None = None
    write_bytes: int | None = None
    seconds: float | None = None
    pixels: int | None = None
    chips: int | None = None
    blocks: int | None = None
    chip_size: int | None = None
    chip_s: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """All tasks, in their order; ``measured``: on what the seconds of a chip were measured, and with how many workers."""

    folder: Path
    tasks: tuple[TaskForecast, ...]
    workers: int = 1
    measured: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The sums, in a line."""
        from geoseg.report.words import duration, volume

        todo = [item for item in self.tasks if item.status == "run"]
        skipped = sum(item.status == "skipped" for item in self.tasks)
        refused = sum(item.status == "refused" for item in self.tasks)
        known = [item.seconds for item in todo if item.seconds is not None]
        reads, writes = (sum(getattr(i, f"{n}_bytes") or 0 for i in todo) for n in ("read", "write"))
        said = f"{len(self.tasks)} tasks: {len(todo)} would run, {skipped} are done" + (
            f", {refused} cannot" if refused else ""
        )
        said += f"; {volume(reads)} to read, {volume(writes)} to write"
        lack = len(todo) - len(known)
        return f"{said}; {duration(sum(known))}" + (f" and {lack} tasks of unknown time" if lack else "")

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"out": str(self.folder), "tasks": [asdict(item) for item in self.tasks], "statement": self.statement}


def forecast_pipeline(pipeline: Pipeline, out: str | Path, *, timing: bool = True) -> Forecast:
    """Say what a run into ``out`` would do; nothing is written.

    Parameters
    ----------
    timing
        Run a few chips of one scene for each bundle and settings, to know how long a chip takes.
    """
    folder = Path(out)
    scenes = find_scenes(pipeline.scenes, pipeline.paths, out=folder) if pipeline.scenes else ()
    tasks = tasks_of(pipeline, scenes)
    place = Place(pipeline, folder, {task.id: task for task in tasks}, cluster_of(pipeline))
    forecaster = _Forecaster(place, read_state(folder), timing)
    made = tuple(forecaster.all(tasks))
    return Forecast(folder, made, max(pipeline.cluster.workers, 1), tuple(dict.fromkeys(forecaster.measured)))


def segment_seconds(chips: int, blocks: int, chip_s: float, *, workers: int) -> float:
    """Seconds of the blocks of a map: a worker takes whole blocks, and each block passes the scheduler."""
    each = math.ceil(blocks / workers) * chips / blocks
    return max(each * chip_s, blocks * BLOCK_S)


def by_pixels(kind: str, pixels: int | None) -> float | None:
    """Seconds of a step that runs no network; None for one whose rate is not known."""
    rate = MPX_PER_S.get(kind)
    return None if rate is None or pixels is None else round(START_S + pixels / 1e6 / rate, 1)


class _Forecaster:
    """What is known of the tasks so far."""

    def __init__(self, place: Place, records: Mapping[str, Record], timing: bool) -> None:
        self.place, self.records, self.timing = place, records, timing
        self.contents = Contents(place.folder / HIDDEN / "contents.json")
        self.digests: dict[str, str] = {}
        self.made: dict[str, TaskForecast] = {}
        self.per_chip: dict[str, float] = {}
        self.measured: list[str] = []

    def all(self, tasks: tuple[Task, ...]) -> Iterator[TaskForecast]:
        for task in tasks:
            self.made[task.id] = self.one(task)
            yield self.made[task.id]

    def one(self, task: Task) -> TaskForecast:
        found = TaskForecast(task.id, task.kind, "run")
        lacking = next((name for name in task.needs if self.made[name].status == "refused"), None)
        if lacking:
            return replace(found, status="refused", why=f"{lacking} cannot be made")
        try:
            record = self.records.get(task.id)
            before = {name: (self.digests.get(name, ""), self.made[name].status == "skipped") for name in task.before}
            stands = standing(task, self.place, contents=self.contents, record=record, before=before)
            self.digests[task.id] = stands.digest
            if stands.done:
                return replace(found, status="skipped", why="done of the same inputs", pixels=self.pixels(task))
            return self.sized(task, replace(found, why=_why(record, stands.fresh)))
        except GeosegError as error:
            return replace(found, status="refused", why=str(error))

    def sized(self, task: Task, found: TaskForecast) -> TaskForecast:
        """With bytes and time."""
        if isinstance(task.step, SegmentStep):
            return self.segment(task, found)
        pixels = self.pixels(task)
        earlier = [
            r.seconds for r in self.records.values() if r.status == "done" and r.task.startswith(f"{task.step.name}/")
        ]
        if task.kind in ("report", "estimate"):
            return replace(found, read_bytes=0, write_bytes=0, seconds=START_S)
        if pixels is None or task.kind not in MPX_PER_S:
            return replace(found, seconds=median(earlier) if earlier else None)
        size = 2 if task.kind == "change" else 1
        written = pixels * size if task.kind in ("filter", "change") else 0
        seconds = median(earlier) if earlier else by_pixels(task.kind, pixels)
        return replace(found, read_bytes=pixels * size, write_bytes=written, seconds=seconds, pixels=pixels)

    def segment(self, task: Task, found: TaskForecast) -> TaskForecast:
        """By its plan, and the time of a chip of the first scene with this bundle and these settings."""
        from geoseg.config import SegmentSettings
        from geoseg.jobs.forecast import forecast
        from geoseg.jobs.plan import fitted, make_plan
        from geoseg.model.bundle import open_bundle

        if task.trained and self.made[task.trained].status != "skipped":
            return replace(found, why="the bundle is trained first")
        assert isinstance(task.step, SegmentStep)
        settings = SegmentSettings.of(**task.step.settings(**self.place.cluster, **self.place.files(task)))
        bundle = open_bundle(bundle_of(task, self.place))
        scene = fitted(open_inputs(task, self.place), bundle)
        plan = make_plan(scene, bundle, settings)
        rows, cols = plan.chips.shape
        found = replace(
            found, read_bytes=plan.read_bytes, write_bytes=plan.write_bytes, pixels=rows * cols,
            chips=len(plan.chips), blocks=len(plan.grid), chip_size=plan.chips.chip_size,
        )  # fmt: skip
        key = f"{bundle.digest} {task.step.name} {plan.chips.chip_size}"
        if self.timing and key not in self.per_chip:
            timed = forecast(scene, bundle, settings)
            self.per_chip[key] = timed["seconds_per_chip"]
            self.measured.append(_ran_on(timed["choice"], settings.threads))
        if key not in self.per_chip:
            return found
        each = self.per_chip[key] * (8 if settings.tta else 1)
        blocks = segment_seconds(len(plan.chips), len(plan.grid), each, workers=max(settings.workers, 1))
        seconds = START_S + blocks + rows * cols / 1e6 / MPX_PER_S["polygonize"]
        return replace(found, seconds=round(seconds, 1), chip_s=each)

    def pixels(self, task: Task) -> int | None:
        """Pixels of a task: those of what it is made of, where that is known; of a file or a scene, by opening it."""
        if task.sources:
            known = [self.made[name].pixels for name in task.sources]
            return max((n for n in known if n is not None), default=None)
        files = task.scenes[0].files if task.scenes else [self.place.pipeline.paths.at(task.file)] if task.file else []
        if not files or is_address(files[0]):
            return None
        from geoseg.raster.admit import admit

        try:
            rows, cols = admit(files[0], palette_ok=True).geobox.shape
        except GeosegError:
            return None
        return rows * cols


def _ran_on(choice: Mapping[str, Any], threads: int | None) -> str:
    """Backend, precision, device and processors, in words."""
    n = threads or cores()
    where = choice["device"] if choice["device"] != "cpu" else f"{n} processor{'s' if n > 1 else ''}"
    return f"{choice['backend']}, {choice['precision']}, {where}"


def _why(record: Record | None, fresh: bool) -> str:
    if record is None:
        return "new"
    if record.status == "begun":
        return "was stopped"
    if record.status != "done":
        return f"was {record.status}"
    return "what it is made of is made again" if fresh else "its inputs, settings or files have changed"
