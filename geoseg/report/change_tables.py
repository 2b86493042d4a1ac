"""Change tables: classes, transitions, their matrix, rules, intervals and zones of a change, as lines for a page.

However many classes there are, the tables stay small: the largest ones have a line by name, the others one together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Legend
from geoseg.report.change_told import change_interval
from geoseg.report.estimate_content import Estimated
from geoseg.report.scores_told import Figure
from geoseg.report.words import area, hex_colour, number

Matrix = NDArray[np.float64]

MOST_CLASSES = 16
"""Classes that have a row of their own in the matrix."""
MOST_TRANSITIONS = 24
"""Transitions in the legend of the change picture."""
MOST_ZONES = 40

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
    estimates: Mapping[tuple[int, int], Figure] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Row by row: place, name, colour, total, and cells of (hectares, shares of row and column, estimate)."""
        down, across = self.area_ha.sum(axis=0), self.area_ha.sum(axis=1)
        return [
            {
                "place": i,
                "name": name,
                "colour": self.colours[i],
                "total": float(across[i]),
                "cells": [
                    (
                        float(ha),
                        float(ha / across[i]) if across[i] else 0.0,
                        float(ha / down[j]) if down[j] else 0.0,
                        self.estimates.get((i, j)),
                    )
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


def transition_lines(hectares: Matrix | None, legend: Legend, changes: Legend | None) -> tuple[TransitionLine, ...]:
    """The transitions that occur, the largest first; colours are those of ``changes``, else of the class after."""
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


def rest_of(transitions: Sequence[TransitionLine]) -> str:
    """What a table of :data:`MOST_TRANSITIONS` leaves out, in words."""
    hidden = transitions[MOST_TRANSITIONS:]
    if not hidden:
        return ""
    return (
        f"{len(hidden)} smaller ones, {area(sum(line.area_ha for line in hidden))} together, stand in transitions.csv"
    )


def class_lines(run: Mapping[str, Any], legend: Legend) -> tuple[ClassLine, ...]:
    """The classes that occur, the largest first."""
    colours = {item.name: hex_colour(item.colour) for item in legend.classes}
    keys = ("before_ha", "after_ha", "gain_ha", "loss_ha", "persistence_ha")
    lines = [
        ClassLine(str(row["class_name"]), colours.get(row["class_name"], "#808080"), *(float(row[key]) for key in keys))
        for row in run.get("by_class") or ()
    ]
    seen = [line for line in lines if line.before_ha or line.after_ha]
    return tuple(sorted(seen, key=lambda line: -max(line.before_ha, line.after_ha))[: 2 * MOST_CLASSES])


def matrix_table(hectares: Matrix | None, legend: Legend, estimated: Estimated | None = None) -> MatrixTable | None:
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
    known = {line.name: line.area for line in estimated.classes} if estimated else {}
    cells = {
        (i, j): known[f"{one}->{two}"]
        for i, one in enumerate(names)
        for j, two in enumerate(names)
        if f"{one}->{two}" in known
    }
    return MatrixTable(tuple(names), tuple(colours), table, cells)


def matrix_note(run: Mapping[str, Any], pixels: Matrix | None, estimated: Estimated | None = None) -> str:
    """What the cells of the matrix are."""
    parts = [
        "Hectares; below them the share of the row's class that went there, and of the column's class that came from there"
    ]
    if estimated is not None:
        parts.append("In brackets what labelled samples say, with a 95 % interval")
    if pixels is not None:
        parts.append(f"{number(int(pixels.sum()))} pixels that have a class at both dates")
    methods = run.get("area_method") or run.get("matrix", {}).get("area_method")
    if methods:
        parts.append(f"Areas are {methods}")
    return ". ".join(parts) + "."


def rule_fields(run: Mapping[str, Any], pixels: Matrix | None) -> dict[str, Any]:
    """``rules, naive_pixels, kept_pixels`` of the page: from what differs to what was kept."""
    naive = matrix_of(run, "naive", "n_pixels")
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


def interval_fields(run: Mapping[str, Any]) -> dict[str, Any]:
    """``intervals, intervals_note`` of the page: the change as mapped and as estimated."""
    found = change_interval(run)
    if found is None:
        return {}
    note = (
        "Of all transitions together, from the stated or estimated errors of both maps; not from labelled samples, which "
        "geoseg sample and geoseg estimate are for"
    )
    return {"intervals": (IntervalLine("Change", *found),), "intervals_note": f"{note}."}


def zone_fields(run: Mapping[str, Any]) -> dict[str, Any]:
    """``zones, zones_note`` of the page: those with the most change."""
    lines = [
        ZoneLine(str(zone["zone_name"]), float(zone["mapped_ha"]), float(zone["changed_ha"]))
        for zone in run.get("zones") or ()
    ]
    hidden = len(lines) - MOST_ZONES
    note = f"{hidden} more zones stand in zones.csv" if hidden > 0 else ""
    lines.sort(key=lambda line: -line.changed_ha)
    return {"zones": tuple(lines[:MOST_ZONES]), "zones_note": note}


def matrix_of(run: Mapping[str, Any], key: str, what: str) -> Matrix | None:
    """``run[key][what]`` as float64 (classes, classes), rows before and columns after; None where it is not told."""
    found = (run.get(key) or {}).get(what)
    return None if not found else np.asarray(found, np.float64)


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


def _off(matrix: Matrix) -> float:
    """The sum of what is not on the diagonal."""
    return float(matrix.sum() - np.trace(matrix))
