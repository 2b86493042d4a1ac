"""Geopackage: polygons with their style inside and a spatial index; streamed by GDAL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from geoseg.vector.ogr import WHEN, reader_of, write_layer
from geoseg.vector.style import store_style
from geoseg.vector.table import PolygonTable

COMPANIONS = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside an open database: beside another database it would be played into that one."""


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; QGIS finds the legend's colours in ``layer_styles``."""
    options = {"VERSION": "1.2"}  # later ones make GDAL before 3.11 warn
    write_layer(path, reader_of(table), table, "GPKG", dataset_options=options)
    _finish(path, table)


def _finish(path: Path, table: PolygonTable) -> None:
    """Add the style, and make sure that every polygon arrived: GDAL may swallow what fails while closing."""
    layer = table.layer
    file = sqlite3.connect(path)
    try:
        with file:
            file.execute("PRAGMA synchronous = OFF")
            store_style(file, layer, table.legend, WHEN)
        (found,) = file.execute(f'SELECT count(*) FROM "{layer}"').fetchone()
        (indexed,) = file.execute(f'SELECT count(*) FROM "rtree_{layer}_geom"').fetchone()
    finally:
        file.close()
    if (found, indexed) != (table.n, table.n):
        raise sqlite3.OperationalError(f"{found} polygons and {indexed} index entries of {table.n} were written")
