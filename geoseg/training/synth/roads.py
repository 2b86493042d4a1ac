"""Roads: where on a row of spots the borders of districts and regions run, and which district each spot is of; compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth.districts import around, border
from geoseg.training.synth.fields import BEND_X, BEND_Y, DISTRICT, DISTRICT_EDGE, REGION, REGION_EDGE
from geoseg.training.synth.noise import hashed, salted, share


class Line(NamedTuple):
    """A row of spots: place of the first (x, y) and step, metres; spots in a cell of the lattice; fields there, and here."""

    x: float
    y: float
    step: float
    per: int
    points: NDArray[np.float64]
    here: NDArray[np.float64]


@jit
def between(line: Line) -> None:
    """Fill ``here``, from column -1 on, linear between the lattice's points."""
    per, points, here = line.per, line.points, line.here
    wide = here.shape[1]
    for field in range(len(here)):
        for cell in range(len(points) - 1):
            start = (cell - 1) * per + 1
            part = here[field, max(start, 0) : min(start + per, wide)]
            slope = (points[cell + 1, field] - points[cell, field]) / per
            value = points[cell, field] + slope * (max(-start, 0) + 0.5)
            for k in range(len(part)):
                part[k] = value + slope * k


@jit
def roads(seed: Any, line: Line, district: NDArray[np.uint64], road: NDArray[np.bool_]) -> None:
    """Fill ``district`` (uint64), and set ``road`` along the borders of districts: 8 to 16 m wide."""
    seed = salted(seed, 17)
    here, sites = line.here, np.empty((9, 2))
    for cell in range(len(line.points) - 1):
        start, stop, close = _span(line, cell, DISTRICT_EDGE)
        middle = (start + stop) // 2
        x, y = line.x + middle * line.step + here[BEND_X, middle], line.y + here[BEND_Y, middle]
        i, j = around(seed, x, y, DISTRICT, sites)
        if not close:
            a, b, _ = border(x, y, sites)
            district[start:stop] = hashed(seed, i + a % 3, j + a // 3)
            continue
        for k in range(start, stop):
            a, b, away = border(line.x + k * line.step + here[BEND_X, k], line.y + here[BEND_Y, k], sites)
            own = hashed(seed, i + a % 3, j + a // 3)
            pair = own + hashed(seed, i + b % 3, j + b // 3)
            district[k] = own
            road[k] |= away < 4.0 + 4.0 * share(pair, 2)


@jit
def highways(seed: Any, line: Line, road: NDArray[np.bool_]) -> None:
    """Set ``road`` along the borders of regions: two lanes with a strip of green between, or one of 28 m."""
    seed = salted(seed, 19)
    here, sites = line.here, np.empty((9, 2))
    for cell in range(len(line.points) - 1):
        start, stop, close = _span(line, cell, REGION_EDGE)
        if not close:
            continue
        middle = (start + stop) // 2
        x, y = line.x + middle * line.step + 3 * here[BEND_X, middle], line.y + 3 * here[BEND_Y, middle]
        i, j = around(seed, x, y, REGION, sites)
        for k in range(start, stop):
            a, b, away = border(line.x + k * line.step + 3 * here[BEND_X, k], line.y + 3 * here[BEND_Y, k], sites)
            pair = hashed(seed, i + a % 3, j + a // 3) + hashed(seed, i + b % 3, j + b // 3)
            road[k] |= away < 14.0 if share(pair, 2) < 0.6 else 6.0 < away < 17.0


@jit
def _span(line: Line, cell: int, field: int) -> tuple[int, int, bool]:
    """The spots in a cell of the lattice, and whether a border, of which ``field`` says how far it is, may be there."""
    start, stop = max((cell - 1) * line.per + 1, 0), min(cell * line.per + 1, line.here.shape[1])
    reach = (1.5 if field == DISTRICT_EDGE else 3.0) * line.per * line.step + 34.0
    return start, max(start, stop), min(line.points[cell, field], line.points[cell + 1, field]) < reach
