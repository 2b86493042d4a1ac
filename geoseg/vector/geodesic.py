"""Geodesic: areas of polygons of any CRS on an ellipsoid, also around a pole, across the antimeridian, or world-wide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.vector.lattice import authalic

Floats = npt.NDArray[np.float64]

_TOGETHER = 256
"""Polygons whose edges are divided at once: bounds the memory."""


def polygon_areas(shapes: npt.NDArray[Any], crs: Any, like: str) -> Floats:
    """Areas in m² of polygons in ``crs``, whose edges are straight there, on the ellipsoid of the CRS ``like``.

    A polygon is the sum of the sectors between its edges and a pole in a cylindrical equal-area projection (Snyder 1987,
    equation 3-12 for its heights): exact in latitude, and longitudes may jump by a turn. Edges are divided so that the
    area is right to 1e-7. Not finite where ``crs`` has no place on Earth.
    """
    import pyproj

    base = pyproj.CRS.from_user_input(like).geodetic_crs
    assert base is not None and base.ellipsoid is not None, like
    change = pyproj.Transformer.from_crs(crs, base, always_xy=True)
    unit = crs.axis_info[0].unit_conversion_factor / (1 if crs.is_geographic else base.ellipsoid.semi_major_metre)
    parts = [_areas(shapes[i : i + _TOGETHER], change, base, unit) for i in range(0, len(shapes), _TOGETHER)]
    return np.concatenate([np.zeros(0), *parts])


def _areas(shapes: npt.NDArray[Any], change: Any, base: Any, unit: float) -> Floats:
    import shapely

    bounds = np.nan_to_num(shapely.bounds(shapes))
    size = np.maximum((bounds[:, 2:] - bounds[:, :2]).max(axis=1), 1e-12)
    pieces = np.clip(np.sqrt(size * unit / 3e-8), 8, 2048)
    polygons, owner = shapely.get_parts(shapely.segmentize(shapes, size / pieces), return_index=True)
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    lon, lat = change.transform(xy[:, 0], xy[:, 1])
    radians = base.axis_info[0].unit_conversion_factor
    inverse = base.ellipsoid.inverse_flattening
    flattening = 1 / inverse if inverse else 0.0
    e2 = flattening * (2 - flattening)
    heights = authalic(np.sin(np.asarray(lat) * radians), e2)
    signed = _sectors(np.asarray(lon) * radians, heights, ring, float(authalic(np.array(1.0), e2)))
    areas = np.abs(signed) * base.ellipsoid.semi_major_metre**2 / 2
    hole = np.append(False, polygon[1:] == polygon[:-1]) if len(polygon) else np.zeros(0, bool)
    made = np.bincount(owner[polygon], np.where(hole, -areas, areas), minlength=len(shapes))
    return np.asarray(made, np.float64)


def _sectors(lon: Floats, heights: Floats, ring: npt.NDArray[np.int64], full: float) -> Floats:
    """Twice the signed area between each ring and the pole of its hemisphere, on a unit sphere."""
    if len(ring) == 0:
        return np.zeros(0)
    turn = np.diff(lon)
    turn -= 2 * math.pi * np.rint(turn / (2 * math.pi))
    turn[np.diff(ring) != 0] = 0  # from one ring to the next
    starts = np.flatnonzero(np.append(True, np.diff(ring) != 0))
    south = np.add.reduceat(heights, starts) < 0
    below = full - np.where(np.repeat(south, np.diff(np.append(starts, len(ring)))), -heights, heights)
    return np.add.reduceat(np.append((below[:-1] + below[1:]) / 2 * turn, 0), starts)
