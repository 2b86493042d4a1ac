"""Read: a window of a scene -> image (raw values of the file) and valid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geoseg.grid.geobox import Window
from geoseg.raster.admit import open_admitted
from geoseg.raster.scene import Scene


def read_window(scene: Scene, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return image (bands, rows, cols) in the bands' common dtype and valid (rows, cols)."""
    common = np.result_type(*(band.dtype for band in scene.bands))
    image = np.empty((len(scene.bands), *window.shape), common)
    valid = np.ones(window.shape, bool)
    where = RasterioWindow(window.col, window.row, window.width, window.height)
    for path in dict.fromkeys(band.path for band in scene.bands):
        chosen = [i for i, band in enumerate(scene.bands) if band.path == path]
        with open_admitted(path, scene.bands[chosen[0]].driver, allow_remote=scene.allow_remote) as dataset:
            image[chosen] = dataset.read([scene.bands[i].index for i in chosen], window=where)
    for i, band in enumerate(scene.bands):
        if band.nodata is not None:
            valid &= image[i] != band.nodata
        if common.kind == "f":
            valid &= np.isfinite(image[i])
    return image, valid
