"""Flatgeobuf: polygons with a packed spatial index, by GDAL."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from geoseg.vector.ogr import reader_of, write_layer
from geoseg.vector.table import PolygonTable

_MAGIC, _NODE, _FAN = 8, 40, 16


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; the polygons stand in the order of a Hilbert curve, because the index wants it."""
    options = {"SPATIAL_INDEX": "YES", "TITLE": table.layer}
    write_layer(path, reader_of(table), table, "FlatGeobuf", layer_options=options)
    _check(path, table.n)


def _check(path: Path, n: int) -> None:
    """Make sure that the file ends where its index says: GDAL swallows what fails while closing."""
    with path.open("rb") as file:
        head = struct.unpack("<8xI", file.read(_MAGIC + 4))[0] + _MAGIC + 4
        if n == 0:
            end = head
        else:
            file.seek(head + _NODE * (_nodes(n) - n))
            leaves = np.frombuffer(file.read(_NODE * n), "<f8,<f8,<f8,<f8,<u8")  # box and offset; no longer: cut off
            last = head + _NODE * _nodes(n) + int(leaves["f4"].max(initial=0))
            file.seek(last)
            size = file.read(4)
            end = last + 4 + struct.unpack("<I", size)[0] if len(leaves) == n and len(size) == 4 else -1
    if path.stat().st_size != end:
        raise RuntimeError("the file ends before the last polygon")


def _nodes(n: int) -> int:
    """Nodes of a packed Hilbert R-tree with ``n`` leaves, https://flatgeobuf.org (sixteen to a node)."""
    total = level = n
    while level > 1:
        level = -(-level // _FAN)
        total += level
    return total
