"""Tile: cut rows into compressed tiles, and halve them into overviews on the way, in flat memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from geoseg.raster.cog import TILE, Level, framed
from geoseg.raster.overviews import Resampling, halve

Array = np.ndarray[Any, np.dtype[Any]]

# zlib's levels, of class maps: 4 makes 11 % more bytes than 6 in a third of the time; overviews are noisier, and 1
# makes 10 % more bytes than 4 in half of the time.
_LEVEL, _OVERVIEW_LEVEL = 4, 1
_MAX_THREADS = 8


class _Tile(NamedTuple):
    data: bytes
    checksum: int
    counts: tuple[int, ...]


class Layer:
    """One level of the pyramid: the row of tiles that is being filled, and a file of the compressed ones."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], nodata: int, path: Path, bands: int = 0) -> None:
        self.shape = shape
        self.path = path
        self.across = -(-shape[1] // TILE)
        self.down = -(-shape[0] // TILE)
        self.tile_bytes: list[int] = []
        self.checksums: list[int] = []
        self.submitted = 0
        self.pending: list[Future[_Tile]] = []
        self.file = path.open("xb")
        self._empty = partial(np.full, (TILE, self.across * TILE, *[bands] * (bands > 0)), nodata, dtype)
        self.buffer: Array = self._empty()

    def take(self) -> Array:
        """The filled row of tiles; the next one starts as nodata."""
        full, self.buffer = self.buffer, self._empty()
        self.submitted += 1
        return full

    def level(self) -> Level:
        """What the file's directory says about this level."""
        return Level(self.shape, self.tile_bytes)


class TilePyramid:
    """Rows go in, top to bottom; compressed tiles of every level come out in files ``level-0``, ``level-1``, ...

    At most two rows of tiles of each level are in memory. Nothing depends on the number of threads.

    Parameters
    ----------
    folder
        Takes the files.
    shape, dtype, nodata
        Of the raster; tiles are padded with nodata.
    resampling
        How overviews are made; they end where one tile holds all.
    codes
        Values whose pixels are counted.
    threads
        Threads that compress; as many as the process may use when not given.
    bands
        Above 0: rows are ``(rows, cols, bands)``, and what is compressed are the differences along a row (TIFF's
        predictor 2), for noisy pictures.
    """

    def __init__(  # noqa: PLR0913 - what a raster is, each part of it one setting
        self,
        folder: Path,
        shape: tuple[int, int],
        *,
        dtype: str,
        nodata: int,
        resampling: Resampling,
        codes: Sequence[int] = (),
        threads: int | None = None,
        bands: int = 0,
    ) -> None:
        self.bands = bands
        self.dtype = np.dtype(dtype)
        self.nodata = nodata
        self.resampling = resampling
        self.codes = tuple(codes)
        self.counts = [0] * len(self.codes)
        self.rows = 0
        paths = ((s, folder / f"level-{i}") for i, s in enumerate(_shapes(shape)))
        self.layers = [Layer(s, self.dtype, nodata, path, bands) for s, path in paths]
        self._pool = ThreadPoolExecutor(threads or usable_threads(), thread_name_prefix="geoseg-tiles")

    def __enter__(self) -> Self:
        """Nothing to open: the files are there since construction."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads and close the files."""
        self._pool.shutdown(cancel_futures=True)
        for layer in self.layers:
            layer.file.close()

    def append(self, rows: Array) -> None:
        """Take the next rows, ``(rows, cols)`` or ``(rows, cols, bands)`` of the full resolution."""
        layer = self.layers[0]
        height, cols = layer.shape
        while len(rows):
            at = self.rows % TILE
            taken = rows[: TILE - at]
            layer.buffer[at : at + len(taken), :cols] = taken
            self.rows += len(taken)
            rows = rows[len(taken) :]
            if self.rows % TILE == 0 or self.rows == height:
                self._submit(0)

    def finish(self) -> None:
        """Write what is still at work; every row must have come."""
        for index in range(len(self.layers)):
            self._drain(index)
        for layer in self.layers:
            layer.file.flush()

    def _submit(self, index: int) -> None:
        self._drain(index)
        layer = self.layers[index]
        half = layer.submitted % 2 * (TILE // 2)
        full = layer.take()
        smaller = self.layers[index + 1].buffer if index + 1 < len(self.layers) else None
        for i in range(layer.across):
            kept = (min(TILE, layer.shape[0] - (layer.submitted - 1) * TILE), min(TILE, layer.shape[1] - i * TILE))
            into = None
            if smaller is not None:
                into = smaller[half : half + TILE // 2, i * TILE // 2 : (i + 1) * TILE // 2]
            tile = full[:, i * TILE : (i + 1) * TILE]
            layer.pending.append(self._pool.submit(self._compress, tile, kept, into, index > 0))

    def _drain(self, index: int) -> None:
        """Wait for the row at work and write it; the overview below may be complete with it."""
        layer = self.layers[index]
        if not layer.pending:
            return
        for future in layer.pending:
            tile = future.result()
            layer.file.writelines(framed(tile.data))
            layer.tile_bytes.append(len(tile.data))
            layer.checksums.append(tile.checksum)
            self.counts = [a + b for a, b in zip(self.counts, tile.counts, strict=True)] if index == 0 else self.counts
        layer.pending = []
        if index + 1 < len(self.layers) and (layer.submitted % 2 == 0 or layer.submitted == layer.down):
            self._submit(index + 1)

    def _compress(self, tile: Array, kept: tuple[int, int], into: Array | None, overview: bool) -> _Tile:
        tile = np.ascontiguousarray(tile)
        if into is not None:
            into[...] = halve(tile, self.nodata, self.resampling)
        inside = tile[: kept[0], : kept[1]]
        counts = () if overview else _counts(inside, self.codes)
        if self.bands:
            tile = np.concatenate([tile[:, :1], tile[:, 1:] - tile[:, :-1]], axis=1)
        little = tile.astype(self.dtype.newbyteorder("<"), copy=False)
        level = _OVERVIEW_LEVEL if overview else _LEVEL
        data = _runs(little.data) if self.bands else zlib.compress(little.data, level)
        return _Tile(data, checksum(inside), counts)


def _runs(data: memoryview) -> bytes:
    """Compress differences of a picture: in noise there is nothing to find but runs; half of level 1's time, and smaller."""
    worker = zlib.compressobj(_OVERVIEW_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return worker.compress(data) + worker.flush()


def _counts(tile: Array, codes: Sequence[int]) -> tuple[int, ...]:
    """Pixels of each code: comparing is faster than sorting into bins while codes are few."""
    if len(codes) <= 32:
        return tuple(int(np.count_nonzero(tile == code)) for code in codes)
    found = np.bincount(tile.reshape(-1), minlength=max(codes) + 1)
    return tuple(int(found[code]) for code in codes)


def checksum(tile: Array) -> int:
    """CRC-32 of a tile's pixels, without padding."""
    return zlib.crc32(np.ascontiguousarray(tile).data)


def usable_threads() -> int:
    """Return the processors that this process may use, at most 8."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MAX_THREADS)


def _shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    shapes = [shape]
    while max(shapes[-1]) > TILE:
        rows, cols = shapes[-1]
        shapes.append((-(-rows // 2), -(-cols // 2)))
    return shapes
