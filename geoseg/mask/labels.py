"""Labels: number the connected regions of equal value in a tile (two passes and a union-find)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@jit
def find(parent: Ints, i: int) -> int:
    """The root of ``i``; the path to it is halved."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def unite(parent: Ints, i: int, j: int) -> int:
    """Join the trees of ``i`` and ``j``; the lower root stays and is returned."""
    a = find(parent, i)
    b = find(parent, j)
    if a < b:
        parent[b] = a
        return a
    parent[a] = b
    return b


@jit
def label(mask: Bytes, nodata: int, diagonal: bool) -> tuple[Labels, int]:
    """Number the regions of ``mask`` from 1 in the row-major order of their first pixels; nodata is 0.

    Returns the labels, int32 (rows, cols), and the number of regions. ``diagonal``: pixels that touch at a corner
    are connected too.
    """
    rows, cols = mask.shape
    labels = np.zeros((rows, cols), np.int32)
    parent = np.zeros(rows * cols + 1, np.int64)
    count = 0
    for row in range(rows):
        for col in range(cols):
            if mask[row, col] != nodata:
                own = _above_or_left(mask, labels, parent, row, col, diagonal)
                if own == 0:
                    count += 1
                    own = count
                    parent[own] = own
                labels[row, col] = own
    return labels, _renumber(labels, parent, count)


@jit
def _above_or_left(mask: Bytes, labels: Labels, parent: Ints, row: int, col: int, diagonal: bool) -> int:
    """Unite the neighbours seen before that have the pixel's value; their label, or 0."""
    own = 0
    if col > 0 and mask[row, col - 1] == mask[row, col]:
        own = labels[row, col - 1]
    if row > 0:
        low = max(col - 1, 0) if diagonal else col
        high = min(col + 1, mask.shape[1] - 1) if diagonal else col
        for near in range(low, high + 1):
            if mask[row - 1, near] == mask[row, col]:
                other = labels[row - 1, near]
                own = other if own == 0 or own == other else unite(parent, own, other)
    return own


@jit
def _renumber(labels: Labels, parent: Ints, count: int) -> int:
    """Replace provisional labels by final ones; a root is the lowest label, so the order stays that of first pixels."""
    final = np.zeros(count + 1, np.int32)
    regions = 0
    for i in range(1, count + 1):
        root = find(parent, i)
        if root == i:
            regions += 1
            final[i] = regions
        else:
            final[i] = final[root]
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            labels[row, col] = final[labels[row, col]]
    return regions
