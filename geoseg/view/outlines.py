"""Outlines: a run's polygons as vector tiles made when they are asked for, and the polygon at a place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.mercator import Tile, positions_of, to_crs
from geoseg.vector.lonlat import ToLonLat
from geoseg.vector.lookup import PolygonFile, regions_of
from geoseg.vector.pmtiles import mercator_rings
from geoseg.vector.tiles import EXTENT, Rings, clip_rings, encode_tile, mvt_values
from geoseg.view.memory import Memory

if TYPE_CHECKING:
    from shapely import Geometry

LAYER = "polygons"
COLUMNS = ("class_id", "from_id", "to_id")
_MOST = 4000
"""Polygons of a tile; where there are more, those with the largest boxes."""
_ABOUT = 1500
"""Polygons of a tile, on average, at the smallest zoom with outlines."""
_LARGE = 1 << 19
"""Bytes of an outline from which it is cut out of what the tile above has of it."""
_BUFFER = 64 / EXTENT
_MOST_SHOWN = 20_000


class Outlines:
    """The polygons of one run.

    Attributes
    ----------
    zooms
        The smallest and the largest zoom that has tiles; below, a tile would hold too many polygons.
    """

    def __init__(self, file: PolygonFile, geobox: GeoBox, native_zoom: int) -> None:
        """``geobox``: of the raster that the polygons were made from. InputRefused ``PLACE``: they lie elsewhere."""
        self.file, self.geobox = file, geobox
        self.columns = tuple(name for name in COLUMNS if name in file.columns)
        self.n = file.count()
        _check_place(file, geobox)
        self.zooms = _zooms(self.n, geobox, native_zoom)
        self._native = native_zoom
        self._project = ToLonLat(geobox)
        self._tiles: Memory[Tile, bytes] = Memory(64 << 20, len)
        self._large: Memory[tuple[int, Tile], Rings] = Memory(256 << 20, lambda rings: rings.coords.nbytes + 64)

    def tile(self, tile: Tile) -> bytes:
        """A vector tile with the layer ``polygons``."""
        known = self._tiles.get(tile)
        return known if known is not None else self._tiles.put(tile, self._made(tile))

    def at(self, lon: float, lat: float) -> int | None:
        """The feature at a place in degrees."""
        import shapely

        x, y = to_crs(self.geobox, lon, lat)
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        for fid in self.file.around(x, y):  # they cover the ground once, so the first is the only one
            shape = self.file.shapes([fid]).get(fid)
            if shape is not None and bool(shapely.intersects_xy(shape, x, y)):
                return fid
        return None

    def facts(self, fid: int) -> dict[str, Any]:
        """All attributes of a feature, by column."""
        row = self.file.rows([fid], self.file.columns).get(fid, ())
        return {
            name: value
            for name, value in zip(self.file.columns, row, strict=False)
            if isinstance(value, str | int | float) and not (isinstance(value, float) and not math.isfinite(value))
        }

    def outline(self, fid: int, zoom: float) -> dict[str, Any] | None:
        """A feature as GeoJSON, as fine as the screen shows it; None where that is too much."""
        import shapely

        shape = self.file.shapes([fid])[fid]
        size = max(self.geobox.res) * 2.0 ** (self._native - 1 - zoom)
        if shapely.get_num_coordinates(shape) > 200:
            shape = shapely.simplify(shape, size, preserve_topology=False)
        if shape.is_empty or shapely.get_num_coordinates(shape) > _MOST_SHOWN:
            return None
        parts = self._project(regions_of([shape], self.geobox))
        made = shapely.from_ragged_array(
            shapely.GeometryType.MULTIPOLYGON, parts.coords, (parts.rings, parts.polygons, parts.features)
        )
        mapped: dict[str, Any] = shapely.geometry.mapping(made[0])
        return {"type": "Feature", "properties": {}, "geometry": mapped}

    def _made(self, tile: Tile) -> bytes:
        found = self._near(tile)
        small = [fid for fid, size in found if size < _LARGE]
        shapes = self.file.shapes(small)
        order = [fid for fid in small if fid in shapes]
        parts = [_within(self._rings([shapes[fid] for fid in order], 0), tile)] if order else []
        for fid, size in found:
            if size >= _LARGE:
                rings = self._large_within(fid, tile)
                numbered = np.full(len(rings.feature), len(order), np.int64)
                parts.append(Rings(rings.coords, rings.offsets, numbered, rings.shell))
                order.append(fid)
        known = self.file.rows(order, self.columns)
        values = {name: np.array([_whole(known[fid][i]) for fid in order]) for i, name in enumerate(self.columns)}
        rows = mvt_values(values, self.columns) if order else []
        snap = 1 if tile[0] >= self._native else 2
        return encode_tile(Rings.concat(parts), tile, snap, rows, LAYER, self.columns)

    def _near(self, tile: Tile) -> list[tuple[int, int]]:
        """Features that may meet a tile, with the bytes of their outlines."""
        nodes = np.linspace(-_BUFFER, 1 + _BUFFER, 17)
        col, row = (axis[np.isfinite(axis)] for axis in positions_of(self.geobox, tile, nodes, nodes))
        if not col.size or not row.size:
            return []
        more_cols, more_rows = np.ptp(col) / 16 + 1, np.ptp(row) / 16 + 1
        corners = [
            self.geobox.affine @ (x, y)
            for x in (col.min() - more_cols, col.max() + more_cols)
            for y in (row.min() - more_rows, row.max() + more_rows)
        ]
        xs, ys = zip(*corners, strict=True)
        return self.file.within((min(xs), min(ys), max(xs), max(ys)), _MOST)

    def _rings(self, shapes: Sequence[Geometry], first: int) -> Rings:
        return mercator_rings(self._project(regions_of(shapes, self.geobox)), first)

    def _large_within(self, fid: int, tile: Tile) -> Rings:
        """What a tile has of a large polygon, cut out of what the tile above has of it."""
        known = self._large.get((fid, tile))
        if known is not None:
            return known
        z, x, y = tile
        if z == 0:
            shape = self.file.shapes([fid]).get(fid)
            made = self._rings([shape], 0) if shape is not None else Rings.concat([])
        else:
            made = _within(self._large_within(fid, (z - 1, x // 2, y // 2)), tile)
        return self._large.put((fid, tile), made)


def _within(rings: Rings, tile: Tile) -> Rings:
    z, x, y = tile
    side = 0.5**z
    column = clip_rings(rings, 0, (x - _BUFFER) * side, (x + 1 + _BUFFER) * side)
    return clip_rings(column, 1, (y - _BUFFER) * side, (y + 1 + _BUFFER) * side)


def _zooms(n: int, geobox: GeoBox, native: int) -> tuple[int, int]:
    """At the native zoom a tile has as many pixels as points, a quarter of that a zoom below."""
    rows, cols = geobox.shape
    high = native + 1
    if n <= _MOST:
        return 0, high
    dense = max(n, 1) / (rows * cols) * 256 * 256  # polygons of a tile at the native zoom
    low = native + math.ceil(math.log(max(dense / _ABOUT, 1e-9), 4))
    return min(max(low, 0), high), high


def _check_place(file: PolygonFile, geobox: GeoBox) -> None:
    found = file.bounds()
    if found is None:
        return
    left, bottom, right, top = geobox.bounds
    slack = 0.01 * max(right - left, top - bottom)
    inside = found[0] >= left - slack and found[2] <= right + slack
    if not (inside and found[1] >= bottom - slack and found[3] <= top + slack):
        raise InputRefused.of("PLACE", file.path, "its polygons do not lie where the run's raster does")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
