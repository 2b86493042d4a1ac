"""Overview: every n-th pixel of a scene or of a mask, for a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geoseg.grid.geobox import Window
from geoseg.raster.admit import admit, open_admitted
from geoseg.raster.env import gdal_env
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene

_ROWS = 512
"""Rows read at once, so that the memory stays flat."""


def step_for(shape: tuple[int, int], max_side: int = 1024) -> int:
    """The n of every n-th pixel that makes a raster's longer side at most ``max_side``."""
    return -(-max(shape) // max_side)


def thin(array: NDArray[Any], window: Window, step: int) -> NDArray[Any]:
    """Every ``step``-th pixel of a window, counted from the scene's corner.

    The pieces of any cut of a scene fit together to what the whole gives, so whoever holds a block in memory has its
    part of the overview for nothing.

    Parameters
    ----------
    array
        ``(..., rows, cols)``, the pixels of ``window``.
    """
    return array[..., -window.row % step :: step, -window.col % step :: step]


def read_overview(scene: Scene, *, max_side: int = 1024) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a scene once, strip by strip, and keep every n-th pixel.

    Returns
    -------
    image, valid
        As of :func:`geoseg.raster.read.read_window`, at most ``max_side`` rows and columns.

    Raises
    ------
    InputRefused
        ``READ`` or ``OPEN`` when a file cannot be decoded.
    """
    rows, cols = scene.geobox.shape
    step = step_for(scene.geobox.shape, max_side)
    images, valids = [], []
    for row in range(0, rows, _ROWS):
        window = Window(row, 0, min(_ROWS, rows - row), cols)
        image, valid = read_window(scene, window)
        images.append(thin(image, window, step).copy())
        valids.append(thin(valid, window, step).copy())
    return np.concatenate(images, axis=1), np.concatenate(valids)


def read_thin(path: str | Path, *, max_side: int = 1024) -> NDArray[Any]:
    """Read every n-th pixel of a raster of one band that geoseg wrote, strip by strip, as the file has them (rows, cols).

    Raises
    ------
    InputRefused
        As :func:`geoseg.raster.admit.admit`; ``READ``: it cannot be decoded.
    """
    file, found = admit(path, palette_ok=True), []
    rows, cols = file.geobox.shape
    with open_admitted(path, file.driver) as dataset:
        for row in range(0, rows, _ROWS):
            window = Window(row, 0, min(_ROWS, rows - row), cols)
            strip = dataset.read(1, window=RasterioWindow(0, row, cols, window.height))
            found.append(thin(strip, window, step_for((rows, cols), max_side)).copy())
    return np.concatenate(found)


def read_mask_overview(path: str | Path, *, max_side: int = 1024) -> NDArray[np.uint8]:
    """Read a mask that geoseg wrote, from its overviews (by mode): class values, at most ``max_side`` rows and columns."""
    with gdal_env(), rasterio.open(path, driver="GTiff", sharing=False) as dataset:
        step = step_for(dataset.shape, max_side)
        level = next((i for i, factor in enumerate(dataset.overviews(1)) if factor >= step), None)
        if step == 1 or level is None:
            return np.asarray(thin(dataset.read(1), Window(0, 0, *dataset.shape), step))
    with gdal_env(), rasterio.open(path, driver="GTiff", sharing=False, overview_level=level) as dataset:
        return np.asarray(dataset.read(1))
