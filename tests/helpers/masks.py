"""Masks whose outlines are odd: one class, single pixels, one row, holes in holes, diagonals."""

from __future__ import annotations

import numpy as np

ODD = {
    "one class": np.ones((9, 7), np.uint8),
    "checkerboard": np.indices((12, 13)).sum(0).astype(np.uint8) % 2 + 1,
    "checkerboard and nodata": np.indices((12, 13)).sum(0).astype(np.uint8) % 2,
    "one row": np.arange(1, 30, dtype=np.uint8)[None, :],
    "one column": np.arange(1, 30, dtype=np.uint8)[:, None] // 2 + 1,
    "hole in hole": np.pad(np.pad(np.full((1, 1), 1, np.uint8), 1, constant_values=2), 2, constant_values=1),
    "island": np.pad(np.pad(np.full((2, 3), 1, np.uint8), 1, constant_values=2), 2, constant_values=0),
    "diagonal": np.eye(12, dtype=np.uint8) + 1,
    "stairs": np.triu(np.ones((12, 20), np.uint8)) + 1,
}
