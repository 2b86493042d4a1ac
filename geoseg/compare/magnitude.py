"""Magnitude: how far each pixel has changed, as whole numbers in a raster, from which everything else is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from geoseg.compare.cva import MOST_SECTORS, sectors
from geoseg.compare.difference import Difference
from geoseg.compare.images import ImagePair
from geoseg.grid.geobox import Window
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene

Codes = NDArray[np.uint16]

STEP = 0.001
"""Standard deviations of one step."""
NODATA = 65535
LARGEST = (NODATA - 1) * STEP
"""What is larger counts as this."""
_ROWS = 512


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """A window to its magnitudes in steps, uint16 (rows, cols); picklable."""

    pair: ImagePair
    difference: Difference

    def __call__(self, window: Window) -> Codes:
        """Magnitudes of the window."""
        pixels, valid = self.pair.read(window)
        out = np.full(window.shape, NODATA, np.uint16)
        out[valid] = np.rint(np.minimum(np.sqrt(self.difference.squares(pixels)) / STEP, NODATA - 1))
        return out


@dataclass(frozen=True, slots=True)
class Sectors:
    """A window to the directions of its change vectors, uint16 (rows, cols); picklable."""

    MOST: ClassVar[int] = MOST_SECTORS

    pair: ImagePair
    difference: Difference

    def __call__(self, window: Window) -> Codes:
        """Directions in the window, 65535 where there is no data."""
        pixels, valid = self.pair.read(window)
        out = np.full(window.shape, NODATA, np.uint16)
        out[valid] = sectors(self.difference.values(pixels))
        return out


@dataclass(frozen=True, slots=True)
class Measured:
    """The raster of magnitudes that was written, and how many pixels have each, ``(65535,)``."""

    scene: Scene
    counts: NDArray[np.int64]

    def strips(self) -> Iterator[tuple[int, Codes]]:
        """Rows in order."""
        rows, cols = self.scene.geobox.shape
        for row in range(0, rows, _ROWS):
            yield row, _codes(self.scene, Window(row, 0, min(_ROWS, rows - row), cols))

    def above(self, code: int, below: int, above: int) -> Above:
        """Classes by a threshold."""
        return Above(self.scene, code, below, above)


@dataclass(frozen=True, slots=True)
class Above:
    """A window to its classes: ``above`` from ``code`` on, ``below`` under it, 0 where there is no data; picklable."""

    scene: Scene
    code: int
    below: int
    above: int

    def __call__(self, window: Window) -> NDArray[np.uint8]:
        """Classes of the window, uint8 (rows, cols)."""
        codes = _codes(self.scene, window)
        classes = np.where(codes >= self.code, self.above, self.below)
        return np.where(codes == NODATA, 0, classes).astype(np.uint8)


def _codes(scene: Scene, window: Window) -> Codes:
    image, _ = read_window(scene, window)
    return np.asarray(image[0], np.uint16)
