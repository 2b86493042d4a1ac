"""Lookup: polygons of a GeoPackage that geoseg wrote, by their place; read only, some at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import numpy as np

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    import shapely

_ENVELOPES = (0, 32, 48, 48, 64)
"""Bytes of a GeoPackage geometry's envelope, by its kind."""
_MOST_COLUMNS = 64
_AT_ONCE = 500


class PolygonFile:
    """One layer of polygons in a GeoPackage; every thread has a connection of its own."""

    def __init__(self, path: Path, layer: str, geometry: str, columns: Sequence[str]) -> None:
        """See :meth:`open`."""
        self.path, self.layer, self.geometry, self.columns = path, layer, geometry, tuple(columns)
        self._own = threading.local()
        self._index = _quoted(f"rtree_{layer}_{geometry}")

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Look at a file's first layer of polygons.

        Raises
        ------
        InputRefused
            ``OPEN``: it is no GeoPackage with polygons and an index of their places.
        """
        path = Path(path).absolute()
        try:
            file = _connect(path)
            try:
                layer, geometry = file.execute(
                    "SELECT table_name, column_name FROM gpkg_geometry_columns "
                    "WHERE geometry_type_name IN ('POLYGON', 'MULTIPOLYGON') ORDER BY rowid LIMIT 1"
                ).fetchone() or ("", "")
                columns = [row[1] for row in file.execute(f"PRAGMA table_info({_quoted(str(layer))})")]
                index = _quoted(f"rtree_{layer}_{geometry}")
                file.execute(f"SELECT id, minx, maxx, miny, maxy FROM {index} LIMIT 1").fetchone()
            finally:
                file.close()
        except sqlite3.Error as error:
            raise _refused(path, error) from None
        if "fid" not in columns or geometry not in columns or len(columns) > _MOST_COLUMNS:
            raise _refused(path, "no layer of polygons as geoseg writes them")
        return cls(path, str(layer), str(geometry), [name for name in columns if name not in ("fid", geometry)])

    def count(self) -> int:
        """How many polygons there are; the file says so, or its index is counted."""
        said = self._ask("SELECT name FROM sqlite_master WHERE name = 'gpkg_ogr_contents'")
        found = said and self._ask("SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = ?1", [self.layer])
        if found and isinstance(found[0][0], int):
            return int(found[0][0])
        return int(self._ask(f"SELECT count(*) FROM {self._index}")[0][0])

    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of all polygons in units of the CRS, as the file says; None where it does not."""
        query = "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?1"
        found = self._ask(query, [self.layer])
        if not found or not all(isinstance(side, float) for side in found[0]):
            return None
        west, south, east, north = found[0]
        return west, south, east, north

    def within(self, box: tuple[float, float, float, float], most: int) -> list[tuple[int, int]]:
        """Features whose box meets a box (west, south, east, north), and the bytes of their outlines (16 for a vertex).

        Those with the largest boxes where there are more than ``most``.
        """
        size = "(r.maxx - r.minx) * (r.maxy - r.miny)"
        query = (
            f"SELECT r.id, length(t.{_quoted(self.geometry)}) FROM {self._index} r "
            f"JOIN {_quoted(self.layer)} t ON t.fid = r.id "
            f"WHERE r.maxx >= ?1 AND r.maxy >= ?2 AND r.minx <= ?3 AND r.miny <= ?4 ORDER BY {size} DESC LIMIT ?5"
        )
        return [(int(fid), int(size or 0)) for fid, size in self._ask(query, [*box, most])]

    def shapes(self, ids: Sequence[int]) -> dict[int, shapely.Geometry]:
        """Outlines of features, in the layer's CRS, by number; what is broken or empty is left out."""
        import shapely

        known: dict[int, Any] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = [int(one) for one in ids[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(some))
            query = f"SELECT fid, {_quoted(self.geometry)} FROM {_quoted(self.layer)} WHERE fid IN ({marks})"
            for fid, blob in self._ask(query, some):
                shape = shapely.from_wkb(_wkb(blob), on_invalid="ignore")
                if shape is not None and not shape.is_empty and shape.geom_type in ("Polygon", "MultiPolygon"):
                    known[int(fid)] = shape
        return known

    def rows(self, ids: Sequence[int], columns: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        """Attributes of features, by number."""
        assert set(columns) <= set(self.columns), columns
        wanted = ", ".join(_quoted(name) for name in columns)
        known: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = [int(one) for one in ids[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(some))
            for row in self._ask(f"SELECT fid, {wanted} FROM {_quoted(self.layer)} WHERE fid IN ({marks})", some):
                known[int(row[0])] = row[1:]
        return known

    def around(self, x: float, y: float) -> list[int]:
        """Features whose box a point (units of the CRS) lies in, those with the smallest box first."""
        size = "(maxx - minx) * (maxy - miny)"
        query = f"SELECT id FROM {self._index} WHERE minx <= ?1 AND maxx >= ?1 AND miny <= ?2 AND maxy >= ?2 ORDER BY {size}"
        return [int(row[0]) for row in self._ask(query, [x, y])]

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            if not hasattr(self._own, "file"):
                self._own.file = _connect(self.path)
            found: list[tuple[Any, ...]] = self._own.file.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _refused(self.path, error) from None
        return found


def regions_of(shapes: Sequence[shapely.Geometry], geobox: GeoBox) -> Regions:
    """Outlines in a geobox's CRS as regions without attributes, in its pixels."""
    import shapely

    whole = np.array(
        [shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape]) for shape in shapes], object
    )
    if not len(whole):
        return Regions.empty()
    _, coords, (rings, polygons, parts) = shapely.to_ragged_array(whole)
    a, b, c, d, e, f = tuple(~geobox.affine)[:6]
    x, y = coords[:, 0], coords[:, 1]
    n, nothing = len(whole), np.zeros(len(whole))
    return Regions(
        np.zeros(n, np.uint16), np.zeros(n, np.int64), nothing, nothing, None,
        np.column_stack([a * x + b * y + c, d * x + e * y + f]),
        rings.astype(np.int64), polygons.astype(np.int64), parts.astype(np.int64),
    )  # fmt: skip


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: no lock, no journal beside the file. Untrusted: its own views and triggers call no function of ours.
    file = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    file.execute("PRAGMA trusted_schema = OFF")
    return file


def _wkb(blob: object) -> bytes | None:
    """The well-known binary inside a GeoPackage geometry."""
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        return None
    kind = blob[3] >> 1 & 7
    return blob[8 + _ENVELOPES[kind] :] if kind < len(_ENVELOPES) else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refused(path: Path, why: object) -> InputRefused:
    return InputRefused.of("OPEN", path, f"is no GeoPackage of polygons ({why})", "Make it with geoseg polygonize")
