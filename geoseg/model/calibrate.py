"""Calibrate: normalized chips spread over a scene, to measure a network's inner values on before it is quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.chips import ChipGrid
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle
    from geoseg.raster.scene import Scene

CHIPS = 32
"""Chips of a scene that are looked at; more of them moved no class in what was tried."""


def chips_of(scene: Scene, bundle: Bundle, count: int = CHIPS) -> npt.NDArray[np.float32]:
    """Up to ``count`` chips, float32 (n, bands, side, side), evenly spread; those without a valid pixel are left out.

    Parameters
    ----------
    scene
        With the bundle's bands alone, in its order and units.

    Raises
    ------
    InputRefused
        ``EMPTY``: no chip has a valid pixel.
    """
    norm = Normalization.of(scene, [band.mean for band in bundle.bands], [band.std for band in bundle.bands])
    side = bundle.chip_size
    chips = ChipGrid(scene.geobox.shape, side, 0, bundle.align)
    found = []
    for number in np.unique(np.linspace(0, len(chips) - 1, min(count, len(chips))).round().astype(int)).tolist():
        image, valid = read_window(scene, chips.chip(*divmod(number, chips.counts[1])).read)
        if valid.any():
            padded = np.zeros((len(bundle.bands), side, side), np.float32)
            normalize(image, valid, norm, padded[:, : valid.shape[0], : valid.shape[1]])
            found.append(padded)
    if not found:
        raise InputRefused.of("EMPTY", scene.name, "has no valid pixel in the chips looked at", "Choose another scene")
    return np.stack(found)
