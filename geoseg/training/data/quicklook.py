"""Quicklook: a scene as a small picture, to draw something over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.raster.dated import pictured
from geoseg.raster.look import composite, limits, stretched
from geoseg.raster.overview import read_overview, step_for
from geoseg.raster.scene import Scene

_NOTHING = 235
"""Grey where there is no data."""


def quicklook(scene: Scene, *, max_side: int = 1024) -> tuple[npt.NDArray[np.uint8], int]:
    """A picture uint8 (rows, cols, 3), at most ``max_side`` pixels a side, and the n of every n-th pixel that it shows."""
    image, valid = read_overview(scene, max_side=max_side)
    return picture(image, valid, [band.name for band in scene.bands]), step_for(scene.geobox.shape, max_side)


def picture(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """(bands, rows, cols) of any units as uint8 (rows, cols, 3): true or false colour by the bands' names, else one band.

    Each is stretched over the valid pixels, as :mod:`geoseg.raster.look` says.
    """
    known, _ = pictured(names)
    bands, _ = composite(known)
    shown = np.full((*valid.shape, 3), _NOTHING, np.uint8)
    if valid.any():
        planes = [image[band].astype(np.float64) for band in bands]
        drawn = np.stack([stretched(plane, *limits(plane, valid)) for plane in planes], axis=-1)
        shown = np.where(valid[..., None], drawn, shown)
    return shown
