"""Write a raster: strips of rows, top to bottom, become a finished Cloud Optimized GeoTIFF, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.windows
from rasterio.errors import RasterioError

from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.cog import TILE, Tag, describe, header
from geoseg.raster.env import gdal_env
from geoseg.raster.files import complete_or_absent, disk_error
from geoseg.raster.names import LEGEND_TAG
from geoseg.raster.overviews import Resampling
from geoseg.raster.sidecars import write_sidecars
from geoseg.raster.tiles import Layer, TilePyramid, checksum, usable_threads

Strip = tuple[int, np.ndarray[Any, np.dtype[Any]]]
"""The first row, and the values of all columns."""


@dataclass(frozen=True, slots=True)
class RasterInfo:
    """What a raster without a legend says about itself.

    ``description``: the band's, or a tuple of the names of several. ``dtype`` is uint8, uint16, int16 or int32;
    ``nodata`` must fit into it. Overviews leave nodata out: ``average`` for quantities, ``mode`` or ``nearest`` for
    codes. ``scale``: units of one step, where the file is to say so.
    """

    description: str | tuple[str, ...]
    dtype: str = "uint8"
    nodata: int = 255
    overviews: Resampling = "average"
    tags: Mapping[str, str] = field(default_factory=dict)
    scale: float | None = None

    @property
    def bands(self) -> int:
        """How many bands lie pixel by pixel; 0: one band, of rows ``(rows, cols)``."""
        return 0 if isinstance(self.description, str) else len(self.description)


def write_mask(
    path: str | Path,
    geobox: GeoBox,
    legend: Legend,
    row_strips: Iterable[Strip],
    *,
    description: str = "class",
    tags: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> dict[int, int]:
    """Write a class raster with its palette, names and attribute table, complete or not at all.

    Parameters
    ----------
    path
        ``mask.tif``; names, colours and counts come beside it, see :mod:`geoseg.raster.sidecars`.
    geobox
        Shape, transform and CRS; the strips must fill it.
    legend
        The classes; its ``nodata`` becomes the file's. Where values do not fit 8 bits the file has 16, and no palette.
    row_strips
        ``(row, values)`` in order from row 0, ``values`` uint8 or, where the legend needs them, uint16 (rows, cols);
        any number of rows each.
    description, tags
        The band's description and the file's metadata. Nothing else, no clock, goes into the bytes: the same pixels,
        legend, description and tags give the same files, whatever the strips' heights and the threads.
    threads
        Threads that compress; as many as the process may use when not given, at most 8.

    Returns
    -------
    dict
        Pixels by value: nodata, and each class of the legend.

    Raises
    ------
    ResourceError
        ``DISK``: the disk did not take the file, or gave back something else than was written.
    UsageError
        ``LEGEND``: a pixel's value is neither a class nor nodata. ``STRIPS``: the strips do not fill the raster.
    """
    own = {LEGEND_TAG: legend.to_json()}  # names in their order: what reads the mask back needs no sidecar
    dtype = "uint8" if legend.fits_mask else "uint16"
    info = RasterInfo(description, dtype, legend.nodata, "mode", {**(tags or {}), **own})
    codes = (legend.nodata, *legend.values)
    colours = _colours(legend) if legend.fits_mask else None  # 65536 entries in each level: the sidecars have them
    with complete_or_absent(path) as temporary:
        found = _write(temporary, geobox, row_strips, info=info, codes=codes, colours=colours, threads=threads)
        counts = dict(zip(codes, found, strict=True))
        if sum(found) != geobox.shape[0] * geobox.shape[1]:
            raise UsageError.of("LEGEND", path, "a pixel has a value that is no class of the legend", "Add the class")
        write_sidecars(temporary, legend, counts)
    return counts


def write_codes(
    path: str | Path,
    geobox: GeoBox,
    row_strips: Iterable[Strip],
    *,
    legend: Callable[[], tuple[Legend, Mapping[int, int]]],
    description: str,
    tags: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> None:
    """Write a class raster of 16 bits, nodata 0, whose legend is known when its pixels are; else as :func:`write_mask`.

    Parameters
    ----------
    legend
        Called after the last strip: the classes that occur, and pixels by value, nodata too.
    """
    said = dict(tags or {})

    def strips() -> Iterator[Strip]:
        yield from row_strips
        said[LEGEND_TAG] = legend()[0].to_json()  # before the header is written, which is after the tiles

    with complete_or_absent(path) as temporary:
        _write(temporary, geobox, strips(), info=RasterInfo(description, "uint16", 0, "mode", said), threads=threads)
        write_sidecars(temporary, *legend())


def write_raster(
    path: str | Path,
    geobox: GeoBox,
    row_strips: Iterable[Strip],
    *,
    info: RasterInfo,
    threads: int | None = None,
) -> None:
    """Write a raster that has no legend (confidence, change, a picture of several bands), as :func:`write_mask` does.

    Where ``info`` names several bands, strips are ``(row, values)`` with values (rows, cols, bands).

    Raises
    ------
    ResourceError
        ``DISK``, as for masks.
    UsageError
        ``NODATA``: it does not fit into the type. ``STRIPS``: the strips do not fill the raster.
    """
    kind = np.dtype(info.dtype)
    if kind.kind not in "iu" or not np.iinfo(kind).min <= info.nodata <= np.iinfo(kind).max:
        what = f"nodata {info.nodata} does not fit into {info.dtype}"
        raise UsageError.of("NODATA", path, what, "Choose another value")
    with complete_or_absent(path) as temporary:
        _write(temporary, geobox, row_strips, info=info, threads=threads)


def in_strips(tiles: Iterable[tuple[Window, np.ndarray[Any, np.dtype[Any]]]], cols: int) -> Iterator[Strip]:
    """Tiles with their values (rows, cols), row-major and side by side alike high, as strips of ``cols`` columns."""
    strip: np.ndarray[Any, np.dtype[Any]] | None = None
    for tile, values in tiles:
        if strip is None:
            strip = np.empty((tile.height, cols), values.dtype)
        strip[:, tile.col : tile.col + tile.width] = values
        if tile.col + tile.width == cols:
            yield tile.row, strip
            strip = None


def _write(
    path: Path,
    geobox: GeoBox,
    strips: Iterable[Strip],
    *,
    info: RasterInfo,
    codes: Sequence[int] = (),
    colours: Mapping[int, tuple[int, int, int, int]] | None = None,
    threads: int | None = None,
) -> list[int]:
    """Write the file, read it back, and return the pixels of each code."""
    pyramid = TilePyramid(
        path.parent, geobox.shape, dtype=info.dtype, nodata=info.nodata,
        resampling=info.overviews, codes=codes, threads=threads, bands=info.bands,
    )  # fmt: skip
    with pyramid:
        _fill(pyramid, geobox.shape, strips, path)
    tags = describe(
        geobox, pyramid.dtype, nodata=info.nodata, description=info.description, tags=info.tags, colours=colours,
        scale=info.scale,
    )  # fmt: skip
    if info.bands:
        tags = (*tags, Tag.of(317, 3, 2))  # differences along a row
    with path.open("xb") as file:
        file.write(header([layer.level() for layer in pyramid.layers], tags))
        for layer in reversed(pyramid.layers):
            with layer.path.open("rb") as tiles:
                shutil.copyfileobj(tiles, file, 1 << 20)
            layer.path.unlink()
    _verify(path, pyramid.layers, threads or usable_threads())
    return pyramid.counts


def _fill(pyramid: TilePyramid, shape: tuple[int, int], strips: Iterable[Strip], path: Path) -> None:
    inner = (shape[1], pyramid.bands) if pyramid.bands else (shape[1],)
    for row, values in strips:
        bad = row != pyramid.rows or values.shape[1:] != inner or values.dtype != pyramid.dtype
        if bad or row + len(values) > shape[0]:
            what = f"{values.shape} {values.dtype} at row {row} does not continue {shape} at {pyramid.rows}"
            raise UsageError.of("STRIPS", path, what, "Give whole rows in order")
        pyramid.append(values)
    if pyramid.rows != shape[0]:
        raise UsageError.of("STRIPS", path, f"{pyramid.rows} of {shape[0]} rows were given", "Give all rows")
    pyramid.finish()


def _verify(path: Path, layers: Sequence[Layer], threads: int) -> None:
    """Read every level back through GDAL and compare it with what was to be written."""
    try:
        with gdal_env(cache_mb=64, threads=threads), ThreadPoolExecutor(threads) as pool:
            for index, layer in enumerate(layers):
                if _checksums(path, index, layer, pool) != layer.checksums:
                    raise disk_error(path.name, "read back, it differs from what was written")
    except RasterioError as error:
        raise disk_error(path.name, f"it cannot be read back: {error}") from error


def _checksums(path: Path, index: int, layer: Layer, pool: ThreadPoolExecutor) -> list[int]:
    options = {} if index == 0 else {"overview_level": index - 1}
    rows, cols = layer.shape
    found: list[int] = []
    with rasterio.open(path, driver="GTiff", sharing=False, **options) as dataset:
        if dataset.shape != layer.shape:
            return []
        for row in range(0, rows, TILE):
            strip = dataset.read(window=rasterio.windows.Window(0, row, cols, min(TILE, rows - row)))
            strip = strip[0] if dataset.count == 1 else strip.transpose(1, 2, 0)
            found += pool.map(checksum, (strip[:, col : col + TILE] for col in range(0, cols, TILE)))
    return found


def _colours(legend: Legend) -> dict[int, tuple[int, int, int, int]]:
    opaque = {value: (*colour, 255) for value, colour in legend.colours.items()}
    return {0: (0, 0, 0, 255), **opaque, legend.nodata: (0, 0, 0, 0)}
