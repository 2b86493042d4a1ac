"""Geoparquet: polygons as GeoParquet 1.1 with a bbox covering column, one row group after another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.vector.regions import Regions
from geoseg.vector.table import PolygonTable, bounds_of, wkb_array

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; readers that know the covering (GDAL, DuckDB, geopandas) skip row groups by ``bbox``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = table.schema("geometry")
    sides = pa.struct([(side, pa.float64()) for side in _SIDES])
    schema = pa.schema([*list(plain)[:-1], pa.field("bbox", sides), plain.field("geometry")])
    whole = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in table.regions():
            boxes = _boxes(part, table.geobox)
            whole = np.array([*np.minimum(whole[:2], boxes[:, :2].min(0)), *np.maximum(whole[2:], boxes[:, 2:].max(0))])
            writer.write_batch(_record(part, boxes, table, schema))
        writer.add_key_value_metadata({"geo": json.dumps(_geo(table, whole), sort_keys=True)})


def _record(part: Regions, boxes: NDArray[np.float64], table: PolygonTable, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    values = table.attributes(part)
    arrays = [pa.array(values[name], schema.field(name).type) for name in table.columns]
    bbox = pa.StructArray.from_arrays([pa.array(np.ascontiguousarray(side)) for side in boxes.T], _SIDES)
    return pa.record_batch([*arrays, bbox, wkb_array(part, table.geobox)], schema=schema)


def _boxes(part: Regions, geobox: GeoBox) -> NDArray[np.float64]:
    """(xmin, ymin, xmax, ymax) of each polygon, ``(n, 4)``."""
    xy = part.xy(geobox)
    starts = part.rings[bounds_of(part)[:-1]]
    made: NDArray[np.float64] = np.hstack([np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)])
    return made


def _geo(table: PolygonTable, whole: NDArray[np.float64]) -> dict[str, Any]:
    """The file's ``geo`` metadata, https://geoparquet.org/releases/v1.1.0."""
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [table.geometry_type] if table.n else [],
        "crs": _projjson(table.geobox.crs),
        "orientation": "counterclockwise",
        "edges": "planar",
        "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
    }
    if table.n:
        column["bbox"] = [float(side) for side in whole]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _projjson(crs: str) -> dict[str, Any] | None:
    """The CRS as PROJJSON; null says that there is none (a missing key would say WGS84)."""
    if not crs:
        return None
    import pyproj

    made: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_json_dict()
    return made
