"""Work: one task done: its job is called with the step's settings, its inputs, and the folder for its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.errors import DoneInPart, InputRefused, UsageError
from geoseg.pipeline.graph import Task
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.state import HIDDEN
from geoseg.pipeline.steps import (
    AreaStep,
    ChangeStep,
    EstimateStep,
    FilterStep,
    PolygonizeStep,
    SampleStep,
    SegmentStep,
    TrainStep,
)

OnStep = Callable[[str, int, int, Mapping[str, Any]], None]
"""Called with a task's step, what is done of it, all, and more that is known (a block's receipt)."""

PRODUCTS = {"segment": "mask.tif", "filter": "mask.tif", "change": "change.tif", "sample": "samples.gpkg"}
"""What later steps take from a step's folder."""


class Waiting(Exception):
    """A person has to do something first; the text says what."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task works: the pipeline, the run's folder, where blocks run, and whether what is there may go."""

    pipeline: Pipeline
    folder: Path
    tasks: Mapping[str, Task]
    cluster: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    restart: bool = False

    def at(self, task: Task) -> Path:
        """The folder of a task's outputs."""
        return self.folder / task.id

    def files(self, task: Task) -> dict[str, Any]:
        """The step's settings that name files, as they are opened."""
        paths, found = self.pipeline.paths, {}
        for name in task.step.files:
            value = getattr(task.step, name)
            if isinstance(value, str) and not _is_number(value):
                found[name] = paths.at(task.filled(value))
        return found

    def inputs(self, task: Task, *, folders: bool = False) -> list[str]:
        """What a task is made of: files, or where ``folders`` the folders of segment runs, which tell more."""
        if task.file is not None:
            return [self.pipeline.paths.at(task.filled(task.file))]
        if task.sources:
            made = [self.tasks[name] for name in task.sources]
            return [str(self._product(source, folders=folders)) for source in made]
        for scene in task.scenes:
            if len(scene.files) != 1:
                what = f"has {len(scene.files)} files, and {task.kind} takes one class raster"
                raise InputRefused.of("SCENES", scene.name, what, "Put a step segment before it")
        return [scene.files[0] for scene in task.scenes]

    def _product(self, source: Task, *, folders: bool) -> Path:
        place = self.at(source)
        return place if folders and source.kind == "segment" else place / PRODUCTS[source.kind]


def work(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    """Do a task; what it came to, for ``pipeline.json``.

    Raises
    ------
    GeosegError
        That of the job.
    Waiting
        Samples have no labels yet.
    """
    function: Callable[[Task, Place, OnStep], dict[str, Any]] = _WORK[task.kind]
    return function(task, place, on_step)


def open_inputs(task: Task, place: Place) -> Any:
    """The scene, or the two dates, of a task of segment."""
    from geoseg.raster.pair import open_dates
    from geoseg.raster.scene import open_scene

    assert isinstance(task.step, SegmentStep)
    how = place.pipeline.opening
    first = task.scenes[0]
    if first.bands and "bands" not in how:
        how = how | {"bands": first.bands}
    if len(task.scenes) == 2:
        return open_dates(list(first.files), list(task.scenes[1].files), align=task.step.align, **how)
    scene = open_scene(list(first.files), **how)
    taken = scene.datetime or (first.date.isoformat().replace("+00:00", "Z") if first.date else None)
    return replace(scene, name=first.name, datetime=taken)


def bundle_of(task: Task, place: Place) -> str:
    """The folder of the bundle."""
    if task.trained:
        return str(place.folder / task.trained)
    return str(place.pipeline.paths.at(task.filled(task.bundle or "")))


def _segment(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.config import SegmentSettings
    from geoseg.jobs.segment import segment

    step = task.step
    assert isinstance(step, SegmentStep)
    more = {**place.cluster, **place.files(task), "overwrite": place.overwrite, "restart": place.restart}
    if step.incremental:
        more["reuse"] = str(place.folder / HIDDEN / "blocks" / task.id)
    settings = SegmentSettings.of(**step.settings(**more))
    scene = open_inputs(task, place)

    def report(progress: Any) -> None:
        on_step(progress.step, progress.done, progress.total, asdict(progress.receipt))

    try:
        segment(scene, bundle_of(task, place), place.at(task), settings=settings, on_progress=report)
    except DoneInPart as error:
        raise _Part(str(error), _told_of_segment(place.at(task))) from None
    return _told_of_segment(place.at(task))


class _Part(DoneInPart):
    """Done in part, with what there is; never leaves this process."""

    def __init__(self, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.facts = facts or {}


def facts_of(error: DoneInPart) -> Mapping[str, Any]:
    """What a task that was done in part came to."""
    return error.facts if isinstance(error, _Part) else {}


def _told_of_segment(folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_bytes())
    return {"blocks": run.get("blocks"), "failed": run.get("failed"), "seconds": run.get("seconds")}


def _filter(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.jobs.filter import filter_mask
    from geoseg.mask.filter import FilterSettings

    step = task.step
    assert isinstance(step, FilterStep)
    filters = FilterSettings(majority=step.majority, opening=step.opening, closing=step.closing)
    (mask,) = place.inputs(task)
    out = place.at(task) / "mask.tif"
    made = filter_mask(mask, out, filters=filters, min_area=step.min_area, overwrite=place.overwrite)
    return {"pixels_changed": made.pixels_changed}


def _polygonize(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.config import PolygonizeSettings
    from geoseg.jobs.vectorize import polygonize

    step = task.step
    assert isinstance(step, PolygonizeStep)
    settings = PolygonizeSettings.of(**step.settings(**place.cluster, overwrite=place.overwrite) | place.files(task))
    (mask,) = place.inputs(task)

    def report(done: int, total: int) -> None:
        on_step("polygonize", done, total, {})

    out = place.at(task) / f"polygons.{step.format}"
    made = polygonize(mask, out, settings=settings, on_progress=report)
    return {"polygons": made.polygons}


def _area(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.jobs.area import area
    from geoseg.jobs.outputs import check_files

    step = task.step
    assert isinstance(step, AreaStep)
    (mask,) = place.inputs(task)
    names = ("zone_field", "coverage", "classes", "band", "nodata", "assume_crs")
    given = {name: getattr(step, name) for name in names} | place.files(task)
    out = place.at(task) / f"areas.{step.format}"
    check_files([out], [mask, given.get("zones")], overwrite=place.overwrite)
    table = area(mask, **given)
    table.write(out, as_json=step.format == "json")
    return {"area_ha": {row.class_name: round(row.area_ha, 4) for row in table.classes}, "notes": list(table.notes)}


def _change(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.compare.settings import ChangeSettings
    from geoseg.jobs.change import change

    step = task.step
    assert isinstance(step, ChangeStep)
    maps = place.inputs(task, folders=True)
    if len(maps) != 2:
        what = "is one file, and change compares two maps"
        raise UsageError.of("INPUT", maps[0], what, "Leave input out, or name a step")
    settings = ChangeSettings.of(**step.settings(**place.cluster, overwrite=place.overwrite) | place.files(task))

    def report(name: str, done: int, total: int) -> None:
        on_step(name, done, total, {})

    before, after = maps
    made = change(before, after, place.at(task), settings=settings, on_progress=report)
    return {"statement": made.statement, "notes": made.run.get("notes", [])}


def _sample(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.accuracy.settings import SampleSettings
    from geoseg.jobs.sample import sample

    step = task.step
    assert isinstance(step, SampleStep)
    settings = SampleSettings.of(**step.settings(overwrite=place.overwrite) | place.files(task))
    (mask,) = place.inputs(task)
    place.at(task).mkdir(parents=True, exist_ok=True)
    made = sample(mask, place.at(task) / PRODUCTS["sample"], settings=settings)
    return {"samples": made.total, "notes": list(made.notes)}


def _estimate(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.accuracy.samples_file import is_samples_file, read_samples
    from geoseg.accuracy.settings import EstimateSettings
    from geoseg.jobs.estimate import estimate
    from geoseg.jobs.outputs import check_files

    step = task.step
    assert isinstance(step, EstimateStep)
    (samples,) = place.inputs(task)
    if is_samples_file(samples):
        read = read_samples(samples)
        todo = len(read) - int(read.labelled.sum())
        if todo == len(read):
            raise Waiting(f"{samples} has no labels yet: label it, and run the pipeline again")
    files = place.files(task)
    settings = EstimateSettings.of(**step.settings() | {k: v for k, v in files.items() if k != "mask"})
    out = place.at(task) / "estimate.csv"
    check_files([out], [samples, files.get("mask")], overwrite=place.overwrite)
    table = estimate(samples, mask=files.get("mask"), settings=settings)
    table.write(out, as_json=False)
    return {"notes": list(table.notes)}


def _train(task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
    from geoseg.jobs.train import train
    from geoseg.training.settings.job import TrainSettings

    step = task.step
    assert isinstance(step, TrainStep)
    settings = TrainSettings.read(place.files(task)["file"])
    if step.baseline:
        settings = settings.model_copy(update={"scores": settings.scores.model_copy(update={"baseline": True})})

    def report(name: str, progress: Any) -> None:
        on_step(name, progress.step, progress.steps, {})

    place.at(task).parent.mkdir(parents=True, exist_ok=True)
    made = train(settings, place.at(task), overwrite=place.overwrite, restart=place.restart, on_step=report)
    return {"bundle": made.bundle.id} if made else {}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_WORK: Mapping[str, Callable[[Task, Place, OnStep], dict[str, Any]]] = {
    "segment": _segment, "filter": _filter, "polygonize": _polygonize, "area": _area, "change": _change,
    "sample": _sample, "estimate": _estimate, "train": _train,
}  # fmt: skip
