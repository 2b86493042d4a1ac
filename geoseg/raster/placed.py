"""Placed: a class raster read as if it lay on another grid; each pixel takes the class of the nearest one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import pixels_of, read_cells, same_crs
from geoseg.raster.classes import ClassRaster, Values
from geoseg.raster.env import gdal_env
from geoseg.raster.handles import dataset_of, decoded
from geoseg.raster.resample import Nested
from geoseg.raster.tiles import usable_threads

_SAME = 0.01
"""Grids whose pixels lie within this share of a pixel on each other count as one."""
_SIDE = 33
"""Points along each side of a raster that say where it lies on another grid."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A class raster on the grid ``geobox``: pixel for pixel at ``offset`` (row, col), else by nearest pixel.

    ``source`` is the raster's grid, a turn of the Earth away where that brings it closer.
    """

    raster: ClassRaster
    geobox: GeoBox
    source: GeoBox
    offset: tuple[int, int] | None

    @classmethod
    def of(cls, raster: ClassRaster, geobox: GeoBox) -> Self:
        """The raster on this grid."""
        source = turned(raster.geobox, geobox)
        return cls(raster, geobox, source, offset_of(geobox, source))

    def on(self, window: Window) -> Placed:
        """The same on a part of the grid."""
        row, col = self.offset or (0, 0)
        offset = None if self.offset is None else (row + window.row, col + window.col)
        return replace(self, geobox=self.geobox.crop(window), offset=offset)

    def read(self, window: Window) -> Values:
        """Classes (rows, cols) as of :meth:`ClassRaster.read`; its nodata outside of the raster."""
        if self.offset is not None:
            return self._shifted(window, self.offset)
        nested = Nested.of(self.source, self.geobox)
        return self._warped(window) if nested is None else self._nested(window, nested)

    def _shifted(self, window: Window, offset: tuple[int, int]) -> Values:
        there = Window(window.row + offset[0], window.col + offset[1], window.height, window.width)
        inside = there.intersect(Window(0, 0, *self.source.shape))
        if inside == there:
            return self.raster.read(there)
        out = np.full(window.shape, self.raster.nodata, self.raster.dtype)
        if inside.height and inside.width:
            out[inside.within(there).slices] = self.raster.read(inside)
        return out

    def _nested(self, window: Window, nested: Nested) -> Values:
        here = nested.window(window)
        if here is None:
            return np.full(window.shape, self.raster.nodata, self.raster.dtype)
        raw = self.raster.read(here)
        out = nested.nearest(raw, (here, window))
        if self.raster.nodata:
            inside = nested.nearest(np.ones(raw.shape, np.bool_), (here, window))
            out = np.where(inside, out, self.raster.nodata)
        made: Values = out.astype(self.raster.dtype, copy=False)
        return made

    def _warped(self, window: Window) -> Values:
        raster, threads = self.raster, usable_threads()
        layer = replace(raster.layer, grid=raster.geobox, nodata=raster.stated)
        with gdal_env(allow_remote=raster.allow_remote, threads=threads):
            dataset = dataset_of(
                layer, threads=threads, allow_remote=raster.allow_remote, target=self.geobox, nearest=True
            )
            raw = decoded(layer.path, lambda: read_cells(dataset, [layer.index], window)[0])
        return np.where(np.isnan(raw), raster.nodata, raw).astype(raster.dtype)


def offset_of(grid: GeoBox, source: GeoBox) -> tuple[int, int] | None:
    """Row and column of ``source`` at which ``grid`` begins, where both have the same pixels; None where they have not."""
    if not same_crs(grid.crs, source.crs):
        return None
    step = ~source.affine @ grid.affine
    rows, cols = grid.shape
    stretch = max(abs(step.a - 1) * cols, abs(step.e - 1) * rows, abs(step.b) * rows, abs(step.d) * cols)
    row, col = round(step.f), round(step.c)
    apart = math.hypot(step.f - row, step.c - col)
    return (row, col) if stretch + apart < _SAME else None


def turned(grid: GeoBox, near: GeoBox) -> GeoBox:
    """A grid of longitudes moved by whole turns of the Earth until it lies nearest to another one of the same CRS."""
    from rasterio.crs import CRS

    if not same_crs(grid.crs, near.crs) or not CRS.from_wkt(grid.crs).is_geographic:
        return grid
    turn = 2 * math.pi / CRS.from_wkt(grid.crs).units_factor[1]
    middle = [(left + right) / 2 for left, _, right, _ in (grid.bounds, near.bounds)]
    times = round((middle[1] - middle[0]) / turn)
    if not times:
        return grid
    a, b, c, d, e, f = grid.transform
    return replace(grid, transform=(a, b, c + times * turn, d, e, f))


def common(grid: GeoBox, source: GeoBox) -> Window:
    """The part of ``grid`` that ``source`` may cover; height or width 0 where they share no ground.

    Exact where the axes of both run alike; else the frame around the source's outline and middle, a little wider.
    """
    source = turned(source, grid)
    whole = Window(0, 0, *grid.shape)
    offset = offset_of(grid, source)
    if offset is not None:
        return Window(-offset[0], -offset[1], *source.shape).intersect(whole)
    rows, cols = (np.linspace(0, n, _SIDE) for n in source.shape)
    cols, rows = (axis.ravel() for axis in np.meshgrid(cols, rows))
    found = pixels_of(source, grid, np.array([cols, rows]))
    found = found[:, np.isfinite(found).all(axis=0)]
    if not found.size:
        return Window(0, 0, 0, 0)
    slack = 0.0 if Nested.of(source, grid) is not None else 2 + max(float(np.ptp(axis)) for axis in found) / 200
    first, last = np.floor(found.min(axis=1) - slack), np.ceil(found.max(axis=1) + slack)
    frame = Window(int(first[1]), int(first[0]), int(last[1] - first[1]), int(last[0] - first[0]))
    return frame.intersect(whole)
