"""Resample kernels: the compiled loop of :mod:`geoseg.raster.resample`; imported on first use only."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(nogil=True, cache=True)
def bilinear(image: Array, valid: Array, rows: Array, cols: Array, out: Array, out_valid: Array, whole: bool) -> None:
    """Interpolate ``image`` at ``rows`` x ``cols`` (fractional indices) from the valid ones of the four pixels around."""
    height, width = image.shape
    for i in range(rows.size):
        top = math.floor(rows[i])
        down = rows[i] - top
        near_row = top + (1 if down >= 0.5 else 0)
        for j in range(cols.size):
            left = math.floor(cols[j])
            right = cols[j] - left
            near_col = left + (1 if right >= 0.5 else 0)
            if not (0 <= near_row < height and 0 <= near_col < width) or not valid[near_row, near_col]:
                out_valid[i, j] = False
                continue
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
            value = total / weights
            out[i, j] = math.floor(value + 0.5) if whole else value
