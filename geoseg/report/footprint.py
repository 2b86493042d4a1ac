"""Footprint: a pixel grid's outline as GeoJSON in longitude and latitude, also across the antimeridian or a pole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rasterio.crs
import rasterio.warp
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.polygon import orient

from geoseg.grid.geobox import GeoBox
from geoseg.raster.env import GDAL_ERRORS
from geoseg.raster.georef import lonlat, outline

_STEPS = 32
_DECIMALS = 7  # of a degree: about a centimetre

LonLat = tuple[float, float]


def footprint(geobox: GeoBox) -> tuple[dict[str, Any], list[float]] | None:
    """Return geometry and bbox as STAC and RFC 7946 want them.

    Parameters
    ----------
    geobox
        Any grid on Earth; its edge is followed at 32 points a side.

    Returns
    -------
    tuple or None
        A Polygon or, where the grid crosses the antimeridian, a MultiPolygon cut there, rings counterclockwise; and
        [west, south, east, north], west > east where it crosses. None where the projection reaches no place on Earth.
    """
    ring = _unwrapped(lonlat(geobox, outline(geobox.shape, _STEPS)))
    if len(ring) < 4:
        return None
    pole = _pole_inside(geobox)
    if pole and abs(ring[-1][0] - ring[0][0]) > 180:
        ring = [*ring, (ring[-1][0], pole), (ring[0][0], pole), ring[0]]
    parts = _wrapped(shapely.make_valid(Polygon(ring)))
    if not parts:
        return None
    rings = [[[list(point) for point in ring.coords] for ring in (part.exterior, *part.interiors)] for part in parts]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}, _bbox(parts)
    return {"type": "MultiPolygon", "coordinates": rings}, _bbox(parts)


def _unwrapped(points: Sequence[LonLat]) -> list[LonLat]:
    """Longitudes without jumps: each within 180 degrees of the one before."""
    out: list[LonLat] = []
    for lon, lat in points:
        turn = 360 * round((out[-1][0] - lon) / 360) if out else 0
        out.append((lon + turn, max(-90.0, min(90.0, lat))))
    return out


def _pole_inside(geobox: GeoBox) -> float:
    """90 or -90 where that pole lies inside the grid, else 0."""
    source, target = rasterio.crs.CRS.from_epsg(4326), rasterio.crs.CRS.from_wkt(geobox.crs)
    if target.is_geographic:
        return 0
    for lat in (90.0, -90.0):
        try:
            xs, ys = rasterio.warp.transform(source, target, [0.0], [lat])
        except GDAL_ERRORS:
            continue
        if not (math.isfinite(xs[0]) and math.isfinite(ys[0])):
            continue
        col, row = ~geobox.affine @ (xs[0], ys[0])
        if 0 <= row <= geobox.shape[0] and 0 <= col <= geobox.shape[1]:
            return lat
    return 0


def _wrapped(shape: shapely.Geometry) -> list[Polygon]:
    """The polygons of an unwrapped shape, each moved into -180..180."""
    west, _, east, _ = shape.bounds
    moved = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        inside = shape.intersection(box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved.append(shapely.transform(inside, lambda xy, t=turn: xy - [360.0 * t, 0.0]))
    whole = shapely.set_precision(shapely.union_all(moved), 10**-_DECIMALS)
    parts = [part for part in getattr(whole, "geoms", [whole]) if part.geom_type == "Polygon" and part.area > 0]
    return [orient(shapely.transform(part, lambda xy: xy.round(_DECIMALS) + 0.0)) for part in parts]


def _bbox(parts: Sequence[Polygon]) -> list[float]:
    bounds = [part.bounds for part in parts]
    west, east = min(b[0] for b in bounds), max(b[2] for b in bounds)
    if len(parts) > 1 and west == -180 and east == 180:
        eastern = [b for b in bounds if b[2] == 180]
        western = [b for b in bounds if b[0] == -180]
        gap = min(b[0] for b in eastern) > max(b[2] for b in western)
        if gap:
            west, east = min(b[0] for b in eastern), max(b[2] for b in western)
    return [west, min(b[1] for b in bounds), east, max(b[3] for b in bounds)]
