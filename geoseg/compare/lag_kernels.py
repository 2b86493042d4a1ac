"""Lag kernels: compiled counts of the classes of pixels that stand at a distance from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@jit
def count_lags(one: Bytes, other: Bytes, place: Ints, lags: Ints, out: Ints) -> None:
    """Add to ``out[l, i, j]`` the pixels of class i in ``one`` with j in ``other`` at lag l; class indices, 255 none.

    ``place`` is the rectangle (row, col, height, width) whose pixels of ``one`` are counted; partners may lie outside.
    """
    rows, cols = one.shape
    for row in range(place[0], place[0] + place[2]):
        for col in range(place[1], place[1] + place[3]):
            i = one[row, col]
            if i == 255:
                continue
            for k in range(len(lags)):
                r, c = row + lags[k, 0], col + lags[k, 1]
                if 0 <= r < rows and 0 <= c < cols and other[r, c] != 255:
                    out[k, i, other[r, c]] += 1


@jit
def count_specks(own: Bytes, other: Bytes, place: Ints, out: Ints) -> None:
    """Add to ``out[k, i]`` the pixels of class i of ``own`` all around which, and all over them in ``other``, is class k."""
    rows, cols = own.shape
    for row in range(max(place[0], 1), min(place[0] + place[2], rows - 1)):
        for col in range(max(place[1], 1), min(place[1] + place[3], cols - 1)):
            k = other[row, col]
            if k == 255 or own[row, col] == 255:
                continue
            alone = True
            for r in range(row - 1, row + 2):
                for c in range(col - 1, col + 2):
                    if other[r, c] != k or (own[r, c] != k and (r != row or c != col)):
                        alone = False
                        break
                if not alone:
                    break
            if alone:
                out[k, own[row, col]] += 1
