"""Pipelines over tiny scenes: their files, and a stand-in for the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoseg.errors import GeosegError
from geoseg.pipeline.graph import Task
from geoseg.pipeline.place import Place
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.work import OnStep
from tests.helpers.bundles import BANDS, conv_bundle
from tests.helpers.rasters import numbers, write_raster

DATES = ("20200101", "20200201", "20200301")
MAPS = """
name: maps
scenes: {glob: scenes/*.tif, scale: 0.0001}
bundle: bundle
steps:
  - step: segment
    only: mask
  - step: area
"""


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    """A pipeline's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def scene(path: Path, seed: int = 0, shape: tuple[int, int] = (70, 90)) -> Path:
    """A scene of four bands for :func:`tests.helpers.bundles.conv_bundle`."""
    return write_raster(path, numbers((4, *shape), seed=seed), names=BANDS, nodata=0)


def place(folder: Path, text: str = MAPS, dates: tuple[str, ...] = DATES) -> Pipeline:
    """A pipeline with a bundle and a scene for each date."""
    for i, date in enumerate(dates):
        scene(folder / "scenes" / f"s_{date}.tif", seed=i)
    if not (folder / "bundle").exists():
        conv_bundle(folder / "bundle")
    return Pipeline.read(write(folder, text))


class Writer:
    """Does tasks by writing a file of their name; ``errors`` are raised in their order, for the tasks they are of."""

    def __init__(self, errors: Mapping[str, list[Exception]] | None = None) -> None:
        self.errors = {task: list(several) for task, several in (errors or {}).items()}
        self.calls: list[str] = []

    def __call__(self, task: Task, place: Place, on_step: OnStep) -> dict[str, Any]:
        self.calls.append(task.id)
        if self.errors.get(task.id):
            raise self.errors[task.id].pop(0)
        folder = place.at(task)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "made.txt").write_text(task.id)
        on_step("writing", 1, 1, {})
        return {"made": task.id}


def said(error: type[GeosegError], text: str) -> str:
    """A pattern for an error's whole, single line."""
    return rf"^(?s:.*){text}[^\n]*$"
