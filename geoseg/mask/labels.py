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
    labels = np.zeros(mask.shape, np.int32)
    parent = np.zeros(1024, np.int64)
    count = 0
    for row in range(mask.shape[0]):
        if len(parent) < count + mask.shape[1] + 1:
            parent = np.append(parent, np.zeros(len(parent) + mask.shape[1], np.int64))
        count = _label_row(mask, labels, parent, row, count, nodata, diagonal)
    return labels, _renumber(labels, parent, count)


@jit
def _label_row(mask: Bytes, labels: Labels, parent: Ints, row: int, count: int, nodata: int, diagonal: bool) -> int:
    """Label a row run by run: each takes the label of what it touches above, and unites what is not yet one."""
    cols = mask.shape[1]
    reach = 1 if diagonal else 0
    col = 0
    while col < cols:
        value = mask[row, col]
        stop = col + 1
        while stop < cols and mask[row, stop] == value:
            stop += 1
        if value != nodata:
            own = 0
            for near in range(max(col - reach, 0), min(stop + reach, cols) if row > 0 else 0):
                if mask[row - 1, near] == value and labels[row - 1, near] != own:
                    other = labels[row - 1, near]
                    own = other if own == 0 else unite(parent, own, other)
            if own == 0:
                count += 1
                own = count
                parent[own] = own
            labels[row, col:stop] = own
        col = stop
    return count


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
