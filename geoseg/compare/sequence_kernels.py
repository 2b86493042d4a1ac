"""Sequence kernels: the compiled loops over pixels of several dates; loaded when sequences are counted."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit


@jit
def number_sequences(stack):  # type: ignore[no-untyped-def]
    """Number the different sequences in ``stack``, uint8 (dates, pixels): ids int32 (pixels,) and rows uint8 (n, dates).

    Open addressing on a hash (FNV-1a, 64 bits) of the dates; equal hashes are compared byte by byte. A pixel like the one
    before it, which most are, is not looked up.
    """
    dates, pixels = stack.shape
    ids = np.empty(pixels, np.int32)
    rows = np.empty((64, dates), np.uint8)
    slots = np.full(256, -1, np.int32)
    n = 0
    for k in range(pixels):
        if k > 0:
            same = True
            for t in range(dates):
                if stack[t, k] != stack[t, k - 1]:
                    same = False
                    break
            if same:
                ids[k] = ids[k - 1]
                continue
        at = _slot_of(stack[:, k], rows, slots)
        if slots[at] < 0:
            if n == len(rows):
                wider = np.empty((2 * n, dates), np.uint8)
                wider[:n] = rows
                rows = wider
            rows[n] = stack[:, k]
            slots[at] = n
            ids[k] = n
            n += 1
            if 3 * n > len(slots):
                slots = np.full(4 * len(slots), -1, np.int32)
                for i in range(n):
                    slots[_slot_of(rows[i], rows, slots)] = i
        else:
            ids[k] = slots[at]
    return ids, rows[:n].copy()


@jit
def _slot_of(sequence, rows, slots):  # type: ignore[no-untyped-def]
    """The slot that holds the sequence, or the free one where it belongs."""
    code = np.uint64(14695981039346656037)
    for t in range(len(sequence)):
        code = (code ^ np.uint64(sequence[t])) * np.uint64(1099511628211)
    code ^= code >> np.uint64(29)
    at = np.int64(code & np.uint64(len(slots) - 1))
    while slots[at] >= 0:
        row = rows[slots[at]]
        same = True
        for t in range(len(sequence)):
            if row[t] != sequence[t]:
                same = False
                break
        if same:
            break
        at = (at + 1) & (len(slots) - 1)
    return at


@jit
def count_ids(ids, place, table, n):  # type: ignore[no-untyped-def]
    """Pixels and area units by id, int64 (2, n), of a window of ids (rows, cols) whose corner lies at ``place``.

    ``table`` is what an :class:`geoseg.vector.lattice.AreaTable` holds.
    """
    first, rows, cols, pixel, _before = table
    sums = np.zeros((2, n), np.int64)
    height, width = ids.shape
    for r in range(height):
        line = (place[0] + r) // rows - first
        for c in range(width):
            sums[0, ids[r, c]] += 1
            sums[1, ids[r, c]] += pixel[line, (place[1] + c) // cols]
    return sums


@jit
def find_rows(table, rows):  # type: ignore[no-untyped-def]
    """Where each of ``rows``, uint8 (m, dates), stands in ``table``, (n, dates) in lexicographic order; -1: nowhere."""
    n, dates = table.shape
    found = np.full(len(rows), -1, np.int64)
    for k in range(len(rows)):
        low, high = 0, n
        while low < high:
            middle = (low + high) // 2
            less = False
            for t in range(dates):
                if table[middle, t] != rows[k, t]:
                    less = table[middle, t] < rows[k, t]
                    break
            if less:
                low = middle + 1
            else:
                high = middle
        if low < n:
            same = True
            for t in range(dates):
                if table[low, t] != rows[k, t]:
                    same = False
                    break
            if same:
                found[k] = low
    return found


@jit
def viterbi(rows, emit, moves):  # type: ignore[no-untyped-def]
    """Cheapest sequences of hidden classes, uint8 (n, dates) of indices; of equals the first in order of the indices.

    ``rows`` (n, dates) are indices of what was seen, the number of classes where nothing was; ``emit`` (dates, true, seen)
    and ``moves`` (dates, from, to) are int64 costs, those of the last date all 0. Costs to the end are summed from the last
    date backwards, so that going forwards the smallest index among equals can be taken at each date.
    """
    n, dates = rows.shape
    classes = emit.shape[1]
    out = np.empty((n, dates), np.uint8)
    rest = np.zeros((dates + 1, classes), np.int64)
    for k in range(n):
        for t in range(dates - 1, -1, -1):
            for a in range(classes):
                b = _cheapest(moves[t, a], rest[t + 1])
                rest[t, a] = moves[t, a, b] + rest[t + 1, b] + emit[t, a, rows[k, t]]
        start = _cheapest(rest[0], rest[dates])  # nothing is added
        out[k, 0] = start
        for t in range(1, dates):
            out[k, t] = _cheapest(moves[t - 1, out[k, t - 1]], rest[t])
    return out


@jit
def _cheapest(one, other):  # type: ignore[no-untyped-def]
    """Where the sum of two arrays is least; the first of equals."""
    at = 0
    for i in range(1, len(one)):
        if one[i] + other[i] < one[at] + other[at]:
            at = i
    return at
