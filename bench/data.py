"""Data: seeded scenes of any size, written strip by strip, and bundles with random weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window

BANDS = ("blue", "green", "red", "nir")
TILE = 512
NODATA = 0
_CELL = 64
"""Pixels between the points of the coarsest texture."""

Floats = npt.NDArray[np.float32]


def make_scene(path: Path, side: int, *, noise: float = 25.0, border: bool = True, seed: int = 1) -> Path:
    """Write a scene of ``side`` x ``side`` pixels and four uint16 bands, unless it is there.

    Smooth texture in two octaves, and Gaussian ``noise`` of a sensor in digital numbers: that decides how well it
    compresses (deflate, horizontal predictor, tiles of 512). ``border``: a slanted frame of nodata, as of a swath.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial.tif")
    with rasterio.Env(GDAL_CACHEMAX=256), rasterio.open(temporary, "w", **_profile(side)) as dataset:
        for index, name in enumerate(BANDS, 1):
            dataset.set_band_description(index, name)
        for row in range(0, side, TILE):
            rows = min(TILE, side - row)
            strip = _strip(row, (rows, side), noise=noise, seed=seed)
            if border:
                strip[:, ~_inside(row, rows, side)] = NODATA
            dataset.write(strip, window=Window(0, row, side, rows))
    os.replace(temporary, path)
    return path


def make_empty_scene(path: Path, side: int) -> Path:
    """Write a scene whose pixels are all nodata but for one chip in a corner."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **_profile(side)) as dataset:
        for index, name in enumerate(BANDS, 1):
            dataset.set_band_description(index, name)
        dataset.write(_strip(0, (TILE, TILE), noise=25.0, seed=1), window=Window(0, 0, TILE, TILE))
    return path


def _profile(side: int) -> dict[str, object]:
    return {
        "driver": "GTiff", "width": side, "height": side, "count": len(BANDS), "dtype": "uint16", "nodata": NODATA,
        "crs": "EPSG:32632", "transform": Affine(10, 0, 500000, 0, -10, 5400000), "interleave": "pixel",
        "tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate", "predictor": 2,
        "BIGTIFF": "IF_SAFER", "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip


def _strip(row: int, shape: tuple[int, int], *, noise: float, seed: int) -> npt.NDArray[np.uint16]:
    """Rows of all bands; a strip's pixels depend on the seed and on its place alone."""
    rows, side = shape
    field = _octave(row, shape, _CELL * 8, seed) + 0.5 * _octave(row, shape, _CELL, seed + 1)
    rng = np.random.default_rng((seed, row))
    grain = rng.standard_normal((rows, side + len(BANDS)), dtype=np.float32) * np.float32(noise) if noise else None
    out = np.empty((len(BANDS), rows, side), np.uint16)
    for band in range(len(BANDS)):
        values = 1800 + 300 * band + (400 + 150 * band) * field
        if grain is not None:
            values += grain[:, band : band + side]
        out[band] = np.clip(values, 1, 10000)
    return out


def _octave(row: int, shape: tuple[int, int], cell: int, seed: int) -> Floats:
    """Random values ``cell`` pixels apart, linear between them."""
    rows, side = shape
    at = np.arange(row, row + rows) / cell
    first = int(at[0])
    knots = np.stack([_knots(n, side // cell + 2, cell, seed) for n in range(first, int(at[-1]) + 2)])
    cols = np.arange(side) / cell
    lines = np.stack([np.interp(cols, np.arange(len(line)), line) for line in knots]).astype(np.float32)
    low = at.astype(int) - first
    weight = (at - at.astype(int)).astype(np.float32)[:, None]
    mixed: Floats = lines[low] * (1 - weight) + lines[low + 1] * weight
    return mixed


def _knots(line: int, count: int, cell: int, seed: int) -> Floats:
    return np.random.default_rng((seed, cell, line)).standard_normal(count, dtype=np.float32)


def _inside(row: int, rows: int, side: int) -> npt.NDArray[np.bool_]:
    """True within the swath."""
    y, x = np.ogrid[row : row + rows, :side]
    edge = side // 64
    return (x > edge + y * 0.05) & (x < side - 3 * edge + y * 0.03) & (y > edge) & (y < side - edge)
