"""Label: the connected regions of equal class in a strip of rows, with what is counted on their pixels; compiled."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit
from geoseg.vector.count import area_before

SEEN = 1 << 30
"""Bit of a label that the tracer sets where it has walked a pixel's top edge."""


@jit
def find(parent, i):  # type: ignore[no-untyped-def]
    """Root of ``i``; halves the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def unite(parent, i, j):  # type: ignore[no-untyped-def]
    """Join two sets; the smaller number becomes the root."""
    i, j = find(parent, i), find(parent, j)
    if i < j:
        parent[j] = i
        return i
    parent[i] = j
    return j


@jit
def count_runs(padded, nodata):  # type: ignore[no-untyped-def]
    """Number of runs of equal class values in the rows inside the padding."""
    n = 0
    for r in range(1, padded.shape[0] - 1):
        for c in range(1, padded.shape[1] - 1):
            n += padded[r, c] != padded[r, c - 1] and padded[r, c] != nodata
    return n


@jit
def label_strip(padded, nodata, row, table, confidence, eight):  # type: ignore[no-untyped-def]
    """Label 4-connected regions, two passes over runs, union-find; of any unsigned or wider integer type.

    Parameters
    ----------
    padded
        Class values with one pixel more on each side, ``(rows + 2, cols + 2)``.
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
    labels
        int32 ``(rows, cols)``: provisional label, -1 where nodata.
    region
        int32: provisional label to region, 0 .. n - 1 in order of the regions' first pixels.
    values, counts
        Class value of each region, and int64 ``(n, 4)``: pixels, area units, confidence sum, index of the last pixel
        in the mask.
    near
        int32 ``(n,)``: one of the regions that it belongs together with, the same for all of them; empty unless
        ``eight``.
    """
    first, cell_rows, cell_cols, pixel, before = table
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    size = count_runs(padded, nodata)
    parent = np.empty(size, np.int32)
    near = np.arange(size if eight else 0).astype(np.int32)
    sums = np.empty((size, 4), np.int64)
    value_of = np.empty(size, np.int32)
    labels = np.empty((height, width), np.int32)
    n = 0
    for r in range(height):
        line = (row + r) // cell_rows - first
        start = 0
        while start < width:
            value = padded[r + 1, start + 1]
            stop = start + 1
            while stop < width and padded[r + 1, stop + 1] == value:
                stop += 1
            label = np.int32(-1)
            if value != nodata:
                if r > 0:
                    label = _join_above(padded, labels, parent, r, start, stop)
                if label < 0:
                    label = np.int32(n)
                    parent[n] = n
                    value_of[n] = value
                    sums[n] = 0
                    n += 1
                if eight and r > 0:
                    _join_corners(padded, labels, near, (r, start, stop), label)
                area = area_before(stop, line, pixel, before, cell_cols)
                area -= area_before(start, line, pixel, before, cell_cols)
                sums[label, 0] += stop - start
                sums[label, 1] += area
                sums[label, 3] = (row + r) * np.int64(width) + stop - 1
                if confidence.size:
                    sums[label, 2] += _sum(confidence, r, start, stop)
            labels[r, start:stop] = label
            start = stop
    region, values, counts = _settle(parent[:n], value_of[:n], sums[:n])
    return labels, region, values, counts, _near_regions(near[: n * eight], region, len(values))


@jit
def _sum(confidence, r, start, stop):  # type: ignore[no-untyped-def]
    total = 0
    for c in range(start, stop):
        total += confidence[r, c]
    return total


@jit
def _join_above(padded, labels, parent, r, start, stop):  # type: ignore[no-untyped-def]
    """Unite the labels of equal pixels above a run and return their root, or -1 where there is none."""
    value = padded[r + 1, start + 1]
    label, last = np.int32(-1), np.int32(-1)
    for c in range(start, stop):
        if padded[r, c + 1] == value:
            above = labels[r - 1, c]
            if above != last:
                last = above
                label = find(parent, above) if label < 0 else unite(parent, label, above)
    return label


@jit
def _join_corners(padded, labels, near, run, label):  # type: ignore[no-untyped-def]
    """Unite a run with all equal pixels above it and above its ends' neighbours, in ``near`` only."""
    r, start, stop = run
    value = padded[r + 1, start + 1]
    last = np.int32(-1)
    for c in range(max(start - 1, 0), min(stop + 1, labels.shape[1])):
        if padded[r, c + 1] == value and labels[r - 1, c] != last:
            last = labels[r - 1, c]
            unite(near, label, last)


@jit
def _near_regions(near, region, regions):  # type: ignore[no-untyped-def]
    out = np.empty(regions if len(near) else 0, np.int32)
    for i in range(len(near)):
        out[region[i]] = region[find(near, i)]
    return out


@jit
def _settle(parent, value_of, sums):  # type: ignore[no-untyped-def]
    """Number the roots 0 .. n - 1 and add everything up in them."""
    region = np.empty(len(parent), np.int32)
    n = 0
    for i in range(len(parent)):  # a root is smaller than all that hang on it
        root = find(parent, i)
        if root == i:
            region[i] = n
            n += 1
        else:
            region[i] = region[root]
    values = np.empty(n, np.int32)
    counts = np.zeros((n, 4), np.int64)
    for i in range(len(parent)):
        to = region[i]
        values[to] = value_of[i]
        for k in range(3):
            counts[to, k] += sums[i, k]
        counts[to, 3] = max(counts[to, 3], sums[i, 3])
    return region, values, counts
