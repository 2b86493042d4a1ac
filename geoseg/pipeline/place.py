"""Place: where a task works: what it is made of, as jobs open it, and the folder of what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.errors import InputRefused
from geoseg.pipeline.graph import Task
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.steps import SegmentStep

PRODUCTS = {"segment": "mask.tif", "filter": "mask.tif", "change": "change.tif", "sample": "samples.gpkg"}
"""What later steps take from a step's folder."""


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

    def files(self, task: Task) -> dict[str, str]:
        """The step's settings that name files, as they are opened."""
        return task.files(self.pipeline.paths)

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
