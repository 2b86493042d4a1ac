"""Handles: datasets that stay open, a few per thread, because neighbouring windows share tiles that GDAL keeps decoded."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeAlias, TypeVar

import rasterio
from rasterio.vrt import WarpedVRT

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.admit import open_admitted
from geoseg.raster.align import warped
from geoseg.raster.band import Band
from geoseg.raster.env import GDAL_ERRORS
from geoseg.raster.identity import stamp
from geoseg.raster.sniff import remote_target

_KEPT = 32

Dataset: TypeAlias = rasterio.DatasetReader | WarpedVRT
T = TypeVar("T")


def dataset_of(
    layer: Band,
    *,
    threads: int,
    allow_remote: bool,
    target: GeoBox | None = None,
    flags: bool = False,
    nearest: bool = False,
) -> Dataset:
    """The open dataset that holds a layer; a file that was replaced is opened anew.

    With ``target`` it is warped onto that grid, as ``flags`` and ``nearest`` say (:func:`geoseg.raster.align.warped`).
    To be called, and read from, inside :func:`geoseg.raster.env.gdal_env`.
    """
    remote = remote_target(layer.path, allow_remote=allow_remote)
    file = layer.path if remote else stamp(layer.path)
    view = (layer.grid, target, layer.nodata, layer.mask, flags, nearest) if target is not None else None

    def open_it(stack: ExitStack) -> Dataset:
        dataset = stack.enter_context(open_admitted(layer.path, layer.driver, allow_remote=allow_remote))
        if target is None or layer.grid is None:
            return dataset
        return stack.enter_context(
            warped(dataset, layer.grid, target, nodata=layer.nodata, alpha=layer.mask, flags=flags, nearest=nearest)
        )

    return _kept.get((file, layer.driver, view, threads), open_it)


def decoded(path: str, read: Callable[[], T]) -> T:
    """Run a read; GDAL's errors become ``READ``."""
    try:
        return read()
    except GDAL_ERRORS as error:
        close_datasets()
        reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        what = f"its pixels cannot be decoded ({reason})"
        raise InputRefused.of("READ", path, what, "Copy or download it again") from error


def close_datasets() -> None:
    """Close the datasets that this thread keeps open."""
    _kept.close()


class _Kept(threading.local):
    """The datasets of one thread, the least recently used closed first; they close with the thread."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._open: OrderedDict[object, tuple[ExitStack, Dataset]] = OrderedDict()

    def get(self, key: object, open_it: Callable[[ExitStack], Dataset]) -> Dataset:
        if self._process != os.getpid():  # a forked child shares file positions with its parent
            self._process, self._open = os.getpid(), OrderedDict()
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
