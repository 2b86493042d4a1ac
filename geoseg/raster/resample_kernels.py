"""Resample kernels: the compiled loops of :mod:`geoseg.raster.resample`; imported on first use only."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(nogil=True, cache=True)
def bilinear(image: Array, valid: Array, rows: Array, cols: Array, out: Array, out_valid: Array, whole: bool) -> None:
    """Interpolate ``image`` at ``rows`` x ``cols`` (fractional indices) from the valid ones of the four pixels around.

    Where all four are valid, two source rows are blended at once, which the compiler does many pixels at a time; the
    others go one by one. Which way a pixel goes depends on its own four alone, and so does its value.
    """
    height, width = image.shape
    blend = np.empty(width, np.float64)
    whole_row = np.empty(height, np.bool_)
    for row in range(height):
        whole_row[row] = valid[row].all()
    left = np.floor(cols).astype(np.int64)
    right = cols - left
    for i in range(rows.size):
        top = math.floor(rows[i])
        down = rows[i] - top
        inside = 0 <= top and top + 1 < height
        full = inside and whole_row[top] and whole_row[top + 1]
        if inside:
            upper, lower = image[top], image[top + 1]
            for col in range(width):
                blend[col] = upper[col] * (1.0 - down) + lower[col] * down
        for j in range(cols.size):
            at = left[j]
            four = inside and 0 <= at and at + 1 < width
            if four and not full:
                four = valid[top, at] and valid[top, at + 1] and valid[top + 1, at] and valid[top + 1, at + 1]
            if four:
                value = blend[at] * (1.0 - right[j]) + blend[at + 1] * right[j]
            else:
                known, value = _of_some(image, valid, top, down, at, right[j])
                if not known:
                    out_valid[i, j] = False
                    continue
            out[i, j] = math.floor(value + 0.5) if whole else value


@numba.njit(nogil=True, cache=True)
def _of_some(image: Array, valid: Array, top: int, down: float, left: int, right: float) -> tuple[bool, float]:
    """Whether the nearest pixel is valid, and the mean of the valid ones around by their weights."""
    height, width = image.shape
    near_row = top + (1 if down >= 0.5 else 0)
    near_col = left + (1 if right >= 0.5 else 0)
    if not (0 <= near_row < height and 0 <= near_col < width) or not valid[near_row, near_col]:
        return False, 0.0
    total = 0.0
    weights = 0.0
    for down_by in range(2):
        row = top + down_by
        row_weight = down if down_by else 1.0 - down
        if row < 0 or row >= height or row_weight == 0.0:
            continue
        for right_by in range(2):
            col = left + right_by
            weight = row_weight * (right if right_by else 1.0 - right)
            if col < 0 or col >= width or weight == 0.0 or not valid[row, col]:
                continue
            total += weight * image[row, col]
            weights += weight
    return True, total / weights
