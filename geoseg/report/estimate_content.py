"""Estimate content: what a page says of areas and accuracies that were estimated from labelled samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoseg.report.scores_told import Figure
from geoseg.report.words import Headline, Rows, Section, area, interval, number, percent, rows_of

MOST_LINES = 60
"""Classes that have a line of their own; a map of changes may have thousands."""
_MOST_SQUARE = 16


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """One class: hectares on the map (None: not counted) and as estimated, accuracies, and its labelled samples."""

    name: str
    map_ha: float | None
    area: Figure
    users: Figure
    producers: Figure
    n_map: int
    n_reference: int


@dataclass(frozen=True, slots=True)
class Estimated:
    """The lines that a page has of an estimate, the largest area first, and the longest bar in hectares."""

    classes: tuple[EstimateLine, ...]
    overall: Figure
    widest: float
    areas_note: str = ""


@dataclass(frozen=True, slots=True)
class EstimateData:
    """Everything that the page of an estimate shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    estimated: Estimated
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()
    strata: tuple[tuple[str, float, int, int, str], ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


def estimated_of(table: Mapping[str, Any]) -> Estimated:
    """The lines of an estimate; ``table`` is the JSON of ``geoseg estimate``."""
    lines = [
        EstimateLine(
            str(row["class_name"]), row["map_ha"], _figure(row["area_ha"]), _figure(row["users"]), _figure(row["producers"]),
            int(row["n_map"]), int(row["n_reference"]),
        )
        for row in table["classes"]
    ]  # fmt: skip
    lines.sort(key=lambda line: -max(line.area.value or 0.0, line.map_ha or 0.0))
    shown, hidden = lines[:MOST_LINES], lines[MOST_LINES:]
    drawn = [
        line for line in shown if _is_change(line.name)
    ] or shown  # what stayed is so much that no bar could be seen
    ends = [end for line in drawn for end in (line.area.value, line.area.high, line.map_ha) if end]
    notes = [f"{area(table['covered_ha'])} of {area(table['total_ha'])} lie in strata with labelled samples."]
    if hidden:
        notes.append(f"{len(hidden)} smaller classes stand in the table of geoseg estimate.")
    return Estimated(tuple(shown), _figure(table["overall"]), max(ends, default=1.0), " ".join(notes))


def report_of_estimate(table: Mapping[str, Any], *, files: Sequence[str] = ()) -> EstimateData:
    """Say what an estimate holds.

    Parameters
    ----------
    table
        The JSON of ``geoseg estimate``.
    files
        Names of tables that lie beside the page.
    """
    found = estimated_of(table)
    rows = table["classes"]
    square = len(rows) <= _MOST_SQUARE
    return EstimateData(
        title="How right the map is",
        subtitle=f"{number(_labelled(table))} labelled samples, {table['method']}",
        estimated=found,
        headlines=tuple(_headlines(table, found)),
        warnings=tuple(str(note) for note in table["notes"]),
        names=tuple(str(row["class_name"]) for row in rows) if square else (),
        matrix=tuple(tuple(int(n) for n in row) for row in table["matrix"]) if square else (),
        strata=tuple(
            (str(s["name"]), float(s["area_ha"]), int(s["samples"]), int(s["labelled"]), str(s["state"]))
            for s in table["strata"][:MOST_LINES]
        ),
        sections=(Section("Method", rows_of(_method(table))),),
        files=tuple((file, "the same as a table") for file in files),
    )


def _headlines(table: Mapping[str, Any], found: Estimated) -> Iterator[Headline]:
    if found.overall.value is not None:
        low = found.overall.low
        note = f"95 %: {percent(low)} to {percent(found.overall.high or 0.0)}" if low is not None else "no interval"
        yield Headline("Overall accuracy", percent(found.overall.value), note)
    yield Headline("Labelled samples", number(_labelled(table)), f"of {number(int(table['samples']))}")
    yield Headline("Estimates are of", area(table["covered_ha"]), f"of {area(table['total_ha'])}")
    judged = [line for line in found.classes if line.users.value is not None]
    if judged:
        worst = min(judged, key=lambda line: line.users.value or 0.0)
        yield Headline("Least right class", worst.name, f"user's accuracy {interval(worst.users)}")


def _method(table: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "Estimators", table["method"]
    yield "Intervals", table["interval"]
    yield "Finite population", table["correction"]
    yield "Areas", table["area_method"]


def _is_change(name: str) -> bool:
    """Whether a class is a transition, ``tree->bare``, and not what stayed, ``tree->tree``."""
    before, arrow, after = name.partition("->")
    return bool(arrow) and before != after


def _labelled(table: Mapping[str, Any]) -> int:
    return int(table["samples"]) - int(table["unlabelled"])


def _figure(one: Mapping[str, Any]) -> Figure:
    return Figure("", one["value"], one["low"], one["high"])
