"""Pmtiles: polygons as vector tiles for looking, one file that a browser reads by ranges (PMTiles 3, MVT 2).

Limits: coordinates are rounded to an eighth of a pixel at the largest zoom, and coarser below; a polygon that is smaller
than half a point on the screen is in the tiles of larger zooms only, and its neighbours, whose outlines are rounded the
same, close the gap. Polygons are cut at the edges of tiles, so areas are to be taken from the attributes. The outlines
of the whole layer are held in memory while it is written. Mercator ends at 85.05 degrees of latitude.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import geoseg
from geoseg.vector.lonlat import LonLatPolygons, ToLonLat
from geoseg.vector.pmtiles_archive import write_archive
from geoseg.vector.table import PolygonTable
from geoseg.vector.tiles import EXTENT, Rings, clip_rings, encode_tile, mvt_values

_MOST_LAT = 85.0511287798066
_UNITS_PER_PIXEL = 8
_MOST_ZOOM = 20
_SCREEN = 4
"""Units of half a point on the screen, where a tile of 4096 units is drawn 512 points wide."""
_BUFFER = 64 / EXTENT
"""Tiles reach this share of their side beyond their edges, so that outlines along them are not seen."""


def write(path: Path, table: PolygonTable) -> None:
    """Write the table as tiles from the zoom where all is in view to that where a pixel has eight units."""
    rings, attributes, bounds = _gather(table)
    low, high, pixel = _zooms(rings, sum(pixels for *_, pixels in attributes))
    rows = [row for row, _ in attributes]
    tiles = {
        (z, x, y): gzip.compress(
            encode_tile(part, (z, x, y), _snap(z, pixel), rows, table.layer, table.columns), 6, mtime=0
        )
        for (z, x, y), part in _tiles(rings, (0, 0, 0), low, high)
    }
    if not tiles:
        low = high = 0
        tiles = {(0, 0, 0): gzip.compress(encode_tile(rings, (0, 0, 0), 1, [], table.layer, table.columns), 6, mtime=0)}
    fields = {name: "String" if name in table.texts else "Number" for name in table.columns}
    about = {"id": table.layer, "fields": fields, "minzoom": low, "maxzoom": high}
    metadata = {"name": table.layer, "generator": f"geoseg {geoseg.__version__}", "vector_layers": [about]}
    write_archive(path, tiles, (low, high), bounds, json.dumps(metadata, sort_keys=True))


def _gather(table: PolygonTable) -> tuple[Rings, list[tuple[list[bytes], int]], tuple[float, float, float, float]]:
    """All outlines in Mercator's unit square, the attributes of each polygon as MVT values, and the bounds in degrees."""
    project = ToLonLat(table.geobox)
    parts: list[Rings] = []
    rows: list[tuple[list[bytes], int]] = []
    box = np.array([180.0, _MOST_LAT, -180.0, -_MOST_LAT])
    for part in table.regions():
        shapes = project(part)
        if len(shapes.coords):
            box = np.array([*np.minimum(box[:2], shapes.coords.min(0)), *np.maximum(box[2:], shapes.coords.max(0))])
        parts.append(mercator_rings(shapes, len(rows)))
        rows += zip(mvt_values(table.attributes(part), table.columns), part.n_pixels.tolist(), strict=True)
    west, south, east, north = box.tolist() if rows else (-180.0, -_MOST_LAT, 180.0, _MOST_LAT)
    return Rings.concat(parts), rows, (west, max(south, -_MOST_LAT), east, min(north, _MOST_LAT))


def mercator_rings(shapes: LonLatPolygons, first: int) -> Rings:
    """Rings in Mercator's unit square, y down; ``first`` is the number of the first feature."""
    lat = np.radians(np.clip(shapes.coords[:, 1], -_MOST_LAT, _MOST_LAT))
    x, y = (shapes.coords[:, 0] + 180) / 360, 0.5 - np.arcsinh(np.tan(lat)) / (2 * math.pi)
    polygon_of = np.repeat(np.arange(len(shapes.polygons) - 1), np.diff(shapes.polygons))
    feature_of = np.repeat(np.arange(len(shapes.features) - 1), np.diff(shapes.features))
    shell = np.zeros(len(shapes.rings) - 1, np.bool_)
    shell[shapes.polygons[:-1]] = True
    return Rings(np.column_stack([x, y]), shapes.rings, feature_of[polygon_of] + first, shell)


def _zooms(rings: Rings, pixels: int) -> tuple[int, int, float]:
    """Smallest and largest zoom, and the side of a pixel in the unit square."""
    from geoseg.vector.outlines import ring_areas

    if not len(rings.feature):
        return 0, 0, 1.0
    area = abs(float(ring_areas(rings.coords, rings.offsets).sum()))
    pixel = max(math.sqrt(area / max(pixels, 1)), 1e-12)
    high = min(max(math.ceil(math.log2(_UNITS_PER_PIXEL / EXTENT / pixel) - 1e-9), 0), _MOST_ZOOM)
    span = max(float((rings.coords.max(0) - rings.coords.min(0)).max()), 1e-12)
    return min(max(math.floor(-math.log2(span)), 0), high), high, pixel


def _snap(z: int, pixel: float) -> int:
    """Units that coordinates are rounded to: finer than a pixel where there is room, else half a point on the screen."""
    return 1 if pixel * 2**z * EXTENT >= _SCREEN else _SCREEN


def _tiles(
    rings: Rings, tile: tuple[int, int, int], low: int, high: int
) -> Iterator[tuple[tuple[int, int, int], Rings]]:
    """Tiles with what is in them, each cut out of the one above it."""
    if not len(rings.feature):
        return
    z, x, y = tile
    if z >= low:
        yield tile, rings
    if z == high:
        return
    side = 0.5 ** (z + 1)
    for i in (2 * x, 2 * x + 1):
        column = clip_rings(rings, 0, (i - _BUFFER) * side, (i + 1 + _BUFFER) * side)
        for j in (2 * y, 2 * y + 1):
            part = clip_rings(column, 1, (j - _BUFFER) * side, (j + 1 + _BUFFER) * side)
            yield from _tiles(part, (z + 1, i, j), low, high)
