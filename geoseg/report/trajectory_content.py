"""Trajectory content: what the page of a comparison of several dates says: that of a change from first to last, and more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from geoseg.legend import Legend
from geoseg.report.change_content import ChangeData, report_of_change
from geoseg.report.places import PLACES_NOTE
from geoseg.report.stage import Stage
from geoseg.report.trajectory_item import FILES
from geoseg.report.words import Headline, Section, area, number, percent, rows_of, steps_of

_STEPS = {
    "open": "opening the maps",
    "shift": "measuring the shifts",
    "survey": "counting what the maps show",
    "gather": "gathering sequences",
    "trajectory": "writing the trajectories",
    "rasters": "writing dates, counts and filtered maps",
    "tables": "tables",
}


def report_of_trajectory(
    run: Mapping[str, Any],
    legend: Legend,
    *,
    changes: Legend,
    stage: Stage | None = None,
    files: Sequence[str] = (),
) -> ChangeData:
    """Say what the record of a comparison of several dates holds.

    Parameters
    ----------
    run
        The content of ``run.json``.
    legend, changes, stage, files
        As of :func:`geoseg.report.change_content.report_of_change`, from the first date to the last.
    """
    labels, sides = run["dates"]["labels"], run["maps"]
    page = report_of_change(run, legend, changes=changes, stage=stage)
    own = (
        Section("Maps", rows_of((labels[i], side["name"]) for i, side in enumerate(sides))),
        Section("From date to date", rows_of(_steps(run))),
        Section("Shift against the first map", rows_of(_shifts(run))),
    )
    return replace(
        page,
        title=f"Change from {labels[0]} to {labels[-1]}, {len(labels)} dates",
        nothing="No pixel has another class at the last date than at the first.",
        places_note=f"{PLACES_NOTE}. Changed: at least once between any dates",
        headlines=(*_headlines(run), *page.headlines[2:]),
        steps=tuple(steps_of(run["seconds"], _STEPS)),
        sections=(*(section for section in own if section.rows), *page.sections),
        files=tuple((name, _told(name)) for name in files),
    )


def ends_titles(run: Mapping[str, Any]) -> tuple[str, str]:
    """What the pictures of the first and the last map are called."""
    labels, sides = run["dates"]["labels"], run["maps"]
    return f"{labels[0]}: {sides[0]['name']}", f"{labels[-1]}: {sides[-1]['name']}"


def _headlines(run: Mapping[str, Any]) -> Iterator[Headline]:
    for text, least in (("Changed at least once", 1), ("Changed more than once", 2)):
        rows, naive = (run[key][least:] for key in ("by_n_changes", "naive_by_n_changes"))
        note = f"{percent(sum(row['share'] for row in rows))} of what has two dates"
        if run["flicker"]:
            note += f"; {percent(sum(row['share'] for row in naive))} before the filter"
        yield Headline(text, area(sum(row["area_ha"] for row in rows)), note)
    yield Headline("Sequences of classes", number(run["trajectories"]), "different ones, in trajectories.csv")


def _steps(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for step in run["steps"]:
        changed, errors = step["changed"], step.get("errors")
        told = f"{percent(changed['share'])} ({area(changed['area_ha'])})"
        if run["flicker"]:
            told += f", as mapped {percent(changed['naive_share'])}"
        if errors:
            told += (
                f"; errors alone {percent(errors['false_share'])}, without them {percent(errors['estimated_share'])}"
            )
        yield f"{step['from']} to {step['to']}", told


def _shifts(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for label, shift in zip(run["dates"]["labels"][1:], run["shifts"], strict=True):
        if shift:
            yield label, f"{shift['px']:.2f} px ({shift['blocks']} blocks, spread {shift['spread']:.2f} px)"


def _told(name: str) -> str:
    return FILES.get(name, "class map without flicker" if name.startswith("mask_") else "")
