"""Mercator: what a raster shows on one square of a web map (XYZ tiles, EPSG:3857), out of the overview that fits.

Every point of a tile takes the value of the pixel that it lies in: codes stay codes, and a pixel that is large on the
screen has its true edges. The way goes from the tile to the raster, point by point, so rasters round a pole, across the
antimeridian and with longitudes beyond 180 degrees need nothing of their own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window as RasterioWindow

from geoseg.grid.geobox import GeoBox
from geoseg.raster.align import fits, pixel_metres
from geoseg.raster.band import Band
from geoseg.raster.env import gdal_env
from geoseg.raster.georef import lonlat, outline
from geoseg.raster.handles import dataset_of, decoded

Floats = NDArray[np.float64]
Tile = tuple[int, int, int]

SIDE = 256
"""Points along the side of a tile."""
MOST_LAT = 85.0511287798066
MOST_ZOOM = 24
_WORLD_M = 40_075_016.68557849
_NODES = 17
_ROUND = 350.0
"""Degrees from which a raster counts as going all round."""
_ERROR = 0.125
"""Points between nodes are interpolated where that moves them by less than this share of a point."""
_BENT = 3
"""Up to this zoom every point is projected: a tile then holds so much of the Earth that middles prove nothing."""
_MOST_READ = 16 << 20
"""Pixels that one tile may read of a raster without overviews; what needs more is read from :class:`Thinned`."""
_THIN_SIDE = 4096


@dataclass(frozen=True, slots=True)
class TileSource:
    """A band on its own grid (``layer.grid`` is set), and the factors of the overviews that its file has."""

    layer: Band
    overviews: tuple[int, ...] = ()

    @property
    def geobox(self) -> GeoBox:
        """The band's grid."""
        assert self.layer.grid is not None, self.layer
        return self.layer.grid

    @property
    def needs_thinning(self) -> bool:
        """Whether tiles of small zooms would read more than a tile may."""
        rows, cols = self.geobox.shape
        return rows * cols // max((1, *self.overviews)) ** 2 > _MOST_READ


@dataclass(frozen=True, slots=True, eq=False)
class Thinned:
    """Every ``step``-th pixel of a band, with where it has data; stands in for overviews that a file lacks."""

    step: int
    values: NDArray[Any]
    valid: NDArray[np.bool_]


def read_tile(
    source: TileSource, tile: Tile, thinned: Thinned | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    """The band's raw values on the tile (zoom, x, y) and where it has data, both (256, 256); None where there is nothing.

    Raises
    ------
    InputRefused
        ``READ`` or ``OPEN`` when the file cannot be decoded.
    """
    position = positions(source.geobox, tile)
    rows, cols = source.geobox.shape
    inside = (position[0] >= 0) & (position[0] < cols) & (position[1] >= 0) & (position[1] < rows)
    if not inside.any():
        return None
    col, row = (np.floor(axis[inside]).astype(np.int64) for axis in position)
    values, there = _pixels(source, col, row, _density(position, inside), thinned)
    out = np.zeros((SIDE, SIDE), values.dtype)
    valid = np.zeros((SIDE, SIDE), np.bool_)
    out[inside], valid[inside] = values, there
    return (out, valid) if there.any() else None


def thin(source: TileSource, stop: threading.Event) -> Thinned | None:
    """Read a band once, keeping at most 4096 rows and columns; None when ``stop`` was set meanwhile."""
    rows, cols = source.geobox.shape
    step = -(-max(rows, cols) // _THIN_SIDE)
    high = max(512 // step, 1) * step
    values, valid = [], []
    for start in range(0, rows, high):
        if stop.is_set():
            return None
        window = (0, start, cols, min(high, rows - start))
        part, there = _read(source.layer, window, step)
        values.append(part)
        valid.append(there)
    return Thinned(step, np.concatenate(values), np.concatenate(valid))


def read_small(source: TileSource, most: int = 512) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The band by its smallest fitting overview, or pieces of it, for statistics; values and where they are valid, flat."""
    rows, cols = source.geobox.shape
    step = max(-(-max(rows, cols) // most), 1)
    factor = max((f for f in source.overviews if f <= step), default=1)
    if rows * cols // factor**2 <= _MOST_READ:
        values, valid = _read(source.layer, (0, 0, cols, rows), step)
        return values.ravel(), valid.ravel()
    found = []
    for i in range(5):
        for j in range(5):
            row, col = max(rows - 128, 0) * i // 4, max(cols - 128, 0) * j // 4
            found.append(_read(source.layer, (col, row, min(128, cols - col), min(128, rows - row)), 1))
    return np.concatenate([v.ravel() for v, _ in found]), np.concatenate([t.ravel() for _, t in found])


def value_at(source: TileSource, lon: float, lat: float) -> float | None:
    """The raw value of the pixel at a place (degrees); None where there is none."""
    col, row = from_lonlat(source.geobox, np.array([lon]), np.array([lat]))
    rows, cols = source.geobox.shape
    if not (0 <= col[0] < cols and 0 <= row[0] < rows):
        return None
    values, valid = _read(source.layer, (int(col[0]), int(row[0]), 1, 1), 1)
    return float(values[0, 0]) if valid[0, 0] else None


def positions(geobox: GeoBox, tile: Tile) -> Floats:
    """Where the middles of a tile's points lie in a raster: (col, row), counted from its corner, (2, 256, 256).

    NaN where the projection reaches no place. Off by at most an eighth of a point.
    """
    at = (np.arange(SIDE) + 0.5) / SIDE
    nodes = np.linspace(0.0, 1.0, _NODES)
    coarse = positions_of(geobox, tile, nodes, nodes)
    if tile[0] > _BENT and np.isfinite(coarse).all():
        middles = (nodes[1:] + nodes[:-1]) / 2
        error = np.abs(_between(coarse, nodes, middles) - positions_of(geobox, tile, middles, middles)).max(axis=0)
        if (error < _ERROR * _points(coarse)).all():
            return _between(coarse, nodes, at)
    return positions_of(geobox, tile, at, at)


def to_crs(geobox: GeoBox, lon: float, lat: float) -> tuple[float, float]:
    """A place in degrees in units of a raster's CRS, as the raster counts them; NaN where the projection has no place."""
    x, y = _to_crs(geobox, np.array([lon]), np.array([lat]))
    return float(x[0]), float(y[0])


def from_lonlat(geobox: GeoBox, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """(col, row) of places in degrees; NaN where the projection reaches none."""
    x, y = _to_crs(geobox, lon, lat)
    a, b, c, d, e, f = tuple(~geobox.affine)[:6]
    return a * x + b * y + c, d * x + e * y + f


def _to_crs(geobox: GeoBox, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    way = _way(geobox.crs)
    x, y = way.to_crs.transform(lon, lat, errcheck=False)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    bad = ~(np.isfinite(x) & np.isfinite(y))
    x, y = np.where(bad, np.nan, x), np.where(bad, np.nan, y)
    if way.turn:  # longitudes that the raster counts another way
        left, _, right, _ = geobox.bounds
        start = (left + right - way.turn) / 2
        x = start + (x - start) % way.turn
    return x, y


def native_zoom(geoboxes: Sequence[GeoBox]) -> int:
    """The zoom at which the finest pixels are about as large as the points of a tile."""
    zooms = []
    for geobox in geoboxes:
        lats = [lat for _, lat in lonlat(geobox, [(geobox.shape[0] / 2, geobox.shape[1] / 2)])] or [0.0]
        across = _WORLD_M * math.cos(math.radians(min(abs(lats[0]), MOST_LAT)))
        zooms.append(math.ceil(math.log2(across / SIDE / max(pixel_metres(geobox), 1e-6)) - 0.1))
    return min(max((*zooms, 0)), MOST_ZOOM)


def map_bounds(geobox: GeoBox) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees, within Mercator; east is beyond 180 where the antimeridian is crossed."""
    known = CRS.from_wkt(geobox.crs)
    if known.is_geographic:
        degree = math.degrees(float(known.units_factor[1]))
        west, south, east, north = (side * degree for side in geobox.bounds)
        west, width = (west + 180) % 360 - 180, east - west
        west, width = (-180.0, 360.0) if width > _ROUND else (west, width)
        return west, max(south, -MOST_LAT), west + width, min(north, MOST_LAT)
    rows, cols = geobox.shape
    grid = [(rows * i / 16, cols * j / 16) for i in range(17) for j in range(17)]
    places = lonlat(geobox, [*outline(geobox.shape, 128), *grid])
    if not places:
        return -180.0, -MOST_LAT, 180.0, MOST_LAT
    lats = [min(max(lat, -MOST_LAT), MOST_LAT) for _, lat in places]
    lons = sorted(lon % 360 for lon, lat in places if abs(lat) < 89.9) or [0.0, 360.0]
    gaps = [after - before for before, after in zip(lons, [*lons[1:], lons[0] + 360], strict=True)]
    widest = max(range(len(gaps)), key=gaps.__getitem__)
    west = lons[(widest + 1) % len(lons)]
    width = 360 - gaps[widest]
    if width > _ROUND:  # all round: a gap of a step of the grid is none
        west, width = -180.0, 360.0
    west = west - 360 if west >= 180 else west
    return west, min(lats), west + width, max(lats)


@dataclass(frozen=True, slots=True)
class _Way:
    """From degrees to a CRS; ``turn``: what a turn round the Earth measures in it, 0 where x does not count longitude."""

    to_crs: Any
    turn: float


class _Ways(threading.local):
    def __init__(self) -> None:
        self.known: dict[str, _Way] = {}


_ways = _Ways()


def _way(crs: str) -> _Way:
    """A transformer of this thread."""
    if crs not in _ways.known:
        import pyproj

        known = CRS.from_wkt(crs)
        turn = 2 * math.pi / float(known.units_factor[1]) if known.is_geographic else 0.0
        if known.to_epsg() == 3857:
            turn = _WORLD_M
        _ways.known[crs] = _Way(pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True), turn)
    return _ways.known[crs]


def positions_of(geobox: GeoBox, tile: Tile, across: Floats, down: Floats) -> Floats:
    """(col, row) in a raster of shares of a tile's side, (2, len(down), len(across)); not finite where there is no place."""
    z, x, y = tile
    lon = (x + across) / 2**z * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(math.pi * (1 - 2 * (y + down) / 2**z))))
    lons, lats = np.meshgrid(lon, lat)
    col, row = from_lonlat(geobox, lons.ravel(), lats.ravel())
    return np.stack([col, row]).reshape(2, len(down), len(across))


def _between(coarse: Floats, nodes: Floats, at: Floats) -> Floats:
    """Bilinear values between nodes, at the same shares down and across."""
    place = at * (len(nodes) - 1)
    low = np.minimum(place.astype(np.int64), len(nodes) - 2)
    share = place - low
    rows = coarse[:, low] * (1 - share)[:, None] + coarse[:, low + 1] * share[:, None]
    out: Floats = rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share
    return out


def _points(coarse: Floats) -> Floats:
    """The side of a point between nodes, in pixels of the raster."""
    across, down = np.hypot(*np.diff(coarse, axis=2)), np.hypot(*np.diff(coarse, axis=1))
    least = np.minimum(np.minimum(across[1:], across[:-1]), np.minimum(down[:, 1:], down[:, :-1]))
    return np.asarray(least * (_NODES - 1) / SIDE)


def _density(position: Floats, inside: NDArray[np.bool_]) -> float:
    """How many pixels of the raster lie along the side of a point, about, where the tile meets it."""
    across = np.hypot(*np.diff(position, axis=2))[inside[:, 1:] & inside[:, :-1]]
    return float(np.median(across)) if across.size else 1.0


def _pixels(
    source: TileSource, col: NDArray[np.int64], row: NDArray[np.int64], density: float, thinned: Thinned | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values of pixels, and whether they are data, out of what is coarse enough for a density."""
    rows, cols = source.geobox.shape
    left, right, top, bottom = int(col.min()), int(col.max()) + 1, int(row.min()), int(row.max()) + 1
    factor = max((f for f in source.overviews if f <= density * math.sqrt(2)), default=1)
    area = (right - left) * (bottom - top) // factor**2
    if thinned is not None and (area > _MOST_READ or (factor == 1 and thinned.step <= density)):
        row, col = (axis // thinned.step for axis in (row, col))
        return thinned.values[row, col], thinned.valid[row, col]
    while area > _MOST_READ:  # a tile that meets much of the raster in little of itself, as at a pole
        factor, area = factor * 2, area // 4
    left, top = left // factor * factor, top // factor * factor
    right, bottom = min(-(-right // factor) * factor, cols), min(-(-bottom // factor) * factor, rows)
    values, valid = _read(source.layer, (left, top, right - left, bottom - top), factor)
    row, col = (row - top) // factor, (col - left) // factor
    return values[row, col], valid[row, col]


def _read(layer: Band, window: tuple[int, int, int, int], step: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Every ``step``-th pixel of a window (col, row, width, height), from an overview where there is one."""
    where = RasterioWindow(*window)
    shape = (-(-window[3] // step), -(-window[2] // step))
    with gdal_env():
        dataset = dataset_of(layer, threads=1, allow_remote=False)
        values: NDArray[Any] = decoded(layer.path, lambda: dataset.read(layer.index, window=where, out_shape=shape))
        valid = np.ones(shape, np.bool_)
        if values.dtype.kind == "f":
            valid &= np.isfinite(values)
        if layer.nodata is not None and fits(layer.nodata, values.dtype):
            valid &= values != values.dtype.type(layer.nodata)
        mask = layer.mask
        if mask is not None:
            valid &= decoded(
                layer.path,
                lambda: dataset.read(mask, window=where, out_shape=shape)
                if mask
                else dataset.read_masks(layer.index, window=where, out_shape=shape),
            ) != 0  # fmt: skip
    return values, valid
