"""Kernels of the transition matrix: pairs of classes, and their areas, counted in compiled loops."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit

_ONES = np.uint64(0x0101010101010101)
_BYTE, _EIGHT = np.uint64(255), np.uint64(8)
_ENTRIES = 1 << 15
"""Counters in use at a time: they stay in the processor's cache."""


def count_pairs(before, after, place, table, index, sums):  # type: ignore[no-untyped-def]
    """Add a window's pairs to ``sums`` (pixels, area units; int64 (k, k)).

    ``place`` is the window's (row, col), ``table`` of a lattice (first cell row, rows and columns of a cell, units a pixel),
    ``index`` int64 (256,) the row and column of each joined value.
    """
    before, after = np.ascontiguousarray(before), np.ascontiguousarray(after)
    whole = before.shape[1] // 8 * 8
    words = before[:, :whole].view(np.uint64), after[:, :whole].view(np.uint64)
    flat = sums[0].reshape(-1), sums[1].reshape(-1)
    _count_cells((before, after), words, place, table, (index * len(sums[0]), index), flat)


@jit
def _count_cells(bytes_, words, place, table, keys, sums):  # type: ignore[no-untyped-def]
    """Pixels of some cells of the lattice at a time, then those of each times the area of one."""
    first, cell_rows, cell_cols, pixel = table
    height, width = bytes_[0].shape
    down, right = place
    size = len(sums[0])
    most = max(_ENTRIES // (2 * size), 1)
    last = (right + width - 1) // cell_cols
    counts = np.zeros((min(most, last - right // cell_cols + 1), 2 * size), np.uint32)
    row = 0
    while row < height:
        line = (down + row) // cell_rows
        stop = min((line + 1) * cell_rows - down, height)
        for cell in range(right // cell_cols, last + 1, most):
            cells = min(cell + most, last + 1) - cell
            _count(bytes_, words, (row, stop, right), (cell, cells, cell_cols), keys, counts)
            _empty(counts[:cells], pixel[line - first, cell : cell + cells], sums)
        row = stop


@jit
def _count(bytes_, words, part, cells, keys, counts):  # type: ignore[no-untyped-def]
    """Row by row, as they lie in memory, cell by cell; eight pixels at once where all are of one pair, as most are in a map.

    Even and odd pixels have counters of their own: equal neighbours would wait for one.
    """
    before, after = bytes_
    eights, others = words
    rows, index = keys
    row, stop, right = part
    cell, count, cell_cols = cells
    width, size = before.shape[1], counts.shape[1] // 2
    for r in range(row, stop):
        for i in range(count):
            col, end = max((cell + i) * cell_cols - right, 0), min((cell + i + 1) * cell_cols - right, width)
            while col < end:
                if col % 8 or col + 8 > end:  # before the first whole word, or after the last
                    counts[i, rows[before[r, col]] + index[after[r, col]]] += 1
                    col += 1
                    continue
                for k in range(col // 8, end // 8):
                    x, y = eights[r, k], others[r, k]
                    u, v = x & _BYTE, y & _BYTE
                    if x == u * _ONES and y == v * _ONES:
                        counts[i, rows[u] + index[v]] += 8
                        continue
                    for _ in range(4):
                        counts[i, rows[x & _BYTE] + index[y & _BYTE]] += 1
                        x, y = x >> _EIGHT, y >> _EIGHT
                        counts[i, size + rows[x & _BYTE] + index[y & _BYTE]] += 1
                        x, y = x >> _EIGHT, y >> _EIGHT
                col = end // 8 * 8


@jit
def _empty(counts, units, sums):  # type: ignore[no-untyped-def]
    pixels, area = sums
    size = len(pixels)
    for i in range(len(counts)):
        for k in range(size):
            n = np.int64(counts[i, k]) + np.int64(counts[i, size + k])
            if n:
                pixels[k] += n
                area[k] += n * units[i]
                counts[i, k] = counts[i, size + k] = 0


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
