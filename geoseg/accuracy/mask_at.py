"""Mask at: what a class raster says at places, and how large its pixels are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.raster.classes import ClassRaster
from geoseg.vector.lattice import Lattice

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OFF = -1
"""Stands for a row, a column or a class where the mask has none."""
_SIDE = 512


@dataclass(frozen=True, slots=True)
class MaskAt:
    """A class raster that is asked at places."""

    raster: ClassRaster
    lattice: Lattice

    @classmethod
    def of(cls, raster: ClassRaster) -> MaskAt:
        """With the lattice of its grid."""
        return cls(raster, Lattice(raster.geobox))

    def pixels(self, x: Floats, y: Floats, *, crs: str | None = None) -> tuple[Ints, Ints]:
        """Row and column of the pixels that hold points of a CRS (the mask's own by default); :data:`OFF` off the mask."""
        if crs is not None:
            import pyproj

            own = pyproj.CRS.from_user_input(self.raster.geobox.crs)
            change = pyproj.Transformer.from_crs(crs, own, always_xy=True)
            x, y = (np.asarray(part, np.float64) for part in change.transform(x, y))
            if own.is_geographic:
                left, _, right, _ = self.raster.geobox.bounds
                turn = 360.0  # a longitude means the same a turn on
                x = np.where(x < left, x + turn * np.ceil((left - x) / turn), x)
                x = np.where((x >= right) & (x - turn >= left), x - turn, x)
        a, b, c, d, e, f = tuple(~self.raster.geobox.affine)[:6]
        with np.errstate(invalid="ignore"):
            return self.cut(d * x + e * y + f, a * x + b * y + c)

    def cut(self, row: Floats, col: Floats) -> tuple[Ints, Ints]:
        """Rows and columns as integers, both :data:`OFF` where one is off the mask or no number."""
        rows, cols = self.raster.geobox.shape
        with np.errstate(invalid="ignore"):
            on = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        cut = (np.where(on, np.floor(np.where(on, part, 0)), OFF).astype(np.int64) for part in (row, col))
        first, second = cut
        return first, second

    def values(self, row: Ints, col: Ints) -> Ints:
        """The class at pixels, int64; :data:`OFF` off the mask and where it has none."""
        made = np.full(len(row), OFF, np.int64)
        there = np.flatnonzero(row >= 0)
        windows: dict[tuple[int, int], list[int]] = {}
        for i in there.tolist():
            windows.setdefault((int(row[i]) // _SIDE, int(col[i]) // _SIDE), []).append(i)
        for (down, across), chosen in sorted(windows.items()):
            window = Window(down * _SIDE, across * _SIDE, _SIDE, _SIDE).intersect(
                Window(0, 0, *self.raster.geobox.shape)
            )
            found = self.raster.read(window)[row[chosen] - window.row, col[chosen] - window.col].astype(np.int64)
            made[chosen] = np.where(found == self.raster.nodata, OFF, found)
        return made

    def areas(self, row: Ints, col: Ints) -> Floats:
        """Areas of pixels on the ellipsoid, m²; 0 off the mask."""
        made = np.zeros(len(row))
        for start in np.unique(row[row >= 0] // _SIDE).tolist():
            here = np.flatnonzero(row // _SIDE == start)
            t = self.lattice.table(start * _SIDE, min((start + 1) * _SIDE, self.raster.geobox.shape[0]))
            made[here] = t.pixel[row[here] // t.rows - t.first, col[here] // t.cols] * self.lattice.unit_m2
        return made
