"""Label: the connected regions of equal class in a strip of rows, with what is counted on their pixels; compiled.

Everything is done on runs of equal values in a row, so that it costs what changes from pixel to pixel, and memory too.
"""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit
from geoseg.raster.sets import find, unite
from geoseg.vector.count import area_before


@jit
def marked(marks, first, out, n):  # type: ignore[no-untyped-def]
    """Append the places of ``marks`` that are not 0 to ``out``, eight at a glance; return it and its length."""
    words = marks[: len(marks) // 8 * 8].view(np.uint64)
    for w in range(len(words)):
        if words[w] != 0:
            out = _room(out, n + 8)
            for c in range(8 * w, 8 * w + 8):
                out[n] = first + c
                n += marks[c]
    out = _room(out, n + 8)
    for c in range(8 * len(words), len(marks)):
        out[n] = first + c
        n += marks[c]
    return out, n


@jit
def _room(array, needed):  # type: ignore[no-untyped-def]
    if needed <= len(array):
        return array
    larger = np.empty(max(2 * len(array), needed), array.dtype)
    larger[: len(array)] = array
    return larger


@jit
def find_runs(padded):  # type: ignore[no-untyped-def]
    """Runs of equal values in the rows inside the padding.

    Returns
    -------
    starts, first
        int32: the column where each run begins; int64 ``(rows + 1,)``: the first run of each row.
    """
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    starts = np.empty(max(height * width // 16, 1024), np.int32)
    first = np.zeros(height + 1, np.int64)
    marks = np.empty(width, np.uint8)
    n = 0
    for r in range(height):
        own, west = padded[r + 1, 1:-1], padded[r + 1, :-2]
        for c in range(width):
            marks[c] = own[c] != west[c]
        marks[0] = 1
        starts, n = marked(marks, 0, starts, n)
        first[r + 1] = n
    return starts[:n].copy(), first


@jit
def region_at(runs, r, c):  # type: ignore[no-untyped-def]
    """Region of the pixel in row ``r`` of the strip and column ``c``."""
    starts, first, region = runs
    low, high = first[r], first[r + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= c:
            low = middle
        else:
            high = middle
    return region[low]


@jit
def label_strip(padded, nodata, row, table, confidence, eight):  # type: ignore[no-untyped-def]
    """Label 4-connected regions by union-find over runs.

    Parameters
    ----------
    padded, nodata
        Class values with one pixel more on each side, ``(rows + 2, cols + 2)``, of any integer type, and the one that
        is no class.
    row
        Row of the mask where the strip begins.
    table
        ``(first, rows, cols, pixel, before)`` of an :class:`AreaTable`.
    confidence
        ``(rows, cols)`` uint8, or empty.
    eight
        Whether regions that share a corner belong together.

    Returns
    -------
    runs
        ``starts, first`` of :func:`find_runs`, and int32: the region of each run, 0 .. n - 1 in order of the regions'
        first pixels, -1 where nodata.
    values, counts
        Class value of each region, and int64 ``(n, 4)``: pixels, area units, confidence sum, index of the last pixel
        in the mask.
    near
        int32 ``(n,)``: one of the regions that it belongs together with, the same for all of them; empty unless
        ``eight``.
    """
    starts, first = find_runs(padded)
    label, parent, near = _label_runs(padded, nodata, starts, first, eight)
    region, n = _settle(label, parent)
    values, counts = np.empty(n, np.int32), np.zeros((n, 4), np.int64)
    _count(padded, (starts, first, label), (row, table, confidence), values, counts)
    return (starts, first, label), values, counts, _near_regions(near, region, n)


@jit
def _label_runs(padded, nodata, starts, first, eight):  # type: ignore[no-untyped-def]
    """A provisional label for each run (-1: nodata), and which of them are one region, or belong together."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    label = np.empty(len(starts), np.int32)
    parent = np.empty(len(starts), np.int32)
    near = np.empty(len(starts) * eight, np.int32)
    n = np.int32(0)
    for r in range(height):
        j, above = (first[r - 1], first[r]) if r > 0 else (0, 0)
        for i in range(first[r], first[r + 1]):
            start, stop = starts[i], starts[i + 1] if i + 1 < first[r + 1] else width
            if padded[r + 1, start + 1] == nodata:
                label[i] = -1
                continue
            while j + 1 < above and starts[j + 1] <= start - eight:
                j += 1
            run = padded[r], padded[r + 1, start + 1], start, stop
            own = _join(run, (starts, j, above), label, parent, 0)
            if own < 0:
                own, parent[n] = n, n
                if eight:
                    near[n] = n
                n += 1
            label[i] = own
            if eight:
                other = _join(run, (starts, j, above), label, near, 1)
                if other >= 0:
                    unite(near, own, other)
    return label, parent[:n], near[: n * eight]


@jit
def _join(run, others, label, parent, reach):  # type: ignore[no-untyped-def]
    """Unite the labels of equal runs above that a run touches, ``reach`` pixels farther; the root, or -1 without any."""
    line, value, start, stop = run
    starts, k, above = others
    own = np.int32(-1)
    while k < above and starts[k] < stop + reach:
        if line[starts[k] + 1] == value and (k + 1 == above or starts[k + 1] + reach > start):
            own = find(parent, label[k]) if own < 0 else unite(parent, own, label[k])
        k += 1
    return own


@jit
def _settle(label, parent):  # type: ignore[no-untyped-def]
    """Number the roots 0 .. n - 1, in place of the labels."""
    region = np.empty(len(parent), np.int32)
    n = 0
    for i in range(len(parent)):  # a root is smaller than all that hang on it
        root = find(parent, i)
        if root == i:
            region[i] = n
            n += 1
        else:
            region[i] = region[root]
    for i in range(len(label)):
        if label[i] >= 0:
            label[i] = region[label[i]]
    return region, n


@jit
def _count(padded, runs, grid, values, counts):  # type: ignore[no-untyped-def]
    """Add up the runs of each region."""
    starts, first, region = runs
    row, (first_line, cell_rows, cell_cols, pixel, before), confidence = grid
    width = padded.shape[1] - 2
    for r in range(len(first) - 1):
        line = (row + r) // cell_rows - first_line
        left, last = np.int64(0), (row + r) * np.int64(width) - 1
        for i in range(first[r], first[r + 1]):
            stop = starts[i + 1] if i + 1 < first[r + 1] else width
            right = area_before(stop, line, pixel, before, cell_cols)
            to = region[i]
            if to >= 0:
                values[to] = padded[r + 1, starts[i] + 1]
                counts[to, 0] += stop - starts[i]
                counts[to, 1] += right - left
                counts[to, 3] = last + stop
                if confidence.size:
                    for c in range(starts[i], stop):
                        counts[to, 2] += confidence[r, c]
            left = right


@jit
def _near_regions(near, region, regions):  # type: ignore[no-untyped-def]
    out = np.empty(regions if len(near) else 0, np.int32)
    for i in range(len(near)):
        out[region[i]] = region[find(near, i)]
    return out
