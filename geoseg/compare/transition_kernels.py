"""Kernels of the transition matrix: pairs of classes, and their areas, counted in compiled loops."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit

_SMALL = 4096
"""Tables of at most this many entries are emptied after each cell of a lattice."""


@jit
def count_pairs(before, after, place, table, index, sums):  # type: ignore[no-untyped-def]
    """Add a window's pairs to ``sums`` (pixels, area units; int64 (k, k)).

    ``place`` is the window's (row, col), ``table`` of a lattice (first cell row, rows and columns of a cell, units a pixel),
    ``index`` int64 (256,) the row and column of each joined value.
    """
    first, cell_rows, cell_cols, pixel = table
    pixels, area = sums
    size = len(pixels)
    height, width = before.shape
    down, right = place
    rows = index * size
    counts = np.zeros((4, size * size), np.int64)
    row = 0
    while row < height:
        line = (down + row) // cell_rows
        stop = min((line + 1) * cell_rows - down, height)
        col = 0
        while col < width:
            cell = (right + col) // cell_cols
            end = min((cell + 1) * cell_cols - right, width)
            _count(before[row:stop, col:end], after[row:stop, col:end], rows, index, counts)
            _empty(counts, pixel[line - first, cell], pixels, area)
            col = end
        row = stop


@jit
def _count(before, after, rows, index, counts):  # type: ignore[no-untyped-def]
    """Four counters in turn: equal neighbours would wait for one."""
    height, width = before.shape
    whole = width // 4 * 4
    for r in range(height):
        one, two = before[r], after[r]
        for c in range(0, whole, 4):
            counts[0, rows[one[c]] + index[two[c]]] += 1
            counts[1, rows[one[c + 1]] + index[two[c + 1]]] += 1
            counts[2, rows[one[c + 2]] + index[two[c + 2]]] += 1
            counts[3, rows[one[c + 3]] + index[two[c + 3]]] += 1
        for c in range(whole, width):
            counts[0, rows[one[c]] + index[two[c]]] += 1


@jit
def _empty(counts, unit, pixels, area):  # type: ignore[no-untyped-def]
    size = len(pixels)
    for i in range(size):
        for j in range(size):
            k = i * size + j
            n = counts[0, k] + counts[1, k] + counts[2, k] + counts[3, k]
            if n:
                pixels[i, j] += n
                area[i, j] += n * unit
                for lane in range(4):
                    counts[lane, k] = 0


@jit
def pair_codes(before, after):  # type: ignore[no-untyped-def]
    """``before * 256 + after``, uint16; 0 where either is 0."""
    rows, cols = before.shape
    out = np.zeros((rows, cols), np.uint16)
    for r in range(rows):
        for c in range(cols):
            if before[r, c] != 0 and after[r, c] != 0:
                out[r, c] = before[r, c] * 256 + after[r, c]
    return out


@jit
def changed_codes(codes):  # type: ignore[no-untyped-def]
    """The codes whose two classes differ; 0 elsewhere."""
    rows, cols = codes.shape
    out = np.zeros((rows, cols), np.uint16)
    for r in range(rows):
        for c in range(cols):
            if codes[r, c] >> 8 != codes[r, c] & 255:
                out[r, c] = codes[r, c]
    return out
