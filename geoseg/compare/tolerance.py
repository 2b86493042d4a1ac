"""Tolerance: changes that a small misregistration explains are none.

Where two maps lie half a pixel beside each other, every border between classes shows as a line of change. Such a line is
told from a changed place by its surroundings: the class that a pixel has afterwards lies beside it before already, and the
class that it had before lies beside it afterwards still.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]


def absorb(before: Bytes, after: Bytes, radius: int) -> Bytes:
    """``after`` with the class of ``before`` wherever a shift of at most ``radius`` pixels explains that they differ.

    A pixel of class i before and j after is explained when one of its neighbours is j before and one is i afterwards, both
    among the pixels that a shift of ``radius`` can bring here (:func:`footprint`). No class that is only in one map can be
    explained, nor a place that is farther than ``radius`` from any border of both classes; a true change that is nowhere
    wider than that along an old border, as a wood that grew by a row of pixels, is absorbed with the rest.

    Parameters
    ----------
    before, after
        Class values, uint8 (rows, cols), 0 nodata: such pixels stay as they are and explain nothing.
    radius
        Pixels; 0: nothing is absorbed.

    Notes
    -----
    The pixels that are changed before and after are the same when the maps are swapped. A window is right but for
    :func:`halo` pixels along its sides, where neighbours are missing.
    """
    if radius <= 0:
        return after
    out = after.copy()
    _absorb(before, after, footprint(radius), out)
    return out


def halo(radius: int) -> int:
    """Pixels around a window that :func:`absorb` looks at."""
    return max(radius, 0)


def footprint(radius: float) -> npt.NDArray[np.int64]:
    """The (row, col) offsets, int64 (n, 2), of pixels that a shift of at most ``radius`` pixels can bring to another's place.

    A pixel takes the nearest one's class, so a shift by v fetches it from the pixel that v rounds to; those are the pixels
    whose square comes within ``radius`` of the middle: all eight neighbours for 1, and 5 by 5 but its corners for 2.
    """
    reach = math.floor(radius + 0.5)
    row, col = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = np.maximum(np.abs(row) - 0.5, 0) ** 2 + np.maximum(np.abs(col) - 0.5, 0) ** 2 <= radius**2
    return np.stack([row[near], col[near]], axis=1).astype(np.int64)


@jit
def _absorb(before: Bytes, after: Bytes, offsets: npt.NDArray[np.int64], out: Bytes) -> None:
    rows, cols = before.shape
    for row in range(rows):
        for col in range(cols):
            old, new = before[row, col], after[row, col]
            if old == new or old == 0 or new == 0:
                continue
            was = stays = False
            for k in range(len(offsets)):
                r, c = row + offsets[k, 0], col + offsets[k, 1]
                if r < 0 or c < 0 or r >= rows or c >= cols:
                    continue
                was = was or before[r, c] == new
                stays = stays or after[r, c] == old
                if was and stays:
                    out[row, col] = old
                    break
