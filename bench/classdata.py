"""Class data: seeded class rasters of any size, with the regions and the speckle of a predicted map, strip by strip."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window
from scipy.interpolate import CubicSpline
from scipy.ndimage import median_filter

STRIP = 512
_OCTAVES = ((1024, 1.0), (256, 0.5), (64, 0.25), (16, 0.1))
"""Pixels between the points of each octave, and its weight."""
_SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.93)

Floats = npt.NDArray[np.float32]


def make_classes(path: Path, side: int, *, seed: int = 2) -> Path:
    """Write a mask of ``side`` x ``side`` pixels, eight classes and a slanted frame of nodata 0, unless it is there.

    Quantiles of a smooth field with noise, after a median of 3 x 3, and speckle: about 1,500 regions a megapixel.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    field = [_Octave(max(side // pixels, 1), weight, side, rng) for pixels, weight in _OCTAVES]
    sample = sum((octave.rows(np.arange(0, side, 8))[:, ::8] for octave in field), np.float32(0))
    steps = np.quantile(sample, _SHARES).astype(np.float32)
    noise = np.float32(0.035 * sample.std())
    temporary = path.with_suffix(".partial.tif")
    with rasterio.Env(GDAL_CACHEMAX=256), rasterio.open(temporary, "w", **_profile(side)) as dataset:
        for row in range(0, side, STRIP):
            rows = np.arange(row, min(row + STRIP, side))
            values = sum((octave.rows(rows) for octave in field), np.float32(0))
            values = values + noise * rng.standard_normal(values.shape, dtype=np.float32)
            classes = (np.searchsorted(steps, values.ravel()).reshape(values.shape) + 1).astype(np.uint8)
            classes = _speckled(median_filter(_speckled(classes, rng), 3), rng)
            classes[~_inside(rows, side)] = 0
            dataset.write(classes, 1, window=Window(0, row, side, len(rows)))
    os.replace(temporary, path)
    return path


def make_holes(path: Path, side: int, *, seed: int = 3) -> Path:
    """Write one region that fills the raster but for holes: 100,000 at 8192 pixels a side, some with an island."""
    rng = np.random.default_rng(seed)
    classes = np.ones((side, side), np.uint8)
    step = 26
    rows, cols = (grid.ravel() for grid in np.mgrid[3 : side - step : step, 3 : side - step : step])
    for down in range(9):
        for across in range(9):
            classes[rows + down, cols + across] = 2 if down in (0, 8) or across in (0, 8) else 1
    kept = rng.random(len(rows)) < 0.5
    for down in range(1, 8):
        for across in range(1, 8):
            classes[rows[kept] + down, cols[kept] + across] = 2
    return _write(path, classes)


def make_checkerboard(path: Path, side: int) -> Path:
    """Write the worst case: every pixel is a region of its own."""
    row, col = np.ogrid[:side, :side]
    return _write(path, ((row + col) % 2 + 1).astype(np.uint8))


def _write(path: Path, classes: npt.NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **_profile(len(classes))) as dataset:
        dataset.write(classes, 1)
    return path


def _profile(side: int) -> dict[str, object]:
    return {
        "driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "nodata": 0, "crs": "EPSG:32632",
        "transform": Affine(10, 0, 500_000, 0, -10, 5_400_000), "tiled": True, "blockxsize": STRIP, "blockysize": STRIP,
        "compress": "deflate",
    }  # fmt: skip


class _Octave:
    """Random values on a coarse lattice, splines between them."""

    def __init__(self, cells: int, weight: float, side: int, rng: np.random.Generator) -> None:
        self.values = weight * rng.standard_normal((cells + 4, cells + 4))
        self.places = np.linspace(1, cells + 2, side)
        self.across = CubicSpline(np.arange(cells + 4), np.eye(cells + 4))(self.places).astype(np.float32).T

    def rows(self, rows: npt.NDArray[np.int64]) -> Floats:
        down = CubicSpline(np.arange(len(self.values)), self.values)(self.places[rows]).astype(np.float32)
        made: Floats = down @ self.across
        return made


def _speckled(classes: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    hit = rng.random(classes.shape, dtype=np.float32) < 0.0008
    classes[hit] = rng.integers(1, len(_SHARES) + 2, int(hit.sum()))
    return classes


def _inside(rows: npt.NDArray[np.int64], side: int) -> npt.NDArray[np.bool_]:
    row, col, edge = rows[:, None], np.arange(side)[None, :], side // 64
    return (col > edge + 0.05 * row) & (col < side - 3 * edge + 0.03 * row) & (row > edge) & (row < side - edge)
