"""Flatgeobuf: polygons with a packed spatial index, by GDAL."""

from __future__ import annotations

from pathlib import Path

from geoseg.vector.ogr import check_count, reader_of, write_layer
from geoseg.vector.table import PolygonTable


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; the polygons stand in the order of a Hilbert curve, because the index wants it."""
    import pyogrio

    options = {"SPATIAL_INDEX": "YES", "TITLE": table.layer}
    write_layer(path, reader_of(table), table, "FlatGeobuf", layer_options=options)
    check_count(pyogrio.read_info(path, force_feature_count=True)["features"], table)
