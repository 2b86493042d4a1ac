"""Summary: the page of a whole pipeline: what failed, areas of each scene, what changed, and links to the reports."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from geoseg.pipeline.graph import Task
from geoseg.pipeline.outcome import BAD, GOOD, TaskOutcome
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.steps import ReportStep
from geoseg.report.pipeline_page import AreaRow, ChangeRow, PipelinePage, TaskRow, write_pipeline_page
from geoseg.report.words import Headline


def write_summary(task: Task, pipeline: Pipeline, folder: Path, outcomes: Sequence[TaskOutcome]) -> dict[str, Any]:
    """Write ``report.html`` of what the tasks before came to; how many of each, for the record."""
    assert isinstance(task.step, ReportStep)
    place = folder / task.id
    place.mkdir(parents=True, exist_ok=True)
    bad = [item for item in outcomes if item.status in BAD]
    waiting = [item for item in outcomes if item.status == "waiting"]
    names = list(dict.fromkeys(name for item in outcomes for name in item.scenes))
    rows = tuple(_area_rows(folder, outcomes))
    classes = tuple(dict.fromkeys(name for row in rows for name in row.hectares))
    page = PipelinePage(
        title=task.step.title or pipeline.name,
        subtitle=pipeline.description,
        headlines=(
            Headline("scenes", str(len(names))),
            Headline("tasks", str(len(outcomes)), f"{len(outcomes) - len(bad) - len(waiting)} done"),
            Headline("failed", str(len(bad)), "see below" if bad else ""),
        ),
        warnings=tuple(f"{item.task}: {item.status}: {item.error}" for item in (*bad, *waiting)),
        classes=classes,
        areas=rows,
        changes=tuple(
            ChangeRow(" to ".join(item.scenes), str(item.facts.get("statement", "")), f"../../{item.out}/report.html")
            for item in outcomes
            if item.step == "change" and item.status in ("done", "skipped")
        ),
        tasks=tuple(TaskRow(item.task, _word(item), item.error, _link(folder, item)) for item in outcomes),
    )
    write_pipeline_page(place / "report.html", page)
    return {"failed": len(bad), "waiting": len(waiting), "tasks": len(outcomes)}


def _word(item: TaskOutcome) -> str:
    """A task that was done before is done: the page says the same whenever it is made."""
    return "done" if item.status == "skipped" else item.status


def _area_rows(folder: Path, outcomes: Sequence[TaskOutcome]) -> Iterator[AreaRow]:
    """Hectares by class of each scene: of its last step that measured them."""
    found: dict[str, AreaRow] = {}
    for item in outcomes:
        table = folder / item.out / "areas.csv"
        if item.status not in GOOD or len(item.scenes) != 1 or not table.is_file():
            continue
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if "zone_id" in (reader.fieldnames or ()):
                continue
            hectares = {row["class_name"]: float(row["area_ha"]) for row in reader}
        found[item.scenes[0]] = AreaRow(item.scenes[0], hectares)
    yield from found.values()


def _link(folder: Path, item: TaskOutcome) -> str:
    """The report of a task, else its folder; empty where there is nothing."""
    place = folder / item.out
    if item.status not in GOOD or not place.is_dir():
        return ""
    return f"../../{item.out}/{'report.html' if (place / 'report.html').is_file() else ''}"
