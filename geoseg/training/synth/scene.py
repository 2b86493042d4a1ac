"""Scene: strips of pixels and of their true classes, of any date of one landscape; a strip depends on nothing but its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox
from geoseg.training.synth import clouds, fields, picture
from geoseg.training.synth.land import SPOTS, Date, Spots, paint
from geoseg.training.synth.spectra import BANDS

_LATTICE = 60.0
"""About how far the points of the coarse fields are from each other, metres."""
NODATA = 0
_ROOM = 256
"""Points along a side of the sample that says how high the cover of a share of clouds is."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """One landscape of a seed under a grid in metres, whose pixels are square; picklable.

    Parameters
    ----------
    geobox, seed
        Another window of the plane shows the same land, and another pixel size nearly.
    cloudy
        Share of each date that is cloud, about.
    collar
        Whether a slanted frame has no data.
    """

    geobox: GeoBox
    seed: int
    cloudy: float = 0.0
    collar: bool = False

    def truth(self, date: Date, row: int, rows: int) -> NDArray[np.uint8]:
        """True class values of ``rows`` rows of land from ``row`` on: (rows, cols)."""
        return _classes(self._spots(date, row, rows, 0.0)[0], (rows, self.geobox.shape[1]))

    def strip(
        self, date: Date, row: int, rows: int, *, shift: float = 0.0, level: float = 0.0
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Pixels (rows, cols, bands) in steps of 1e-4 reflectance, and true class values (rows, cols), 0 without data.

        Parameters
        ----------
        shift
            Pixels by which the picture, and not the truth, lies too far east.
        level
            What :meth:`cloud_level` gave, where there are clouds.
        """
        shape = (rows, self.geobox.shape[1])
        spots, ground = self._spots(date, row, rows, shift)
        image = np.empty((*shape, len(BANDS)), np.float32)
        picture.reflectance(spots, image)
        picture.sun(ground, row, image)
        truth = self.truth(date, row, rows) if shift else _classes(spots, shape)
        if self.cloudy:
            clouds.dim(self._overcast(date, row, shape, shift, level), image)
            clouds.hide(self._overcast(date, row, shape, 0.0, level), truth)
        out = np.empty(image.shape, np.uint16)
        sensor = np.random.default_rng([self.seed, date.number, 1])
        image *= np.float32(1 + 0.08 * (sensor.random() - 0.5) * (date.number > 0))
        picture.digital(_bits(sensor), row, 0.006 + 0.006 * float(sensor.random()), image, out)
        if self.collar:
            outside = ~self._inside(row, rows)
            out[outside], truth[outside] = NODATA, 0
        return out, truth

    def cloud_level(self, date: Date) -> float:
        """The cover from which on there is cloud, from a coarse sample of the whole scene."""
        rows, cols = self.geobox.shape
        res = self.geobox.res[0]
        step = max(rows, cols) * res / _ROOM
        cover = np.empty((max(int(rows * res / step), 1), max(int(cols * res / step), 1)))
        _, _, x, _, _, y = self.geobox.transform
        clouds.covers(self._cloud_seed(date), fields.Lattice(x, y, step), 0, cover)
        return float(np.quantile(cover, 1 - self.cloudy))

    def _overcast(
        self, date: Date, row: int, shape: tuple[int, int], shift: float, level: float
    ) -> NDArray[np.float32]:
        out = np.empty((2, *shape), np.float32)
        sky = clouds.Sky(self._cloud_seed(date), level)
        clouds.overcast(sky, self._lattice(shift), self._per, row, out)
        return out

    def _spots(self, date: Date, row: int, rows: int, shift: float) -> tuple[Spots, fields.Ground]:
        shape = (SPOTS * rows + 2, SPOTS * self.geobox.shape[1] + 2)
        seed, first = _bits(np.random.default_rng([self.seed, 0])), SPOTS * row - 1
        ground = fields.ground(seed, self._lattice(shift), SPOTS * self._per, first, shape)
        spots = Spots(np.empty(shape, np.uint8), np.empty(shape, np.int8), np.empty(shape, np.int8))
        paint(seed, date, ground, first, spots)
        return spots, ground

    @property
    def _per(self) -> int:
        """Pixels from one point of the lattice of the coarse fields to the next."""
        return max(round(_LATTICE / self.geobox.res[0]), 1)

    def _lattice(self, shift: float) -> fields.Lattice:
        res, _, x, _, _, y = self.geobox.transform
        return fields.Lattice(x - shift * res, y, res * self._per)

    def _cloud_seed(self, date: Date) -> Any:
        return _bits(np.random.default_rng([self.seed, date.number, 2]))

    def _inside(self, row: int, rows: int) -> NDArray[np.bool_]:
        """True within the swath, whose sides lean as those of a descending orbit do."""
        height, width = self.geobox.shape
        r, c = np.ogrid[row : row + rows, :width]
        lean, edge = 0.06, max(min(height, width) // 64, 1)
        inside: NDArray[np.bool_] = (c > edge + lean * (height - r)) & (c < width - edge - lean * r)
        return inside & (r >= edge) & (r < height - edge)


def _classes(spots: Spots, shape: tuple[int, int]) -> NDArray[np.uint8]:
    out = np.empty(shape, np.uint8)
    picture.true_classes(spots.material, out)
    return out


def _bits(rng: np.random.Generator) -> Any:
    """A seed of the compiled loops."""
    return np.uint64(rng.integers(1 << 63))
