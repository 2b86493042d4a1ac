"""Work: one task done: its job is called with the step's settings, its inputs, and the folder for its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from geoseg.errors import DoneInPart, UsageError
from geoseg.jobs.outputs import HIDDEN
from geoseg.pipeline.graph import Task
from geoseg.pipeline.place import PRODUCTS, Place, bundle_of, open_inputs
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


class Waiting(Exception):
    """A person has to do something first; the text says what."""


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
    given = step.settings(**place.cluster, overwrite=place.overwrite) | place.files(task)
    settings = ChangeSettings.of(**given | {"dates": step.dates or _days(task, maps)})

    def report(name: str, done: int, total: int) -> None:
        on_step(name, done, total, {})

    before, after = maps
    made = change(before, after, place.at(task), settings=settings, on_progress=report)
    return {"statement": made.statement, "notes": made.run.get("notes", [])}


def _days(task: Task, maps: Sequence[Any]) -> tuple[str, ...]:
    """The days of two scenes, where their maps say none themselves and they are in order."""
    if len(task.scenes) != 2 or any((Path(made) / "item.json").exists() for made in maps):
        return ()
    days = tuple(scene.date.date().isoformat() for scene in task.scenes if scene.date)
    return days if len(days) == 2 and days[0] < days[1] else ()


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


_WORK: Mapping[str, Callable[[Task, Place, OnStep], dict[str, Any]]] = {
    "segment": _segment, "filter": _filter, "polygonize": _polygonize, "area": _area, "change": _change,
    "sample": _sample, "estimate": _estimate, "train": _train,
}  # fmt: skip
