"""Outlines: rings turned to run the way a format wants, and long edges divided before a projection bends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def turn_rings(coords: NDArray[Any], rings: Ints, polygons: Ints, *, counterclockwise: bool) -> NDArray[Any]:
    """Coordinates with each shell running as asked (x to the right, y up) and holes the other way.

    The very same array where nothing has to be turned. A ring without area stays as it is.
    """
    wanted = np.full(len(rings) - 1, -1.0 if counterclockwise else 1.0)
    wanted[polygons[:-1]] *= -1
    wrong = ring_areas(coords, rings) * wanted < 0
    if not wrong.any():
        return coords
    at = np.arange(len(coords))
    lengths = np.diff(rings)
    mirrored = np.repeat(rings[:-1] + rings[1:] - 1, lengths) - at
    turned: NDArray[Any] = coords[np.where(np.repeat(wrong, lengths), mirrored, at)]
    return turned


def divide_edges(coords: NDArray[Any], rings: Ints, longest: float) -> tuple[NDArray[np.float64], Ints]:
    """Rings with each edge cut into equal parts that are at most ``longest`` long along either axis."""
    xy = np.asarray(coords, np.float64)
    if not len(xy):
        return xy, rings
    step = np.zeros_like(xy)
    step[:-1] = xy[1:] - xy[:-1]
    step[rings[1:] - 1] = 0  # from the end of one ring to the next there is no edge
    parts = np.maximum(np.ceil(np.abs(step).max(axis=1) / longest - 1e-9), 1).astype(np.int64)
    ends = np.cumsum(parts)
    first = np.repeat(np.arange(len(xy)), parts)
    share = (np.arange(ends[-1]) - (ends - parts)[first]) / parts[first]
    starts = np.concatenate([np.zeros(1, np.int64), ends])
    return xy[first] + step[first] * share[:, None], starts[rings]


@jit
def ring_areas(coords, rings):  # type: ignore[no-untyped-def]
    """Signed area of each closed ring by the shoelace formula, positive where it runs counter-clockwise; compiled."""
    out = np.zeros(len(rings) - 1)
    for i in range(len(out)):
        start, total = rings[i], 0.0
        x0, y0 = float(coords[start, 0]), float(coords[start, 1])  # from there: small numbers lose no digits
        for k in range(start, rings[i + 1] - 1):
            ax, ay = float(coords[k, 0]) - x0, float(coords[k, 1]) - y0
            bx, by = float(coords[k + 1, 0]) - x0, float(coords[k + 1, 1]) - y0
            total += ax * by - bx * ay
        out[i] = total / 2
    return out
