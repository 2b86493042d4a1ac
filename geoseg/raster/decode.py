"""Decode: read a raster's pixels once, in bounded windows, to find damage and a black collar before a job starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.windows import Window

PIXEL_BUDGET = 64 << 20
"""Bytes of decoded pixels that are looked at; a larger raster is checked in pieces spread over it."""

_WINDOW_BYTES = 16 << 20
_JP2_COST = 4
"""JPEG 2000 takes several times as long for a byte as deflate does."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was decoded: ``share`` of the pixels (1.0 = all); ``collar``: share that is 0 in every band up to a side."""

    share: float
    collar: float | None


def decode(dataset: rasterio.DatasetReader, *, budget: int = PIXEL_BUDGET) -> Decoded:
    """Decode up to ``budget`` bytes of all bands; rasterio's and GDAL's errors pass through."""
    windows = list(_windows(dataset))
    bands = list(dataset.indexes)
    pixel = sum(np.dtype(name).itemsize for name in dataset.dtypes)
    budget //= _JP2_COST if dataset.driver == "JP2OpenJPEG" else 1
    each = max(pixel * max(w.width * w.height for w in windows), 1)
    step = max(-(-len(windows) * each // max(budget, each)), 1)
    chosen = [w for i, w in enumerate(windows) if i % step == 0 or i == len(windows) - 1]
    edge = seen = 0
    for window in chosen:
        black = _read_black(dataset, bands, window)
        seen += window.width * window.height
        edge += _edge_run(black) if window.width == dataset.width else 0
    whole_rows = all(w.width == dataset.width for w in chosen)
    return Decoded(seen / (dataset.width * dataset.height), edge / seen if whole_rows else None)


def _read_black(dataset: rasterio.DatasetReader, bands: list[int], window: Window) -> np.ndarray:
    """Read a window in groups of bands; True where every band is 0."""
    black = np.ones((window.height, window.width), bool)
    each = window.height * window.width * max(np.dtype(name).itemsize for name in dataset.dtypes)
    group = max(2 * _WINDOW_BYTES // each, 1)
    for first in range(0, len(bands), group):
        black &= (dataset.read(bands[first : first + group], window=window) == 0).all(axis=0)
    return black


def _edge_run(black: np.ndarray) -> int:
    """Number of True pixels in runs that start at the left or right end of their row."""
    lit = ~black
    some = lit.any(axis=1)
    left = np.where(some, lit.argmax(axis=1), black.shape[1])
    right = np.where(some, lit[:, ::-1].argmax(axis=1), 0)
    return int(left.sum() + right.sum())


def _windows(dataset: rasterio.DatasetReader) -> Iterator[Window]:
    """Windows of whole blocks, as near to 16 MiB as blocks allow, rows first."""
    block_rows, block_cols = dataset.block_shapes[0]
    row_bytes = dataset.width * sum(np.dtype(name).itemsize for name in dataset.dtypes)
    rows = max(_WINDOW_BYTES // max(row_bytes * block_rows, 1), 1) * block_rows
    cols = dataset.width
    if row_bytes * block_rows > 2 * _WINDOW_BYTES and block_cols < dataset.width:
        cols = (
            max(_WINDOW_BYTES // (row_bytes * block_rows // dataset.width), 1) // block_cols * block_cols or block_cols
        )
    for row in range(0, dataset.height, rows):
        for col in range(0, dataset.width, cols):
            yield Window(col, row, min(cols, dataset.width - col), min(rows, dataset.height - row))
