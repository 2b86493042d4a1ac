"""Quicklook: a scene as a small picture, to draw something over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.raster.dated import pictured
from geoseg.raster.overview import read_overview, step_for
from geoseg.raster.scene import Scene

_COMPOSITES = (("red", "green", "blue"), ("nir", "red", "green"), ("swir1", "nir", "red"))
_NOTHING = 235
"""Grey where there is no data."""


def quicklook(scene: Scene, *, max_side: int = 1024) -> tuple[npt.NDArray[np.uint8], int]:
    """A picture uint8 (rows, cols, 3), at most ``max_side`` pixels a side, and the n of every n-th pixel that it shows."""
    image, valid = read_overview(scene, max_side=max_side)
    return picture(image, valid, [band.name for band in scene.bands]), step_for(scene.geobox.shape, max_side)


def picture(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_], names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """(bands, rows, cols) of any units as uint8 (rows, cols, 3): true or false colour by the bands' names, else one band.

    Each is stretched between its 2nd and 98th percentile over the valid pixels.
    """
    known, _ = pictured(names)
    chosen = next((wanted for wanted in _COMPOSITES if set(wanted) <= set(known)), None)
    bands = [known.index(name) for name in chosen] if chosen else [next(i for i, name in enumerate(known) if name)]
    shown = np.full((*valid.shape, 3), _NOTHING, np.uint8)
    if valid.any():
        shown[valid] = np.stack([_stretched(image[band][valid]) for band in bands], axis=-1)
    return shown


def _stretched(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    numbers = values.astype(np.float64)
    low, high = np.percentile(numbers, (2, 98))
    shown: npt.NDArray[np.float64] = np.clip((numbers - low) / (high - low if high > low else 1.0), 0, 1) * 255
    return shown.astype(np.uint8)
