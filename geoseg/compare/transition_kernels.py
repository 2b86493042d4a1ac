"""Kernels of the transition matrix: pairs of classes, and their areas, counted in compiled loops."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit

_ONES = np.uint64(0x0101010101010101)
_BYTE, _EIGHT = np.uint64(255), np.uint64(8)


def count_pairs(before, after, place, table, index, sums):  # type: ignore[no-untyped-def]
    """Add a window's pairs to ``sums`` (pixels, area units; int64 (k, k)).

    ``place`` is the window's (row, col), ``table`` of a lattice (first cell row, rows and columns of a cell, units a pixel),
    ``index`` int64 (256,) the row and column of each joined value.
    """
    before, after = np.ascontiguousarray(before), np.ascontiguousarray(after)
    whole = before.shape[1] // 8 * 8
    words = before[:, :whole].view(np.uint64), after[:, :whole].view(np.uint64)
    counts = np.zeros((2, 2, len(sums[0]) ** 2), np.int64)
    _count_rows((before, after), words, place, table, (index * len(sums[0]), index), tuple(counts.reshape(4, -1)))
    for total, counted in zip(sums, counts.sum(axis=1), strict=True):
        total += counted.reshape(total.shape)


@jit
def _count_rows(bytes_, words, place, table, keys, counts):  # type: ignore[no-untyped-def]
    """Row by row, as they lie in memory, cell of the lattice by cell; eight pixels at once where all are of one pair.

    ``counts`` are four arrays: pixels and areas, of even and of odd pixels, since equal neighbours would wait for one
    counter. No calls inside: each would cost what eight pixels do.
    """
    first, cell_rows, cell_cols, pixel = table
    before, after = bytes_
    eights, others = words
    rows, index = keys
    even, odd, even_area, odd_area = counts
    height, width = before.shape
    down, right = place
    for r in range(height):
        line = (down + r) // cell_rows - first
        col = 0
        while col < width:
            cell = (right + col) // cell_cols
            end = min((cell + 1) * cell_cols - right, width)
            unit = pixel[line, cell]
            while col < end and (col % 8 or col + 8 > end):  # up to the first whole word, or after the last
                key = rows[before[r, col]] + index[after[r, col]]
                even[key] += 1
                even_area[key] += unit
                col += 1
            for k in range(col // 8, end // 8 if col < end else 0):
                x, y = eights[r, k], others[r, k]
                u, v = x & _BYTE, y & _BYTE
                if x == u * _ONES and y == v * _ONES:
                    key = rows[u] + index[v]
                    even[key] += 8
                    even_area[key] += 8 * unit
                    continue
                for _ in range(4):
                    key = rows[x & _BYTE] + index[y & _BYTE]
                    even[key] += 1
                    even_area[key] += unit
                    x, y = x >> _EIGHT, y >> _EIGHT
                    key = rows[x & _BYTE] + index[y & _BYTE]
                    odd[key] += 1
                    odd_area[key] += unit
                    x, y = x >> _EIGHT, y >> _EIGHT
            col = max(col, end // 8 * 8)


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
