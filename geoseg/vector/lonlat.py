"""Lonlat: polygons in longitude and latitude (WGS84) as RFC 7946 wants them, cut at the antimeridian, poles included."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.raster.georef import lonlat, outline
from geoseg.vector.outlines import divide_edges, turn_rings
from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

_log = logging.getLogger(__name__)

_BEND_M = 0.01
"""Edges are divided so that a straight line in degrees is this close to a straight line in the CRS."""
_EARTH_M = 6.371e6
_NEAR_POLE = 89.0
_TINY = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class LonLatPolygons:
    """``n`` features of one or several polygons each, in degrees; none where the projection reaches no place on Earth.

    Attributes
    ----------
    coords
        Longitude -180 .. 180 and latitude, ``(v, 2)``; shells counter-clockwise, holes clockwise, rings closed.
    rings, polygons, features
        Offsets of the rings in ``coords``, of the polygons in the rings, and of the features in the polygons.
    """

    coords: Floats
    rings: Ints
    polygons: Ints
    features: Ints


class ToLonLat:
    """From a geobox's pixels to longitude and latitude; made once for all polygons of a raster."""

    def __init__(self, geobox: GeoBox) -> None:
        """Nothing is computed yet."""
        self.geobox = geobox

    def __call__(self, part: Regions) -> LonLatPolygons:
        """Project polygons, with edges divided where the projection bends them."""
        coords, rings = divide_edges(part.coords, part.rings, self._longest)
        xy = replace(part, coords=coords).xy(self.geobox)
        lon, lat = self._change.transform(xy[:, 0], xy[:, 1], errcheck=False)
        degrees = np.column_stack([lon, lat])
        degrees, hard = _unwrapped(degrees, rings)
        features = np.arange(len(part) + 1) if part.parts is None else part.parts
        touched = np.logical_or.reduceat(hard, part.polygons[:-1]) if len(part) else np.zeros(0, bool)
        if not touched.any():
            degrees[:, 0] = np.clip(degrees[:, 0], -180, 180)
            turned = turn_rings(degrees, rings, part.polygons, counterclockwise=True)
            return LonLatPolygons(turned, rings, part.polygons, features)
        return _with_cuts(degrees, rings, part.polygons, features, touched)

    @cached_property
    def _change(self):  # type: ignore[no-untyped-def]
        import pyproj

        return pyproj.Transformer.from_crs(self.geobox.crs, "OGC:CRS84", always_xy=True)

    @cached_property
    def _longest(self) -> float:
        """The longest edge, in pixels, that may stay straight."""
        import pyproj

        crs = pyproj.CRS.from_user_input(self.geobox.crs)
        if crs.is_geographic and not crs.is_derived:
            return max(45 / max(self.geobox.res), 1.0)
        from geoseg.vector.lattice import Lattice

        nodes, *_ = Lattice(self.geobox).metric
        metres = math.sqrt(max(float(np.nanmax(nodes[..., 0])), float(np.nanmax(nodes[..., 2])), 1e-12))
        lats = [abs(lat) for _, lat in lonlat(self.geobox, outline(self.geobox.shape))]
        most = min(max(lats, default=0.0), _NEAR_POLE)
        # A chord of length L bends away from a circle of radius r by L² / 8r.
        radius = _EARTH_M / max(math.tan(math.radians(most)), 0.1)
        return max(math.sqrt(8 * radius * _BEND_M) / metres, 1 / 16)


def _unwrapped(degrees: Floats, rings: Ints) -> tuple[Floats, Bools]:
    """Longitudes without jumps inside a ring, its middle in -180 .. 180; and which rings need cutting."""
    if len(rings) == 1:
        return degrees, np.zeros(0, bool)
    lengths = np.diff(rings)
    ring = np.repeat(np.arange(len(lengths)), lengths)
    finite = np.isfinite(degrees).all(axis=1)
    lon = np.where(finite, degrees[:, 0], 0.0)
    step = np.zeros(len(lon))
    step[1:] = lon[1:] - lon[:-1]
    step[rings[:-1]] = 0
    turns = np.cumsum(-np.rint(step / 360))
    lon = lon + 360 * (turns - turns[rings[:-1]][ring])
    low, high = np.minimum.reduceat(lon, rings[:-1]), np.maximum.reduceat(lon, rings[:-1])
    shift = 360 * np.floor(((low + high) / 2 + 180) / 360)
    lon, low, high = lon - shift[ring], low - shift, high - shift
    half = np.logical_or.reduceat(np.abs(np.abs(step) % 360 - 180) < _TINY, rings[:-1])  # through a pole
    open_ = np.abs(lon[rings[1:] - 1] - lon[rings[:-1]]) > 1
    pole = np.logical_or.reduceat(~finite | (np.abs(degrees[:, 1]) >= 90 - _TINY), rings[:-1])
    out = np.column_stack([np.where(finite, lon, np.nan), degrees[:, 1]])
    return out, half | open_ | pole | (low < -180 - _TINY) | (high > 180 + _TINY)


def _with_cuts(degrees: Floats, rings: Ints, polygons: Ints, features: Ints, touched: Bools) -> LonLatPolygons:
    """Cut the touched polygons with shapely, leave the others as they are, and make flat arrays of all."""
    import shapely

    degrees[:, 0] = np.where(np.isfinite(degrees[:, 0]), degrees[:, 0], np.nan)
    shapes = np.full(len(features) - 1, None, object)
    for i in range(len(shapes)):
        pieces = []
        for j in range(features[i], features[i + 1]):
            own = [degrees[rings[k] : rings[k + 1]] for k in range(polygons[j], polygons[j + 1])]
            pieces += _cut(own) if touched[j] else [shapely.Polygon(own[0], own[1:])]
        shapes[i] = shapely.MultiPolygon(pieces)
    lost = int(shapely.is_empty(shapes).sum())
    if lost:
        _log.warning("%d polygons lie where the projection reaches no place on Earth; they have no geometry", lost)
    _, coords, offsets = shapely.to_ragged_array(shapes)
    rings, polygons, features = (item.astype(np.int64) for item in offsets)
    coords = np.clip(coords, [-180, -90], [180, 90])
    return LonLatPolygons(turn_rings(coords, rings, polygons, counterclockwise=True), rings, polygons, features)


def _cut(rings: list[Floats]) -> list[shapely.Polygon]:
    """One polygon of unwrapped rings as polygons in -180 .. 180."""
    import shapely

    shell, *holes = (_wrapped(ring) for ring in rings)
    whole = shapely.difference(shell, shapely.union_all(holes)) if holes else shell
    return [part for part in getattr(whole, "geoms", [whole]) if part.geom_type == "Polygon" and part.area > 0]


def _wrapped(ring: Floats) -> shapely.Geometry:
    """The area inside an unwrapped ring, moved into -180 .. 180."""
    import shapely

    points = _round_poles(ring[np.isfinite(ring).all(axis=1)])
    if len(points) < 4:
        return shapely.MultiPolygon()
    shape = shapely.make_valid(shapely.Polygon(points))
    west, _, east, _ = shape.bounds
    moved = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        inside = shapely.clip_by_rect(shape, 360 * turn - 180, -90, 360 * turn + 180, 90)
        moved.append(shapely.transform(inside, lambda xy, t=turn: xy - [360.0 * t, 0.0]))
    return shapely.make_valid(shapely.union_all(moved))


def _round_poles(ring: Floats) -> Floats:
    """A ring that meets or goes round a pole, led along the pole's line of latitude, where longitudes have no length."""
    if len(ring) < 3:
        return ring
    points: list[tuple[float, float]] = []
    turns, rise = ring[-1] - ring[0]
    turns = 360.0 * round(turns / 360)
    closed = abs(rise) < _TINY and abs(ring[-1, 0] - ring[0, 0] - turns) < _TINY
    around = ring[:-1] if closed else ring
    away = np.abs(around[:, 1]) < 90 - _TINY
    if not away.any():
        return ring
    start = int(np.argmax(away))
    moved = around[: start + 1] + np.array((turns, 0.0))
    order = np.concatenate([around[start:], moved])
    seen_pole = 0.0
    for lon, lat in order:
        if abs(lat) >= 90 - _TINY:
            seen_pole = math.copysign(90.0, lat)
            continue
        if points:
            before = points[-1][0]
            lon -= 360 * round((lon - before) / 360)
            if seen_pole or abs(abs(lon - before) - 180) < _TINY:
                at = seen_pole or math.copysign(90.0, lat)
                points += [(before, at), (lon, at)]
        points.append((float(lon), float(lat)))
        seen_pole = 0.0
    if abs(points[-1][0] - points[0][0]) > 1:  # round a pole
        at = math.copysign(90.0, float(np.mean(ring[:, 1])))
        points += [(points[-1][0], at), (points[0][0], at), points[0]]
    return np.array(points)
