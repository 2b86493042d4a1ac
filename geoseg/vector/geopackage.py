"""Geopackage: polygons with their style inside and a spatial index; GDAL makes the file, the rows are laid into it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.vector.ogr import WHEN, reader_of, write_layer
from geoseg.vector.regions import Regions
from geoseg.vector.rtree import CELLS, NODE_BYTES, pack_leaves, pack_levels
from geoseg.vector.style import store_style
from geoseg.vector.table import PolygonTable, binary_array, whole_box
from geoseg.vector.threads import in_order

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from geoseg.vector.sqlite_records import Records

    Floats = NDArray[np.float64]

COMPANIONS = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside an open database: beside another database it would be played into that one."""
BATCH = 5_000
"""Polygons of a batch: few enough for a processor's cache, enough for a leaf of the index to be about square."""
_HEAD = np.dtype([("magic", "S2"), ("version", "u1"), ("flags", "u1"), ("srs", "i4"), ("envelope", "f8", 4)])
_ROOT = 1
"""Number of an R-tree's root; the leaves come after it."""


def write(path: Path, table: PolygonTable) -> None:
    """Write the table; QGIS finds the legend's colours in ``layer_styles``."""
    options = {"VERSION": "1.2"}  # later ones make GDAL before 3.11 warn
    write_layer(path, reader_of(table, batches=iter(())), table, "GPKG", dataset_options=options)
    layer = _look(path, table.layer)
    made = _fill(path, table, layer)
    with closing(sqlite3.connect(path)) as file:
        with file:
            file.execute("PRAGMA synchronous = OFF")
            store_style(file, table.layer, table.legend, WHEN)
            if table.n:
                _state(file, table, layer, made)
        _check(file, table, layer)


class _Layer(NamedTuple):
    """What GDAL made: columns after the key, number of the CRS, the index's name, root pages of the tables by name."""

    columns: list[str]
    srs_id: int
    index_name: str
    roots: dict[str, int]


class _Batch(NamedTuple):
    """Rows of the layer, of the leaf of each polygon, and of the index's leaves; boxes of the polygons and the leaves."""

    rows: Records
    leaf_of: Records
    leaves: Records
    box: Floats
    boxes: NDArray[np.float32]


class _Made(NamedTuple):
    """The box around all polygons, and those of the index's leaves."""

    box: Floats
    boxes: NDArray[np.float32]


def _look(path: Path, name: str) -> _Layer:
    with closing(sqlite3.connect(path)) as file:
        columns = [row[1] for row in file.execute(f'PRAGMA table_info("{name}")')][1:]
        (srs_id,) = file.execute("SELECT srs_id FROM gpkg_geometry_columns").fetchone()
        roots = dict(file.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"))
        index = f"rtree_{name}_geom"
        (size,) = file.execute(f'SELECT length(data) FROM "{index}_node"').fetchone()
    assert size == NODE_BYTES, f"nodes of {size} bytes"
    return _Layer(columns, srs_id, index, roots)


def _fill(path: Path, table: PolygonTable, layer: _Layer) -> _Made:
    """Lay the rows into the layer and its index; batches are made by threads, because SQLite would take them one by one."""
    from geoseg.vector.sqlite_tree import Database, Tree

    box, boxes = whole_box(np.empty((0, 4))), [np.empty((0, 4), np.float32)]
    with path.open("r+b") as file:
        database = Database(file)
        names = (table.layer, f"{layer.index_name}_rowid", f"{layer.index_name}_node")
        rows, leaf_of, leaves = (Tree(database, layer.roots[name]) for name in names)
        leaves.append(_node_rows(np.zeros((_ROOT, NODE_BYTES), np.uint8)))  # the root, whose bytes are known at the end
        for batch in in_order(partial(_batch, table=table, layer=layer), _numbered(table.regions(BATCH))):
            rows.append(batch.rows)
            leaf_of.append(batch.leaf_of)
            leaves.append(batch.leaves)
            box = whole_box(np.vstack([box, batch.box]))
            boxes.append(batch.boxes)
        for tree in (rows, leaf_of, leaves):
            tree.finish()
        database.close()
    return _Made(box, np.concatenate(boxes))


def _numbered(parts: Iterable[Regions]) -> Iterator[tuple[Regions, int, int]]:
    """Regions with the key of the first and the number of its leaf."""
    key, leaf = 1, _ROOT + 1
    for part in parts:
        yield part, key, leaf
        key, leaf = key + len(part), leaf + -(-len(part) // CELLS)


def _batch(numbered: tuple[Regions, int, int], table: PolygonTable, layer: _Layer) -> _Batch:
    import pyarrow as pa

    from geoseg.vector.sqlite_records import records

    part, key, leaf = numbered
    blobs, boxes = _blobs(part, table, layer.srs_id)
    leaves = pack_leaves(boxes, key)
    rows = records(table.record(part, blobs).select(layer.columns))
    leaf_of = records(pa.record_batch([pa.array(leaf + leaves.of_row)], ["nodeno"]))
    return _Batch(rows, leaf_of, _node_rows(leaves.nodes), whole_box(boxes), leaves.boxes)


def _blobs(part: Regions, table: PolygonTable, srs_id: int) -> tuple[pa.Array, Floats]:
    """Geometries as GeoPackage has them (WKB after a head with its box, clause 2.1.3), and their boxes ``(n, 4)``."""
    from geoseg.vector.wkb import regions_to_wkb

    data, offsets, boxes = regions_to_wkb(part, table.geobox, room=_HEAD.itemsize)
    heads = np.zeros(len(part), _HEAD)
    heads["magic"], heads["flags"], heads["srs"] = b"GP", 2 + (sys.byteorder == "little"), srs_id
    heads["envelope"] = boxes[:, [0, 2, 1, 3]]
    data[offsets[:-1, None] + np.arange(_HEAD.itemsize)] = heads.view(np.uint8).reshape(len(part), -1)
    return binary_array(data, offsets), boxes


def _node_rows(nodes: NDArray[np.uint8]) -> Records:
    import pyarrow as pa

    from geoseg.vector.sqlite_records import records

    return records(pa.record_batch([binary_array(nodes.ravel(), NODE_BYTES * np.arange(len(nodes) + 1))], ["data"]))


def _state(file: sqlite3.Connection, table: PolygonTable, layer: _Layer, made: _Made) -> None:
    """Say how many polygons there are and where, and put the index's upper levels above its leaves."""
    file.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table.layer, table.n))
    file.execute("UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (table.n, table.layer))
    sides = "min_x = ?, min_y = ?, max_x = ?, max_y = ?"
    file.execute(f"UPDATE gpkg_contents SET {sides} WHERE table_name = ?", (*made.box.ravel().tolist(), table.layer))
    levels = pack_levels(made.boxes, _ROOT + 1)
    file.execute(f'UPDATE "{layer.index_name}_node" SET data = ? WHERE nodeno = ?', (levels.root, _ROOT))
    file.executemany(f'INSERT INTO "{layer.index_name}_node" VALUES (?, ?)', levels.nodes)
    file.executemany(f'INSERT INTO "{layer.index_name}_parent" VALUES (?, ?)', levels.parents)


def _check(file: sqlite3.Connection, table: PolygonTable, layer: _Layer) -> None:
    """Make sure that SQLite finds the last polygon, in the layer and in its index."""
    found = file.execute(f'SELECT max(fid) FROM "{table.layer}"').fetchone()
    indexed = file.execute(f'SELECT max(rowid) FROM "{layer.index_name}_rowid"').fetchone()
    if (found, indexed) != ((table.n or None,), (table.n or None,)):
        raise sqlite3.DatabaseError(f"polygon {found[0]} and index entry {indexed[0]} are the last, not {table.n}")
