"""Farms: how land that people divide is divided: parcels of fields, blocks of towns, felling areas; compiled.

Each is a lattice that is turned by its district and whose lines are shifted by chance. Lines: ``u`` along, ``v`` across.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from geoseg.raster.jit import jit
from geoseg.training.synth.noise import hashed, salted, share

# Unit vectors of eight directions, exact: (3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29) ...
_COS = np.array([1.0, 24 / 25, 12 / 13, 15 / 17, 4 / 5, 21 / 29, 3 / 5, 8 / 17])
_SIN = np.array([0.0, 7 / 25, 5 / 13, 8 / 17, 3 / 5, 20 / 29, 4 / 5, 15 / 17])
_SEVEN = np.uint64(7)


@jit
def turned(district: Any, x: float, y: float) -> tuple[float, float]:
    """(u, v) in the direction of a district."""
    k = district & _SEVEN
    return _COS[k] * x + _SIN[k] * y, _COS[k] * y - _SIN[k] * x


@jit
def strip(seed: Any, at: float, step: float, loose: float) -> tuple[int, float, float]:
    """Which of the strips of about ``step`` metres holds ``at``, and where it begins and ends.

    ``loose``: part of the step by which lines are shifted, below 1.
    """
    i = int(np.floor(at / step))
    start = (i + _shift(seed, i, loose)) * step
    if at < start:
        return i - 1, (i - 1 + _shift(seed, i - 1, loose)) * step, start
    stop = (i + 1 + _shift(seed, i + 1, loose)) * step
    if at >= stop:
        return i + 1, stop, (i + 2 + _shift(seed, i + 2, loose)) * step
    return i, start, stop


@jit
def _shift(seed: Any, i: int, loose: float) -> float:
    return (share(hashed(seed, i, 0), 0) - 0.5) * loose


class Plot(NamedTuple):
    """A parcel, block or felling area: which, of which district (uint64), where it begins and ends in v and u.

    The next spot most often lies in the same one, and nothing need be hashed. ``open_u``: its sides in u are no borders.
    Numbers only: of an array numba would count the references at every spot.
    """

    bits: Any
    district: Any
    top: float
    bottom: float
    left: float
    right: float
    open_u: bool


@jit
def nowhere() -> Plot:
    """Holds nothing."""
    return Plot(np.uint64(0), np.uint64(0), 0.0, 0.0, 0.0, 0.0, False)


@jit
def holds(plot: Plot, district: Any, u: float, v: float) -> bool:
    """Whether a place lies in a plot."""
    return plot.district == district and plot.top <= v and v < plot.bottom and plot.left <= u and u < plot.right


@jit
def edge(plot: Plot, u: float, v: float) -> float:
    """How far the nearest border of the plot is, metres."""
    across = min(v - plot.top, plot.bottom - v)
    return across if plot.open_u else min(across, u - plot.left, plot.right - u)


@jit
def parcel(seed: Any, district: Any, u: float, v: float) -> Plot:
    """The field at a place.

    Rows of fields 170 to 370 m deep, in each row fields 60 to 340 m wide; every fourth pair of fields is one.
    """
    row, top, bottom = strip(district, v, 170.0 + 200.0 * share(district, 1), 0.45)
    line = hashed(district, row, 7)
    col, left, right = strip(line, u, 60.0 + 200.0 * share(line, 1) * (0.4 + share(district, 2)), 0.6)
    pair = hashed(line, col >> 1, 3)
    joined = share(pair, 0) < 0.25
    bits = salted(seed ^ (pair if joined else hashed(line, col, 5)), 59)
    return Plot(bits, district, top, bottom, left, right, joined)


@jit
def block(district: Any, u: float, v: float) -> Plot:
    """The block of a town: streets of about 75 by 130 m run along its borders."""
    row, top, bottom = strip(salted(district, 41), v, 75.0, 0.3)
    line = hashed(district, row, 43)
    col, left, right = strip(line, u, 100.0 + 60.0 * share(line, 2), 0.4)
    return Plot(hashed(line, col, 47), district, top, bottom, left, right, False)


@jit
def felling(district: Any, u: float, v: float) -> Plot:
    """The felling area at a place in the woods: about 300 m by 220 m."""
    row, top, bottom = strip(salted(district, 51), v, 220.0, 0.5)
    line = hashed(district, row, 53)
    col, left, right = strip(line, u, 300.0, 0.6)
    return Plot(hashed(line, col, 57), district, top, bottom, left, right, False)
