"""Sampling: masks to draw from, and what a stratum, a border and a draw are, said slowly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.write import write_mask

UTM_BOX = GeoBox.of((90, 70), Affine(10, 0, 500000, 0, -10, 5400000), "EPSG:32632")
LEGEND = Legend.of(["water", "tree", "bare"])


def patches(shape: tuple[int, int], classes: Sequence[int], *, size: int = 7, seed: int = 1) -> NDArray[np.uint16]:
    """A raster of square patches of ``classes``, and some single pixels."""
    rng = np.random.default_rng(seed)
    rows, cols = (-(-side // size) for side in shape)
    made = np.kron(rng.choice(classes, (rows, cols)), np.ones((size, size), int))[: shape[0], : shape[1]]
    alone = rng.random(shape) < 0.03
    made[alone] = rng.choice(classes, int(alone.sum()))
    return made.astype(np.uint16)


def write_classes(path: Path, values: NDArray[np.uint16], legend: Legend = LEGEND, box: GeoBox = UTM_BOX) -> Path:
    """A mask of ``values`` on ``box``'s corner."""
    box = GeoBox(values.shape, box.transform, box.crs)
    write_mask(path, box, legend, [(0, values if not legend.fits_mask else values.astype(np.uint8))])
    return path


def near_slowly(
    values: NDArray[np.uint16], nodata: int, limit: float, across: NDArray[np.float64], down: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Pixels with a class that lie within ``limit`` of a pixel of another class: every pixel asks every other."""
    rows, cols = np.nonzero(values != nodata)
    own = values[rows, cols]
    out = np.zeros(values.shape, bool)
    for row, col, value in zip(rows, cols, own, strict=True):
        far = ((cols - col) * across[row]) ** 2 + ((rows - row) * down[row]) ** 2
        out[row, col] = ((far <= limit**2) & (own != value)).any()
    return out
