"""Pipeline page: many scenes and what became of each, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from geoseg.raster.files import write_durable
from geoseg.report.page import render
from geoseg.report.words import Headline, Rows, Section


@dataclass(frozen=True, slots=True)
class AreaRow:
    """Hectares by class of one scene."""

    scene: str
    hectares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What can be said of one pair of dates, and where its page is."""

    pair: str
    statement: str
    link: str


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task: what became of it, why, and where its outputs are (empty: nowhere)."""

    task: str
    status: str
    error: str
    link: str


@dataclass(frozen=True, slots=True)
class PipelinePage:
    """Everything that the page shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    areas: tuple[AreaRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    sections: tuple[Section, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    files: Rows = ()


def write_pipeline_page(path: str | Path, data: PipelinePage) -> None:
    """Write the page, complete or not at all."""
    write_durable(path, render("pipeline.html", data).encode("utf-8"))
