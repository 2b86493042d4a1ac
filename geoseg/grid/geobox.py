"""GeoBox: a pixel grid on Earth (shape, transform, CRS) as a small value that pickles and compares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from affine import Affine


@dataclass(frozen=True, slots=True)
class Window:
    """An integer pixel rectangle: rows ``row .. row+height``, columns ``col .. col+width``."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.height, self.width

    def within(self, outer: Window) -> Window:
        """The same pixels, counted from the corner of ``outer``."""
        return Window(self.row - outer.row, self.col - outer.col, self.height, self.width)

    def intersect(self, other: Window) -> Window:
        """The common rectangle; height or width 0 where there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        stop_row = min(self.row + self.height, other.row + other.height)
        stop_col = min(self.col + self.width, other.col + other.width)
        return Window(row, col, max(stop_row - row, 0), max(stop_col - col, 0))

    def buffer(self, pixels: int, shape: tuple[int, int]) -> Window:
        """Grown by ``pixels`` on each side, cut to a raster of ``shape``."""
        grown = Window(self.row - pixels, self.col - pixels, self.height + 2 * pixels, self.width + 2 * pixels)
        return grown.intersect(Window(0, 0, *shape))


@dataclass(frozen=True, slots=True)
class GeoBox:
    """``shape`` (rows, cols), ``transform`` (numbers a..f of an affine from (col, row) to CRS) and ``crs`` (WKT)."""

    shape: tuple[int, int]
    transform: tuple[float, float, float, float, float, float]
    crs: str

    @classmethod
    def of(cls, shape: tuple[int, int], affine: Affine, crs: str) -> Self:
        """Build from an :class:`affine.Affine`."""
        a, b, c, d, e, f = tuple(affine)[:6]
        return cls((int(shape[0]), int(shape[1])), (a, b, c, d, e, f), crs)

    @property
    def affine(self) -> Affine:
        """The transform as an :class:`affine.Affine`."""
        return Affine(*self.transform)

    @property
    def res(self) -> tuple[float, float]:
        """Pixel size (x, y) in CRS units, positive, also under rotation."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(a, d), math.hypot(b, e)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of the grid's corners in CRS units."""
        xs, ys = zip(*self.corners(), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def corners(self) -> Iterator[tuple[float, float]]:
        """The four outer corners in CRS units: (0, 0), (0, cols), (rows, cols), (rows, 0)."""
        rows, cols = self.shape
        for row, col in ((0, 0), (0, cols), (rows, cols), (rows, 0)):
            yield self.affine @ (col, row)

    def crop(self, window: Window) -> GeoBox:
        """The geobox of a window."""
        return GeoBox.of(window.shape, self.affine @ Affine.translation(window.col, window.row), self.crs)
