"""Geoparquet: polygons as GeoParquet 1.1 with a bbox covering column, one row group after another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.vector.regions import Regions
from geoseg.vector.table import PolygonTable, binary_array, whole_box

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from geoseg.vector.wkb import Wkb

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; readers that know the covering (GDAL, DuckDB, geopandas) skip row groups by ``bbox``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from geoseg.vector.wkb import regions_to_wkb

    plain = table.schema("geometry")
    sides = pa.struct([(side, pa.float64()) for side in _SIDES])
    schema = pa.schema([*list(plain)[:-1], pa.field("bbox", sides), plain.field("geometry")])
    whole = whole_box(np.empty((0, 4)))
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in table.regions():
            wkb = regions_to_wkb(part, table.geobox)
            whole = whole_box(np.vstack([whole, wkb.boxes]))
            writer.write_batch(_record(part, wkb, table, schema))
        writer.add_key_value_metadata({"geo": json.dumps(_geo(table, whole), sort_keys=True)})


def _record(part: Regions, wkb: Wkb, table: PolygonTable, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    values = table.attributes(part)
    arrays = [pa.array(values[name], schema.field(name).type) for name in table.columns]
    bbox = pa.StructArray.from_arrays([pa.array(np.ascontiguousarray(side)) for side in wkb.boxes.T], _SIDES)
    return pa.record_batch([*arrays, bbox, binary_array(wkb.data, wkb.offsets)], schema=schema)


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
        column["bbox"] = whole.ravel().tolist()
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _projjson(crs: str) -> dict[str, Any] | None:
    """The CRS as PROJJSON; null says that there is none (a missing key would say WGS84)."""
    if not crs:
        return None
    import pyproj

    made: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_json_dict()
    return made
