"""Change content: what a page says of a change between two maps, drawn from the run's record, in words and numbers with units.

What the record lacks is left out of the page. However many classes there are, the page stays small: the largest ones stand in
the tables by name, the others as one line, and the files have them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Legend
from geoseg.report.change_figures import ChangeOverview
from geoseg.report.change_told import change_interval, error_rows, shift_note, shift_rows
from geoseg.report.words import (
    Headline,
    Rows,
    Section,
    area,
    hex_colour,
    moment,
    number,
    percent,
    rows_of,
    settings_rows,
    steps_of,
)  # fmt: skip

Matrix = NDArray[np.float64]

MOST_CLASSES = 16
"""Classes that have a row of their own in the matrix."""
MOST_TRANSITIONS = 24
"""Transitions in the legend of the change picture."""
MOST_ZONES = 40

_STEPS = {
    "open": "opening both maps",
    "shift": "measuring the shift",
    "small": "finding small places",
    "change": "comparing, writing the change raster",
    "errors": "weighing the maps' errors",
    "zones": "counting by zone",
    "polygons": "polygons",
}
_RULES = (
    ("tolerance_px", "a shift of a border by the tolerance would do it", "tolerance", "{} px"),
    ("confidence_px", "one of the maps was not sure enough", "confidence_min", "least confidence {} %"),
    ("joint_px", "joint probability too small", "joint_min", "least probability {}"),
    ("min_area_px", "part of a place that is too small", "min_area", "least area {} m2"),
)


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One class at both dates, in hectares."""

    name: str
    colour: str
    before_ha: float
    after_ha: float
    gain_ha: float
    loss_ha: float
    persistence_ha: float

    @property
    def net_ha(self) -> float:
        """What the class has gained more than it lost."""
        return self.gain_ha - self.loss_ha


@dataclass(frozen=True, slots=True)
class TransitionLine:
    """One transition that occurred: its classes, colour in the picture, hectares, and share of all compared ground (0-1)."""

    before: str
    after: str
    colour: str
    area_ha: float
    share: float


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """Hectares by class before (rows) and after (columns), with the shares of rows and columns."""

    names: tuple[str, ...]
    colours: tuple[str, ...]
    area_ha: Matrix

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Row by row: place, name, colour, total, and cells of (hectares, share of the row, share of the column)."""
        down, across = self.area_ha.sum(axis=0), self.area_ha.sum(axis=1)
        return [
            {
                "place": i,
                "name": name,
                "colour": self.colours[i],
                "total": float(across[i]),
                "cells": [
                    (float(ha), float(ha / across[i]) if across[i] else 0.0, float(ha / down[j]) if down[j] else 0.0)
                    for j, ha in enumerate(self.area_ha[i])
                ],
            }
            for i, name in enumerate(self.names)
        ]

    @property
    def totals(self) -> list[float]:
        """Hectares of each class after, and of all."""
        return [*(float(ha) for ha in self.area_ha.sum(axis=0)), float(self.area_ha.sum())]


@dataclass(frozen=True, slots=True)
class RuleLine:
    """What one rule did: pixels that count as unchanged because of it, and their share of all that differ (0-1)."""

    what: str
    setting: str
    n_pixels: int
    share: float


@dataclass(frozen=True, slots=True)
class IntervalLine:
    """An area as the map has it, and as estimated, with the bounds of its interval; hectares."""

    name: str
    map_ha: float
    estimate_ha: float
    low_ha: float
    high_ha: float


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """One zone: hectares that have a class at both dates, and that changed."""

    name: str
    area_ha: float
    changed_ha: float

    @property
    def share(self) -> float:
        """The changed share of what was compared (0-1)."""
        return self.changed_ha / self.area_ha if self.area_ha else 0.0


@dataclass(frozen=True, slots=True)
class ChangeData:
    """Everything that the page of a change shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    legend: Legend
    changes: Legend | None = None
    statement: str = ""
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ("Before", "After")
    overview: ChangeOverview | None = None
    transitions: tuple[TransitionLine, ...] = ()
    transitions_note: str = ""
    classes: tuple[ClassLine, ...] = ()
    matrix: MatrixTable | None = None
    matrix_note: str = ""
    rules: tuple[RuleLine, ...] = ()
    naive_pixels: int = 0
    kept_pixels: int = 0
    intervals: tuple[IntervalLine, ...] = ()
    intervals_note: str = ""
    zones: tuple[ZoneLine, ...] = ()
    zones_note: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


FILES = {
    "change.tif": "the change: before * 256 + after, with names and colours",
    "transitions.csv": "every transition: pixels, area, shares",
    "zones.csv": "transitions by zone",
    "polygons.gpkg": "changed places as polygons, styled for QGIS",
    "item.json": "STAC Item that describes these files",
    "report.html": "this page",
    "run.json": "provenance, settings, timings",
    "change.qml": "colours and names for QGIS",
    "change.tif.aux.xml": "names and attribute table for GDAL, QGIS and ArcGIS",
}


def report_of_change(
    run: Mapping[str, Any],
    legend: Legend,
    *,
    changes: Legend | None = None,
    overview: ChangeOverview | None = None,
    files: Sequence[str] = (),
) -> ChangeData:
    """Say what the record of a change run holds.

    Parameters
    ----------
    run
        The content of ``run.json``.
    legend
        The joined classes of both maps.
    changes
        The legend of the change raster (``before * 256 + after``), whose colours the picture has.
    overview
        Both maps and the change, small.
    files
        Names of the outputs, without folders.
    """
    names = tuple(str(run.get(side, {}).get("name") or side) for side in ("before", "after"))
    pixels, hectares = _matrix(run, "matrix", "n_pixels"), _matrix(run, "matrix", "area_ha")
    transitions = _transitions(hectares, legend, changes)
    return ChangeData(
        title=f"Change from {names[0]} to {names[1]}",
        subtitle=_subtitle(run),
        legend=legend,
        changes=changes,
        statement=str(run.get("statement") or ""),
        headlines=tuple(_headlines(run, transitions)),
        warnings=tuple(_warnings(run)),
        names=(_titled("Before", run.get("before", {})), _titled("After", run.get("after", {}))),
        overview=overview,
        transitions=transitions[:MOST_TRANSITIONS],
        transitions_note=_rest(transitions),
        classes=tuple(_classes(run, legend)),
        matrix=_table(hectares, legend),
        matrix_note=_matrix_note(run, pixels),
        **_rules(run, pixels),
        **_intervals(run),
        **_zones(run),
        steps=tuple(steps_of(run.get("seconds", {}), _STEPS)),
        sections=tuple(section for section in _sections(run) if section.rows),
        files=tuple((name, FILES.get(name, "")) for name in files),
    )


def _subtitle(run: Mapping[str, Any]) -> str:
    parts = (f"run {run['run']}" if "run" in run else "", moment(run.get("finished")))
    return " · ".join(part for part in parts if part)


def _titled(word: str, side: Mapping[str, Any]) -> str:
    return ": ".join(str(part) for part in (word, side.get("name")) if part)


def _matrix(run: Mapping[str, Any], key: str, what: str) -> Matrix | None:
    found = (run.get(key) or {}).get(what)
    return None if not found else np.asarray(found, np.float64)


def _off(matrix: Matrix) -> float:
    """The sum of what is not on the diagonal."""
    return float(matrix.sum() - np.trace(matrix))


def _transitions(hectares: Matrix | None, legend: Legend, changes: Legend | None) -> tuple[TransitionLine, ...]:
    if hectares is None:
        return ()
    colours = changes.colours if changes else {}
    total = float(hectares.sum()) or 1.0
    lines = [
        TransitionLine(
            one.name, two.name,
            hex_colour(colours.get(one.value * 256 + two.value, two.colour)),
            float(hectares[i, j]), float(hectares[i, j]) / total,
        )
        for i, one in enumerate(legend.classes)
        for j, two in enumerate(legend.classes)
        if i != j and hectares[i, j] > 0
    ]  # fmt: skip
    return tuple(sorted(lines, key=lambda line: (-line.area_ha, line.before, line.after)))


def _rest(transitions: Sequence[TransitionLine]) -> str:
    hidden = transitions[MOST_TRANSITIONS:]
    if not hidden:
        return ""
    return (
        f"{len(hidden)} smaller ones, {area(sum(line.area_ha for line in hidden))} together, stand in transitions.csv"
    )


def _headlines(run: Mapping[str, Any], transitions: Sequence[TransitionLine]) -> Iterator[Headline]:
    changed = run.get("changed") or {}
    if "area_ha" in changed:
        yield Headline(
            "Kept as change", area(changed["area_ha"]), f"{percent(changed['share'])} of the ground compared"
        )
    if "naive_area_ha" in changed:
        note = f"{percent(changed['naive_share'])}: pixel against pixel, before any rule"
        yield Headline("The two maps differ on", area(changed["naive_area_ha"]), note)
    if transitions:
        first = transitions[0]
        yield Headline("Largest transition", f"{first.before} → {first.after}", area(first.area_ha))
    shift = run.get("shift")
    if shift:
        yield Headline("Measured shift", f"{float(shift['px']):.2f} px", shift_note(shift))
    if run.get("polygons") is not None:
        yield Headline("Polygons", number(run["polygons"]), "changed places")


def _warnings(run: Mapping[str, Any]) -> Iterator[str]:
    for side in ("before", "after"):
        yield from (f"{side.title()}: {note}" for note in run.get(side, {}).get("notes") or ())
    yield from (str(note) for note in run.get("notes") or ())


def _classes(run: Mapping[str, Any], legend: Legend) -> Iterator[ClassLine]:
    colours = {item.name: hex_colour(item.colour) for item in legend.classes}
    keys = ("before_ha", "after_ha", "gain_ha", "loss_ha", "persistence_ha")
    lines = [
        ClassLine(str(row["class_name"]), colours.get(row["class_name"], "#808080"), *(float(row[key]) for key in keys))
        for row in run.get("by_class") or ()
    ]
    seen = [line for line in lines if line.before_ha or line.after_ha]
    yield from sorted(seen, key=lambda line: -max(line.before_ha, line.after_ha))[: 2 * MOST_CLASSES]


def _table(hectares: Matrix | None, legend: Legend) -> MatrixTable | None:
    """The matrix of the largest classes; the others together are its last row and column."""
    if hectares is None or not hectares.sum():
        return None
    either = np.maximum(hectares.sum(axis=0), hectares.sum(axis=1))
    there = [i for i in np.argsort(-either, kind="stable") if either[i] > 0]
    few = there[:MOST_CLASSES]
    shown = [i for i in range(len(legend.classes)) if i in few]  # in the legend's order
    groups = [[i] for i in shown]
    names = [legend.classes[i].name for i in shown]
    colours = [hex_colour(legend.classes[i].colour) for i in shown]
    if len(there) > MOST_CLASSES:
        groups.append(sorted(int(i) for i in there[MOST_CLASSES:]))
        names.append(f"{len(groups[-1])} other classes")
        colours.append("#808080")
    table = np.array([[hectares[np.ix_(one, two)].sum() for two in groups] for one in groups])
    return MatrixTable(tuple(names), tuple(colours), table)


def _matrix_note(run: Mapping[str, Any], pixels: Matrix | None) -> str:
    parts = [
        "Hectares; below them the share of the row's class that went there, and of the column's class that came from there"
    ]
    if pixels is not None:
        parts.append(f"{number(int(pixels.sum()))} pixels that have a class at both dates")
    methods = run.get("area_method") or run.get("matrix", {}).get("area_method")
    if methods:
        parts.append(f"Areas are {methods}")
    return ". ".join(parts) + "."


def _rules(run: Mapping[str, Any], pixels: Matrix | None) -> dict[str, Any]:
    naive = _matrix(run, "naive", "n_pixels")
    if naive is None or pixels is None:
        return {}
    told, differ = run.get("significance") or {}, _off(naive)
    dropped = told.get("dropped") or {}
    lines = []
    for key, what, setting, words in _RULES:
        asked = told.get(setting)
        count = int(dropped.get(key) or 0)
        if count or any(_numbers(asked)):
            lines.append(RuleLine(what, words.format(_plain(asked)), count, count / differ if differ else 0.0))
    return {"rules": tuple(lines), "naive_pixels": int(differ), "kept_pixels": int(_off(pixels))}


def _numbers(value: object) -> Iterator[float]:
    """The numbers of a setting, which may be one by class."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, int | float):
        yield float(value)


def _plain(value: object) -> str:
    """A setting in words; one by class is a mapping."""
    if isinstance(value, Mapping):
        others, classes = value.get("others", 0), value.get("classes") or {}
        return ", ".join([_plain(others), *(f"{name} {_plain(least)}" for name, least in classes.items())])
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _intervals(run: Mapping[str, Any]) -> dict[str, Any]:
    found = change_interval(run)
    if found is None:
        return {}
    note = (
        "Of all transitions together, from the stated or estimated errors of both maps; not from labelled samples, which "
        "geoseg sample and geoseg estimate are for"
    )
    return {"intervals": (IntervalLine("Change", *found),), "intervals_note": f"{note}."}


def _zones(run: Mapping[str, Any]) -> dict[str, Any]:
    lines = [
        ZoneLine(str(zone["zone_name"]), float(zone["mapped_ha"]), float(zone["changed_ha"]))
        for zone in run.get("zones") or ()
    ]
    hidden = len(lines) - MOST_ZONES
    note = f"{hidden} more zones stand in zones.csv" if hidden > 0 else ""
    lines.sort(key=lambda line: -line.changed_ha)
    return {"zones": tuple(lines[:MOST_ZONES]), "zones_note": note}


def _sections(run: Mapping[str, Any]) -> Iterator[Section]:
    for side in ("before", "after"):
        yield Section(side.title(), rows_of(_side(run.get(side) or {})))
    yield Section("Grid", rows_of(_grid(run.get("grid") or {})))
    yield Section("Measured shift", rows_of(shift_rows(run.get("shift") or {})))
    yield Section("Errors of the maps", rows_of(error_rows(run.get("errors") or {})))
    yield Section("Settings", rows_of(settings_rows(_named(run.get("settings") or {}))))
    yield Section("Provenance", rows_of(_provenance(run)))


def _named(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with files by their names, without folders."""
    files = ("before_errors", "after_errors", "zones")
    return {
        name: PurePath(value).name if name in files and isinstance(value, str) else value
        for name, value in settings.items()
    }


def _side(side: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "Name", side.get("name")
    yield "File", side.get("path")
    yield "Taken", moment(side.get("datetime"))
    yield "Fingerprint", side.get("fingerprint")


def _grid(grid: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    shape = grid.get("shape")
    yield "Size", f"{number(shape[0])} rows by {number(shape[1])} columns" if shape else None
    yield "Pixel", " by ".join(f"{float(side):.9g}" for side in grid.get("res") or ())
    yield "CRS", str(grid.get("crs") or "")[:120]


def _provenance(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "geoseg", run.get("geoseg")
    yield "Run", run.get("run")
    yield "Finished", moment(run.get("finished"))
