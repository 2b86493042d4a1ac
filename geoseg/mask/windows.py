"""Windows: the most frequent class of a square around every pixel, at a cost that does not grow with the square."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int32]


@jit
def window_mode(index: Bytes, own: Bytes, radius: int, classes: int) -> Bytes:
    """The most frequent class index below ``classes`` of each window, uint8 (rows, cols); 255 where there is none.

    Of equals ``own[row, col]`` wins if it is among them, else the lowest. One histogram per column slides down, their
    sum slides right (Perreault and Hebert 2007, "Median filtering in constant time").
    """
    rows, cols = index.shape
    out = np.full((rows, cols), 255, np.uint8)
    columns = np.zeros((cols + radius, classes), np.int32)  # the last ones stay empty
    for row in range(min(radius, rows)):
        _count(columns, index[row], 1)
    for row in range(rows):
        if row + radius < rows:
            _count(columns, index[row + radius], 1)
        if row - radius - 1 >= 0:
            _count(columns, index[row - radius - 1], -1)
        _slide(columns, own[row], radius, out[row])
    return out


@jit
def _count(columns: Counts, line: Bytes, by: int) -> None:
    classes = columns.shape[1]
    for col in range(len(line)):
        if line[col] < classes:
            columns[col, line[col]] += by


@jit
def _slide(columns: Counts, own: Bytes, radius: int, out: Bytes) -> None:
    classes = columns.shape[1]
    total = np.zeros(classes, np.int32)
    for col in range(radius):
        for c in range(classes):
            total[c] += columns[col, c]
    for col in range(len(out)):
        for c in range(classes):
            total[c] += columns[col + radius, c]
        if col > radius:
            for c in range(classes):
                total[c] -= columns[col - radius - 1, c]
        out[col] = _largest(total, int(own[col]))


@jit
def _largest(total: Counts, own: int) -> int:
    best = own
    most = total[own] if own < len(total) else 0
    for c in range(len(total)):
        if total[c] > most:
            best = c
            most = total[c]
    return best if most > 0 else 255
