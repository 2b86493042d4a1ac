"""Labels: number the connected regions of equal value in a tile, run by run (two passes and a union-find).

A run is a stretch of equal pixels in a row. Pixels are looked at to find the runs; all else costs what the runs cost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit
from geoseg.raster.sets import find, unite

Values = npt.NDArray[np.uint8 | np.uint16]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """The runs of a tile, row-major, and the piece (a region of the tile) that each belongs to.

    ``col`` and ``value`` have one entry a run; those of row ``r`` are ``rows[r] .. rows[r + 1]``, and ``col`` has one
    entry more. ``piece`` is -1 where nodata; pieces are numbered in the order of their first pixels.
    """

    col: Ints
    value: Values
    rows: Longs
    piece: Ints
    pieces: int


def label(mask: Values, nodata: int, diagonal: bool) -> Runs:
    """Runs and pieces of ``mask``, uint8 or uint16 (rows, cols); ``diagonal``: corners connect too."""
    col, value, rows = find_runs(np.ascontiguousarray(mask))
    piece, count = _join(col, value, rows, mask.shape[1], nodata, diagonal)
    return Runs(col, value, rows, piece, count)


def relabel(runs: Runs, mask: Values, table: Values) -> Values:
    """A copy of ``mask`` in which piece ``i`` has the value ``table[i]``."""
    out = mask.copy()
    _paint(runs.col, runs.value, runs.rows, runs.piece, table, out)
    return out


@jit
def find_runs(mask: Values) -> tuple[Ints, Values, Longs]:
    """First column and value of each run, and the first run of each row, with the number of runs at its end."""
    height, width = mask.shape
    n = height
    for r in range(height):
        left, right = mask[r, :-1], mask[r, 1:]
        for c in range(width - 1):
            n += left[c] != right[c]
    col = np.empty(n + 1, np.int32)
    value = np.empty(n, mask.dtype)
    rows = np.empty(height + 1, np.int64)
    n = 0
    for r in range(height):
        rows[r] = n
        col[n] = 0
        value[n] = mask[r, 0]
        n += 1
        left, right = mask[r, :-1], mask[r, 1:]
        for c in range(width - 1):
            if left[c] != right[c]:
                col[n] = c + 1
                value[n] = right[c]
                n += 1
    rows[height] = n
    col[n] = 0
    return col, value, rows


@jit
def end_of(col: Ints, rows: Longs, r: int, i: int, width: int) -> int:
    """The column after run ``i`` of row ``r``."""
    return int(col[i + 1]) if i + 1 < rows[r + 1] else width


@jit
def _join(col: Ints, value: Values, rows: Longs, width: int, nodata: int, diagonal: bool) -> tuple[Ints, int]:
    """The piece of each run, and how many there are."""
    parent = np.arange(len(value)).astype(np.int32)
    reach = 1 if diagonal else 0
    for r in range(1, len(rows) - 1):
        i = rows[r - 1]
        for j in range(rows[r], rows[r + 1]):
            start = col[j] - reach
            stop = end_of(col, rows, r, j, width) + reach
            while end_of(col, rows, r - 1, i, width) <= start:
                i += 1
            k = i
            while k < rows[r] and col[k] < stop:
                if value[k] == value[j] and value[j] != nodata:
                    unite(parent, k, j)
                k += 1
    return _number(parent, value, nodata)


@jit
def _number(parent: Ints, value: Values, nodata: int) -> tuple[Ints, int]:
    """Number the roots; a root is the lowest of its runs, so the order is that of first pixels."""
    piece = np.empty(len(parent), np.int32)
    count = 0
    for i in range(len(parent)):
        root = find(parent, np.int32(i))
        if value[i] == nodata:
            piece[i] = -1
        elif root == i:
            piece[i] = count
            count += 1
        else:
            piece[i] = piece[root]
    return piece, count


@jit
def _paint(col: Ints, value: Values, rows: Longs, piece: Ints, table: Values, out: Values) -> None:
    height, width = out.shape
    for r in range(height):
        for i in range(rows[r], rows[r + 1]):
            if piece[i] >= 0 and table[piece[i]] != value[i]:
                out[r, col[i] : end_of(col, rows, r, i, width)] = table[piece[i]]
