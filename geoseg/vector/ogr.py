"""Ogr: Arrow batches into a file by GDAL's drivers; what GDAL says of a full disk becomes our error."""

from __future__ import annotations

import logging
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.errors import GeosegError
from geoseg.raster.files import disk_error
from geoseg.vector.table import PolygonTable

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

WHEN = "2000-01-01T00:00:00.000Z"
"""Stands in a file where the time of writing would: the same polygons give the same bytes."""

_CONFIG = {
    "OGR_CURRENT_DATE": WHEN,
    "OGR_SQLITE_SYNCHRONOUS": "OFF",  # for databases that live: ours is flushed once, before it gets its name
    "SHAPE_REWIND_ON_WRITE": "NO",  # rings come as they have to be; GDAL compares each with each
}


def write_layer(
    path: Path,
    reader: pa.RecordBatchReader,
    table: PolygonTable,
    driver: str,
    *,
    geometry_type: str = "",
    **options: Any,
) -> None:
    """Write one layer of polygons; ``options`` as :func:`pyogrio.write_arrow` takes them."""
    import pyogrio

    with same_bytes(path):
        pyogrio.write_arrow(
            reader, path, layer=table.layer, driver=driver, geometry_name="geom",
            geometry_type=geometry_type or table.geometry_type, crs=table.geobox.crs or None, **options,
        )  # fmt: skip


@contextmanager
def same_bytes(path: Path) -> Iterator[None]:
    """GDAL's settings while something is written: no time of writing in it; what GDAL warns of goes to the log.

    Warnings are of a CRS's spelling and the like; whether all arrived is for the caller to check.
    """
    import pyogrio

    before = {name: pyogrio.get_gdal_config_option(name) for name in _CONFIG}
    pyogrio.set_gdal_config_options(_CONFIG)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            yield
        for warning in said:
            _log.info("%s: %s", path.name, warning.message)
    finally:
        pyogrio.set_gdal_config_options(before)


def reader_of(table: PolygonTable, schema: pa.Schema | None = None, batches: Any = None) -> pa.RecordBatchReader:
    """The table as GDAL reads it."""
    import pyarrow as pa

    source = _watched(table.batches() if batches is None else batches, table)
    next(source)
    return pa.RecordBatchReader.from_batches(schema or table.schema(), source)


def _watched(batches: Iterator[pa.RecordBatch], table: PolygonTable) -> Iterator[Any]:
    """The batches, after a None; keeps what breaks them, a signal too: GDAL will only say that its source broke.

    The None is taken before GDAL gets the rest: Python hands out signals when it enters a function, and from then on
    that happens inside the ``try``.
    """
    try:
        yield None
        yield from batches
    except BaseException as error:
        table.error = error
        raise


@contextmanager
def failures(path: str | Path, table: PolygonTable) -> Iterator[None]:
    """Turn what GDAL, Arrow and SQLite say when the disk does not take a file into our error; let the source's own through."""
    import pyogrio.errors as ogr

    try:
        yield
    except (ogr.DataSourceError, ogr.DataLayerError, ogr.FeatureError, RuntimeError, sqlite3.Error) as error:
        if table.error is not None:
            raise table.error from None
        if isinstance(error, GeosegError):
            raise
        raise disk_error(path, " ".join(str(error).split())) from error


def check_count(found: int, table: PolygonTable) -> None:
    """Make sure that every polygon arrived: GDAL may swallow what fails while closing."""
    if found != table.n:
        raise RuntimeError(f"{found} polygons of {table.n} were written")
