"""Read: a window of a scene -> image (raw values of the file) and valid.

Datasets stay open per thread, a few at a time, because neighbouring windows share tiles that GDAL keeps decoded. A file
that was replaced is opened anew. No result depends on where a window lies: the read of a part is the part of the read.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.admit import open_admitted
from geoseg.raster.align import read_cells, warped
from geoseg.raster.band import NETCDF, Band
from geoseg.raster.env import GDAL_ERRORS, gdal_env
from geoseg.raster.identity import stamp
from geoseg.raster.quality import flagged
from geoseg.raster.scene import Scene
from geoseg.raster.sniff import remote_target

_KEPT = 32
_STRIP = 256
"""Rows that are compared with nodata at a time, so that they stay in the processor's cache."""

T = TypeVar("T")


def read_window(
    scene: Scene, window: Window, *, threads: int | None = None
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
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
    assert window.intersect(Window(0, 0, *scene.geobox.shape)) == window and window.height and window.width, window
    common = np.result_type(*(np.dtype(band.dtype) for band in scene.bands))
    image = np.empty((len(scene.bands), *window.shape), common)
    valid = np.ones(window.shape, bool)
    threads = threads or len(os.sched_getaffinity(0))
    with gdal_env(allow_remote=scene.allow_remote, threads=threads):
        for places in _sources(scene):
            reader = _Reader(scene, scene.bands[places[0]], threads)
            reader.read([scene.bands[i] for i in places], window, _rows_of(image, places), valid)
        if scene.quality is not None:
            _drop_flagged(scene, window, valid, threads)
    return image, valid


def close_datasets() -> None:
    """Close the datasets that this thread keeps open."""
    _kept.close()


def _sources(scene: Scene) -> Iterator[list[int]]:
    """Runs of bands that one call reads: of one file, on one grid, next to each other in the image."""
    run: list[int] = []
    for i, band in enumerate(scene.bands):
        if run and _together(scene.bands[run[-1]], band):
            run.append(i)
        else:
            if run:
                yield run
            run = [i]
    yield run


def _together(one: Band, other: Band) -> bool:
    same = (one.path, one.grid, one.mask) == (other.path, other.grid, other.mask)
    return same and one.driver != NETCDF and (one.grid is None or one.nodata == other.nodata)


def _rows_of(image: NDArray[np.generic], places: list[int]) -> NDArray[np.generic]:
    return image[places[0] : places[-1] + 1]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads bands of one file that need the same treatment."""

    scene: Scene
    first: Band
    threads: int

    def read(
        self, bands: Sequence[Band], window: Window, out: NDArray[np.generic], valid: NDArray[np.bool_]
    ) -> None:
        if self.first.driver == NETCDF:
            from geoseg.raster.netcdf import read_netcdf

            out[0] = read_netcdf(self.first, self.scene.geobox, window)
            self._drop_nodata(bands, out, valid)
        elif self.first.grid is None:
            self._read_here(bands, window, out, valid)
        else:
            self._read_warped(bands, window, out, valid)

    def _read_here(
        self, bands: Sequence[Band], window: Window, out: NDArray[np.generic], valid: NDArray[np.bool_]
    ) -> None:
        indexes = [band.index for band in bands]
        where = RasterioWindow(window.col, window.row, window.width, window.height)
        dataset = self._dataset()
        _decoded(self.first.path, lambda: dataset.read(indexes, window=where, out=out))
        self._drop_nodata(bands, out, valid)
        if self.scene.masked and self.first.mask == 0:
            valid &= _decoded(self.first.path, lambda: dataset.read_masks(indexes[0], window=where)) != 0
        elif self.scene.masked and self.first.mask:
            valid &= _decoded(self.first.path, lambda: dataset.read(self.first.mask, window=where)) != 0

    def _read_warped(
        self, bands: Sequence[Band], window: Window, out: NDArray[np.generic], valid: NDArray[np.bool_]
    ) -> None:
        dataset = self._dataset()
        values = _decoded(self.first.path, lambda: read_cells(dataset, [band.index for band in bands], window))
        there = np.isfinite(values)
        valid &= there.all(axis=0)
        if out.dtype.kind in "iu":
            limits = np.iinfo(out.dtype)
            values = np.rint(np.where(there, values, 0)).clip(limits.min, limits.max)
        np.copyto(out, values, casting="unsafe")

    def _drop_nodata(self, bands: Sequence[Band], image: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        for i, band in enumerate(bands):
            nodata = _comparable(band.nodata, np.dtype(band.dtype)) if self.scene.masked else None
            floats = np.dtype(band.dtype).kind == "f"
            for row in range(0, valid.shape[0] if floats or nodata is not None else 0, _STRIP):
                part, kept = image[i, row : row + _STRIP], valid[row : row + _STRIP]
                if nodata is not None:
                    kept &= part != part.dtype.type(nodata)
                if floats:
                    kept &= np.isfinite(part)

    def _dataset(self, *, flags: bool = False) -> rasterio.DatasetReader | WarpedVRT:
        band, target = self.first, self.scene.geobox
        remote = remote_target(band.path, allow_remote=self.scene.allow_remote)
        nodata = band.nodata if self.scene.masked else None
        treatment = (band.grid, target, nodata, band.mask, flags) if band.grid else None
        key = (stamp(band.path) if not remote else band.path, band.driver, treatment, self.threads)

        def open_it(stack: ExitStack) -> rasterio.DatasetReader | WarpedVRT:
            allowed = self.scene.allow_remote
            dataset = stack.enter_context(open_admitted(band.path, band.driver, allow_remote=allowed))
            if band.grid is None:
                return dataset
            view = warped(dataset, band.grid, target, nodata=nodata, alpha=band.mask, flags=flags)
            return stack.enter_context(view)

        return _kept.get(key, open_it)


def _drop_flagged(scene: Scene, window: Window, valid: NDArray[np.bool_], threads: int) -> None:
    quality = scene.quality
    assert quality is not None
    layer = Band("flags", quality.path, quality.index, quality.driver, "uint16", grid=quality.grid, variable=quality.variable)
    if layer.driver == NETCDF:
        from geoseg.raster.netcdf import read_netcdf

        valid &= ~flagged(read_netcdf(layer, scene.geobox, window), quality)
        return
    dataset = _Reader(scene, layer, threads)._dataset(flags=True)
    if layer.warped:
        flags = _decoded(layer.path, lambda: read_cells(dataset, [layer.index], window)[0])
    else:
        where = RasterioWindow(window.col, window.row, window.width, window.height)
        flags = _decoded(layer.path, lambda: dataset.read(layer.index, window=where))
    valid &= ~flagged(flags, quality)


def _comparable(nodata: float | None, dtype: np.dtype[np.generic]) -> float | int | None:
    """Nodata as a number that values of this type can equal; None where none can."""
    if nodata is None or np.isnan(nodata):
        return None
    if dtype.kind == "f":
        return nodata
    limits = np.iinfo(dtype)
    fits = np.isfinite(nodata) and float(nodata).is_integer() and limits.min <= nodata <= limits.max
    return int(nodata) if fits else None


def _decoded(path: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except GDAL_ERRORS as error:
        _kept.close()
        reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise InputRefused.of("READ", path, f"its pixels cannot be decoded ({reason})", "Copy or download it again") from error


class _Kept(threading.local):
    """The datasets of one thread, the least recently used closed first; they close with the thread."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._open: OrderedDict[object, tuple[ExitStack, rasterio.DatasetReader | WarpedVRT]] = OrderedDict()

    def get(
        self, key: object, open_it: Callable[[ExitStack], rasterio.DatasetReader | WarpedVRT]
    ) -> rasterio.DatasetReader | WarpedVRT:
        if self._process != os.getpid():  # a forked child shares file positions with its parent
            self.__init__()  # type: ignore[misc]
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key][1]
        with ExitStack() as stack:
            dataset = open_it(stack)
            self._open[key] = stack.pop_all(), dataset
        while len(self._open) > _KEPT:
            self._open.popitem(last=False)[1][0].close()
        return dataset

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1][0].close()


_kept = _Kept()
