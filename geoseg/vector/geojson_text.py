"""Geojson text: coordinates of polygons as JSON, straight from flat arrays of integers; compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINT = 27  # bytes at most: [-179.1234567,-89.1234567],


def coordinates_text(
    units: NDArray[np.int64], rings: NDArray[np.int64], polygons: NDArray[np.int64]
) -> tuple[bytes, list[int]]:
    """The ``coordinates`` of all polygons one after another, and where each begins.

    Parameters
    ----------
    units
        Longitude and latitude in 1e-7 degrees, ``(v, 2)``. A point that equals the one before it in its ring is left
        out, unless the ring would have fewer than four.
    rings, polygons
        Offsets as in :class:`Regions`.
    """
    out = np.empty(_POINT * len(units) + 2 * len(rings) + 2 * len(polygons), np.uint8)
    ends = _write(out, units, rings, polygons)
    return out[: ends[-1]].tobytes(), ends.tolist()


@jit
def _write(out, units, rings, polygons):  # type: ignore[no-untyped-def]
    ends = np.zeros(len(polygons), np.int64)
    at = 0
    for i in range(len(polygons) - 1):
        at = _byte(out, at, 91)  # [
        for ring in range(polygons[i], polygons[i + 1]):
            if ring > polygons[i]:
                at = _byte(out, at, 44)  # ,
            at = _ring(out, at, units, rings[ring], rings[ring + 1])
        at = _byte(out, at, 93)  # ]
        ends[i + 1] = at
    return ends


@jit
def _ring(out, at, units, start, stop):  # type: ignore[no-untyped-def]
    different = 1
    for k in range(start + 1, stop):
        if units[k, 0] != units[k - 1, 0] or units[k, 1] != units[k - 1, 1]:
            different += 1
    at = _byte(out, at, 91)
    for k in range(start, stop):
        if k > start:
            if different >= 4 and units[k, 0] == units[k - 1, 0] and units[k, 1] == units[k - 1, 1]:
                continue
            at = _byte(out, at, 44)
        at = _byte(out, at, 91)
        at = _degrees(out, at, units[k, 0])
        at = _byte(out, at, 44)
        at = _degrees(out, at, units[k, 1])
        at = _byte(out, at, 93)
    return _byte(out, at, 93)


@jit
def _degrees(out, at, units):  # type: ignore[no-untyped-def]
    """A number of 1e-7 degrees as decimal text without zeros at its end."""
    if units < 0:
        at = _byte(out, at, 45)  # -
        units = -units
    whole, rest = units // 10_000_000, units % 10_000_000
    if whole >= 100:
        at = _byte(out, at, 48 + whole // 100)
    if whole >= 10:
        at = _byte(out, at, 48 + whole // 10 % 10)
    at = _byte(out, at, 48 + whole % 10)
    if rest == 0:
        return at
    at = _byte(out, at, 46)  # .
    power = 1_000_000
    while rest:
        at = _byte(out, at, 48 + rest // power)
        rest %= power
        power //= 10
    return at


@jit
def _byte(out, at, value):  # type: ignore[no-untyped-def]
    out[at] = value
    return at + 1
