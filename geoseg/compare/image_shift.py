"""Image shift: how far two images lie apart, measured on what they have in common.

Bands are first put together as the comparison does, so that each date shows the same thing at the same strength, and
what lies far off (clouds, what has changed) is cut off; without, a single cloud decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.compare.difference import Difference
from geoseg.compare.images import ImagePair
from geoseg.compare.shift import MapShift, measure_shift
from geoseg.grid.geobox import Window

_LIMIT = 1.5
"""Robust standard deviations of a layer within a block at which it is cut off."""
_NORMAL = 1.4826


@dataclass(frozen=True, slots=True)
class Layers:
    """A window to one date's side of the differences: float32 (differences, rows, cols), NaN without data."""

    pair: ImagePair
    difference: Difference
    date: int

    def __call__(self, window: Window) -> NDArray[np.float32]:
        """The layers of the window."""
        pixels, valid = self.pair.read(window)
        bands = len(self.pair.bands)
        mine = slice(self.date * bands, (self.date + 1) * bands)
        sign = -1.0 if self.date else 1.0
        out = np.full((self.difference.forward.shape[1], *window.shape), np.nan, np.float32)
        if len(pixels):
            values = pixels[:, mine] @ (sign * self.difference.forward[mine])
            values -= np.median(values, axis=0)
            limit = _LIMIT * _NORMAL * np.median(np.abs(values), axis=0)
            out[:, valid] = np.clip(values, -limit, limit).T
        return out


def measure_image_shift(pair: ImagePair, difference: Difference) -> MapShift | None:
    """The shift of AFTER against BEFORE; None where nothing can be measured."""
    before, after = (Layers(pair, difference, date) for date in (0, 1))
    return measure_shift(before, after, pair.geobox)
