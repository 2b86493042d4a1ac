"""Write polygons: a GeoPackage with its style inside, streamed; the same bytes each time; complete or absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoseg.errors import GeosegError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent, disk_error
from geoseg.vector.regions import Regions
from geoseg.vector.style import store_style

if TYPE_CHECKING:
    import pyarrow as pa

LAYER = "landcover"
_WHEN = "2000-01-01T00:00:00.000Z"
"""Stands in the file where the time of writing would: the same polygons give the same bytes."""
_BATCH = 20_000


def write_polygons(path: str | Path, regions: Regions | Iterable[Regions], geobox: GeoBox, legend: Legend) -> int:
    """Write polygons to a GeoPackage (layer ``landcover``) as they come, and return how many.

    Columns: ``class_id, class_name, area_m2, area_ha, perim_m, n_pixels`` and, where the regions know it, ``conf_mean``
    (0-100). Each region is one Polygon, never a MultiPolygon. QGIS finds the legend's colours in ``layer_styles``.
    No polygon at all gives a valid, empty layer.

    Raises
    ------
    ResourceError
        ``DISK``: there is no room for it; nothing stands under the final name.
    """
    import pyarrow as pa

    parts = iter([regions] if isinstance(regions, Regions) else regions)
    first = next(parts, None) or Regions.empty()
    schema = _schema(first.confidence is not None)
    written = _Progress()
    batches = _batches(first, parts, geobox, legend, schema, written)
    with complete_or_absent(path) as temporary, _failures(path, written):
        _write_layer(temporary, pa.RecordBatchReader.from_batches(schema, batches), geobox)
        _finish(temporary, legend, written.n)
    return written.n


class _Progress:
    """How many polygons went through a generator, and what stopped it."""

    n = 0
    error: Exception | None = None


def _schema(sure: bool) -> pa.Schema:
    import pyarrow as pa

    columns = [
        ("class_id", pa.int32()), ("class_name", pa.string()), ("area_m2", pa.float64()), ("area_ha", pa.float64()),
        ("perim_m", pa.float64()), ("n_pixels", pa.int64()), ("geom", pa.binary()),
    ]  # fmt: skip
    if sure:
        columns.insert(-1, ("conf_mean", pa.float64()))
    return pa.schema(columns)


def _batches(
    first: Regions, rest: Iterable[Regions], geobox: GeoBox, legend: Legend, schema: pa.Schema, written: _Progress
) -> Iterator[pa.RecordBatch]:
    names = np.array([legend.names.get(value, str(value)) for value in range(256)], dtype=object)
    try:
        for part in _even(chain([first], rest)):
            written.n += len(part)
            yield _record(part, geobox, names, schema)
    except Exception as error:
        written.error = error
        raise


def _even(parts: Iterable[Regions]) -> Iterator[Regions]:
    """Batches of the same number of polygons, whatever they come in: the file's pages depend on them."""
    waiting: list[Regions] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _BATCH:
            whole = Regions.concat(waiting)
            stop = len(whole) - len(whole) % _BATCH
            yield from (whole.pick(start, start + _BATCH) for start in range(0, stop, _BATCH))
            waiting = [whole.pick(stop, len(whole))]
    rest = Regions.concat(waiting)
    if len(rest):
        yield rest


def _record(part: Regions, geobox: GeoBox, names: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    from geoseg.vector.wkb import polygons_to_wkb

    data, offsets = polygons_to_wkb(part.xy(geobox), part.rings, part.polygons)
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    arrays = {
        "class_id": part.values.astype(np.int32),
        "class_name": names[part.values],
        "area_m2": part.area_m2,
        "area_ha": part.area_m2 / 1e4,
        "perim_m": part.perim_m,
        "n_pixels": part.n_pixels,
        "conf_mean": part.confidence,
        "geom": pa.Array.from_buffers(pa.binary(), len(part), buffers),
    }
    return pa.record_batch([pa.array(arrays[name], schema.field(name).type) for name in schema.names], schema=schema)


def _write_layer(path: Path, reader: pa.RecordBatchReader, geobox: GeoBox) -> None:
    import pyogrio

    names = ("OGR_CURRENT_DATE", "OGR_SQLITE_SYNCHRONOUS")
    before = {name: pyogrio.get_gdal_config_option(name) for name in names}
    # Synchronising page by page is for databases that live: this file is flushed once, before it gets its name.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _WHEN, "OGR_SQLITE_SYNCHRONOUS": "OFF"})
    try:
        pyogrio.write_arrow(
            reader, path, layer=LAYER, driver="GPKG", geometry_name="geom", geometry_type="Polygon",
            crs=geobox.crs or None, dataset_options={"VERSION": "1.2"},  # later ones make GDAL before 3.11 warn
        )  # fmt: skip
    finally:
        pyogrio.set_gdal_config_options(before)


def _finish(path: Path, legend: Legend, written: int) -> None:
    """Add the style, and make sure that every polygon arrived: GDAL may swallow what fails while closing."""
    file = sqlite3.connect(path)
    try:
        with file:
            file.execute("PRAGMA synchronous = OFF")
            store_style(file, LAYER, legend, _WHEN)
        (found,) = file.execute(f"SELECT count(*) FROM {LAYER}").fetchone()
        (indexed,) = file.execute(f"SELECT count(*) FROM rtree_{LAYER}_geom").fetchone()
    finally:
        file.close()
    if (found, indexed) != (written, written):
        raise sqlite3.OperationalError(f"{found} polygons and {indexed} index entries of {written} were written")


@contextmanager
def _failures(path: str | Path, written: _Progress) -> Iterator[None]:
    """Turn what GDAL and SQLite say when the disk does not take a file into our error; let the source's own errors through."""
    import pyogrio.errors as ogr

    try:
        yield
    except (ogr.DataSourceError, ogr.DataLayerError, ogr.FeatureError, RuntimeError, sqlite3.Error) as error:
        if written.error is not None:  # GDAL only says that its source broke
            raise written.error from None
        if isinstance(error, GeosegError):
            raise
        raise disk_error(path, " ".join(str(error).split())) from error
