"""Sankey: what each class became, as bands from left to right, laid out for a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoseg.report.change_tables import Matrix, MatrixTable
from geoseg.report.words import area

WIDTH = 1000.0
HEIGHT = 420.0
_BAR = 16.0
_MARGIN = 190.0
"""Room for names at each side."""
_GAP = 10.0
_LEAST = 0.002
"""Share of all change below which a band is not drawn: it would be thinner than a pixel."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One class at one date: its rectangle, colour, name and hectares in words."""

    x: float
    y: float
    height: float
    colour: str
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Band:
    """One transition: the path of its outline, the colour of the class it came from, and what it is."""

    path: str
    colour: str
    told: str


@dataclass(frozen=True, slots=True)
class Sankey:
    """Bars at the left (lost) and right (gained), bands between them, and the classes that did not change in words."""

    left: tuple[Bar, ...]
    right: tuple[Bar, ...]
    bands: tuple[Band, ...]
    note: str
    width: float = WIDTH
    height: float = HEIGHT


def sankey_of(matrix: MatrixTable) -> Sankey | None:
    """The diagram of all changes of a matrix; None where nothing changed."""
    flows = matrix.area_ha.astype(np.float64).copy()
    stayed = float(np.trace(flows))
    np.fill_diagonal(flows, 0)
    total = float(flows.sum())
    if total <= 0:
        return None
    left, right = _bars(matrix, flows.sum(axis=1), 0), _bars(matrix, flows.sum(axis=0), 1)
    note = f"Only what changed: {area(total)}. {area(stayed)} stayed as they were. A band has the colour of what was there before."
    return Sankey(tuple(left.values()), tuple(right.values()), _bands(matrix, flows, left, right), note)


def _bars(matrix: MatrixTable, sums: Matrix, side: int) -> dict[int, Bar]:
    """Bars from top to bottom, by the class's place in the matrix."""
    shown = [i for i, ha in enumerate(sums) if ha > 0]
    scale = _scale(sums, len(shown))
    x, y, made = (_MARGIN, WIDTH - _MARGIN - _BAR)[side], 0.0, {}
    for i in shown:
        height = float(sums[i]) * scale
        made[i] = Bar(x, round(y, 2), round(height, 2), matrix.colours[i], matrix.names[i], area(float(sums[i])))
        y += height + _GAP
    return made


def _bands(matrix: MatrixTable, flows: Matrix, left: dict[int, Bar], right: dict[int, Bar]) -> tuple[Band, ...]:
    total = float(flows.sum())
    scales = _scale(flows.sum(axis=1), len(left)), _scale(flows.sum(axis=0), len(right))
    start, end, made = {i: bar.y for i, bar in left.items()}, {j: bar.y for j, bar in right.items()}, []
    for i in left:
        for j in right:
            ha = float(flows[i, j])
            thick, thin = ha * scales[0], ha * scales[1]
            if ha >= _LEAST * total:
                told = f"{matrix.names[i]} → {matrix.names[j]}: {area(ha)}"
                made.append(Band(_outline(start[i], start[i] + thick, end[j], end[j] + thin), matrix.colours[i], told))
            start[i], end[j] = start[i] + thick, end[j] + thin
    return tuple(made)


def _scale(sums: Matrix, bars: int) -> float:
    return float((HEIGHT - _GAP * (bars - 1)) / sums.sum())


def _outline(top: float, bottom: float, to_top: float, to_bottom: float) -> str:
    """A band between two bars as an SVG path, with flat ends."""
    x, to, middle = _MARGIN + _BAR, WIDTH - _MARGIN - _BAR, WIDTH / 2
    curves: Sequence[tuple[str, ...]] = (
        ("M", f"{x:g} {top:.2f}"),
        ("C", f"{middle:g} {top:.2f} {middle:g} {to_top:.2f} {to:g} {to_top:.2f}"),
        ("L", f"{to:g} {to_bottom:.2f}"),
        ("C", f"{middle:g} {to_bottom:.2f} {middle:g} {bottom:.2f} {x:g} {bottom:.2f}"),
        ("Z", ""),
    )
    return "".join(letter + numbers for letter, numbers in curves)
