"""Read: a window of a scene -> image (raw values of the files) and valid.

No result depends on where a window lies: what is read of a part is the part of what is read of the whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import fits, read_cells
from geoseg.raster.band import NETCDF, Band
from geoseg.raster.env import gdal_env
from geoseg.raster.handles import close_datasets, dataset_of, decoded
from geoseg.raster.quality import flagged
from geoseg.raster.resample import Nested
from geoseg.raster.scene import Scene

__all__ = ["close_datasets", "read_window"]

Image = NDArray[Any]
Valid = NDArray[np.bool_]

_STRIP = 256
"""Rows that are compared with nodata at a time, so that they stay in the processor's cache."""


def read_window(scene: Scene, window: Window, *, threads: int | None = None) -> tuple[Image, Valid]:
    """Read a window that lies inside the scene.

    Parameters
    ----------
    threads
        Threads that GDAL decodes with; all processors when not given.

    Returns
    -------
    image
        ``(bands, rows, cols)``, raw values of the files in the bands' common dtype; anything where not valid.
    valid
        ``(rows, cols)``, True where every band has data and no flag was raised.

    Raises
    ------
    InputRefused
        ``READ`` or ``OPEN`` when a file cannot be decoded.
    """
    whole = Window(0, 0, *scene.geobox.shape)
    assert window.intersect(whole) == window and window.height > 0 and window.width > 0, (window, whole)
    image = np.empty((len(scene.bands), *window.shape), np.result_type(*(np.dtype(band.dtype) for band in scene.bands)))
    valid = np.ones(window.shape, bool)
    threads = threads or len(os.sched_getaffinity(0))
    source = _Source(scene.geobox, threads, scene.allow_remote)
    with gdal_env(allow_remote=scene.allow_remote, threads=threads):
        for start, bands in _runs(scene):
            source.read(bands, window, image[start : start + len(bands)], valid)
        for flags in scene.flags:
            layer = Band("", flags.path, flags.index, flags.driver, "uint16", grid=flags.grid, variable=flags.variable)
            valid &= ~flagged(source.read_flags(layer, window), flags)
    return image, valid


def _runs(scene: Scene) -> Iterator[tuple[int, list[Band]]]:
    """Bands that one call can read (one file, one grid, neighbours in the image), each run with its first position."""
    run: list[Band] = []
    for i, band in enumerate(scene.bands):
        layer = band if scene.masked else replace(band, nodata=None, mask=None)
        if run and not _together(run[-1], layer):
            yield i - len(run), run
            run = []
        run.append(layer)
    yield len(scene.bands) - len(run), run


def _together(one: Band, other: Band) -> bool:
    same = (one.path, one.grid, one.mask) == (other.path, other.grid, other.mask)
    return same and one.driver != NETCDF and (one.grid is None or one.nodata == other.nodata)


@dataclass(frozen=True, slots=True)
class _Source:
    """Reads layers onto the scene's grid: from the same grid, from one whose axes run alike, or warped."""

    geobox: GeoBox
    threads: int
    allow_remote: bool

    def read(self, bands: Sequence[Band], window: Window, out: Image, valid: Valid) -> None:
        grid = bands[0].grid
        if grid is None:
            self._read_raw(bands, window, out, [valid] * len(bands))
        elif nested := Nested.of(grid, self.geobox):
            self._read_nested(nested, bands, window, out, valid)
        else:
            self._read_warped(bands, window, out, valid)

    def read_flags(self, layer: Band, window: Window) -> Image:
        if layer.driver == NETCDF:
            return self._read_netcdf(layer, window)
        nested = Nested.of(layer.grid, self.geobox) if layer.grid else None
        if layer.grid is not None and nested is None:
            dataset = self._dataset(layer, target=self.geobox, flags=True)
            return decoded(layer.path, lambda: read_cells(dataset, [layer.index], window)[0])
        here = nested.window(window) if nested else window
        if here is None:
            return np.zeros(window.shape, np.uint8)
        dataset, where = self._dataset(layer), _rasterio(here)
        flags: Image = decoded(layer.path, lambda: dataset.read(layer.index, window=where))
        return nested.nearest(flags, (here, window)) if nested else flags

    def _read_raw(self, bands: Sequence[Band], window: Window, out: Image, valids: Sequence[Valid]) -> None:
        """Read a window of the file's own grid; ``valids`` may be one array for all bands, or one each."""
        first = bands[0]
        if first.driver == NETCDF:
            out[0] = self._read_netcdf(first, window)
        else:
            dataset, where = self._dataset(first), _rasterio(window)
            decoded(first.path, lambda: dataset.read([band.index for band in bands], window=where, out=out))
            if first.mask is not None:
                mask = first.mask
                there = decoded(
                    first.path,
                    lambda: dataset.read(mask, window=where) if mask else dataset.read_masks(first.index, window=where),
                )
                for valid in {id(valid): valid for valid in valids}.values():
                    valid &= there != 0
        for band, plane, valid in zip(bands, out, valids, strict=True):
            _drop_nodata(band, plane, valid)

    def _read_nested(self, nested: Nested, bands: Sequence[Band], window: Window, out: Image, valid: Valid) -> None:
        here = nested.window(window)
        if here is None:
            valid[:] = False
            return
        image = np.empty((len(bands), *here.shape), out.dtype)
        valids = np.ones(image.shape, bool)
        self._read_raw(bands, here, image, list(valids))
        for plane, known, target in zip(image, valids, out, strict=True):
            nested.bilinear(plane, known, (here, window), target, valid)

    def _read_warped(self, bands: Sequence[Band], window: Window, out: Image, valid: Valid) -> None:
        dataset = self._dataset(bands[0], target=self.geobox)
        values: Image = decoded(bands[0].path, lambda: read_cells(dataset, [band.index for band in bands], window))
        there = np.isfinite(values)
        valid &= there.all(axis=0)
        if out.dtype.kind in "iu":
            limits = np.iinfo(out.dtype)
            values = np.rint(np.where(there, values, 0)).clip(limits.min, limits.max)
        np.copyto(out, values, casting="unsafe")

    def _read_netcdf(self, layer: Band, window: Window) -> Image:
        from geoseg.raster.netcdf import read_netcdf

        return read_netcdf(layer, self.geobox, window)

    def _dataset(self, layer: Band, *, target: GeoBox | None = None, flags: bool = False) -> Any:
        return dataset_of(layer, threads=self.threads, allow_remote=self.allow_remote, target=target, flags=flags)


def _drop_nodata(band: Band, plane: Image, valid: Valid) -> None:
    dtype = np.dtype(band.dtype)
    nodata = band.nodata if band.nodata is not None and fits(band.nodata, dtype) else None
    for row in range(0, plane.shape[0] if nodata is not None or dtype.kind == "f" else 0, _STRIP):
        part, kept = plane[row : row + _STRIP], valid[row : row + _STRIP]
        if nodata is not None:
            kept &= part != dtype.type(nodata)
        if dtype.kind == "f":
            kept &= np.isfinite(part)


def _rasterio(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)
