"""Georef: the geobox of an open dataset, or why its pixels cannot be placed on Earth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform as transform_points

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.raster.env import GDAL_ERRORS

_KINDS = {"ProjectedCRS", "GeographicCRS", "DerivedProjectedCRS", "DerivedGeographicCRS"}
_EARTH_AXIS = (6.33e6, 6.42e6)
"""Semi-major axes of Earth's ellipsoids, old ones and spheres included, in metres."""


def geobox_of(dataset: rasterio.DatasetReader, path: str, *, assume_crs: str | None = None) -> GeoBox:
    """Return the pixel grid of an open dataset.

    Raises
    ------
    InputRefused
        ``NO_GEOTRANSFORM``, ``GCP_ONLY``, ``RPC_ONLY``, ``BAD_GEOTRANSFORM``, ``NO_CRS``, ``CRS_KIND``, ``CRS_BODY``,
        ``CRS_BAD``, ``EXTENT``.
    """
    affine = _transform_of(dataset, path)
    crs = _crs_of(dataset, path, assume_crs)
    check_crs(crs, path)
    geobox = GeoBox.of(dataset.shape, affine, crs.to_wkt())
    _check_extent(geobox, crs, path)
    return geobox


def check_crs(crs: CRS, path: str) -> None:
    """Refuse a CRS that is not a geographic or projected one of the Earth (``CRS_KIND``, ``CRS_BODY``, ``CRS_BAD``)."""
    try:
        description = crs.to_dict(projjson=True)
    except (RasterioError, ValueError) as error:
        raise InputRefused.of(
            "CRS_BAD", path, f"its CRS is not understood ({error})", "Assign one with gdal_edit -a_srs"
        ) from error
    kind = _horizontal(description).get("type", "unknown")
    if kind not in _KINDS:
        what = f"its CRS is of kind {kind}, which has no place on Earth"
        raise InputRefused.of("CRS_KIND", path, what, "Assign a projected or geographic CRS with gdal_edit -a_srs")
    axes = list(_semi_major_axes(description))
    if any(not _EARTH_AXIS[0] < axis < _EARTH_AXIS[1] for axis in axes):
        what = f"its CRS belongs to another body (radius {axes[0] / 1000:.0f} km)"
        raise InputRefused.of("CRS_BODY", path, what, "geoseg maps the Earth only")


def lonlat(geobox: GeoBox, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Longitude and latitude (degrees) of (row, col) positions; those that the projection cannot reach are left out."""
    source, target = CRS.from_wkt(geobox.crs), CRS.from_epsg(4326)
    places = [geobox.affine @ (col, row) for row, col in points]
    try:
        lons, lats = transform_points(source, target, *(list(axis) for axis in zip(*places, strict=True)))
        found = list(zip(lons, lats, strict=True))
    except GDAL_ERRORS:  # one point in space fails them all, e.g. the corners of a full-disk image
        found = [place for x, y in places if (place := _one_lonlat(source, target, x, y))]
    return [(x, y) for x, y in found if math.isfinite(x) and math.isfinite(y)]


def outline(shape: tuple[int, int], steps: int = 8) -> list[tuple[float, float]]:
    """(row, col) positions along the edge of a raster, ``steps`` to a side, closed."""
    rows, cols = shape
    corners = [(0, 0), (0, cols), (rows, cols), (rows, 0), (0, 0)]
    edges = pairwise(corners)
    parts = [i / steps for i in range(steps)]
    points = [(r0 + (r1 - r0) * t, c0 + (c1 - c0) * t) for (r0, c0), (r1, c1) in edges for t in parts]
    return [*points, (0.0, 0.0)]


def _one_lonlat(source: CRS, target: CRS, x: float, y: float) -> tuple[float, float] | None:
    try:
        lons, lats = transform_points(source, target, [x], [y])
    except GDAL_ERRORS:
        return None
    return lons[0], lats[0]


def _transform_of(dataset: rasterio.DatasetReader, path: str) -> Affine:
    # Control points first: without a grid, rasterio's transform can be memory that nobody wrote.
    if gcps := dataset.gcps[0]:
        raise InputRefused.of(
            "GCP_ONLY",
            path,
            f"it has {len(gcps)} ground control points and no grid",
            "Warp it first, e.g. with gdalwarp",
        )
    affine: Affine = dataset.transform
    values = tuple(affine)[:6]
    area = abs(affine.determinant)
    sane = all(math.isfinite(v) for v in values) and math.isfinite(area) and area > 0
    if (affine.is_identity or not sane) and dataset.rpcs is not None:
        raise InputRefused.of(
            "RPC_ONLY",
            path,
            "it has a sensor model (RPC) and no grid",
            "Orthorectify it first, e.g. with gdalwarp -rpc",
        )
    if affine.is_identity:
        raise InputRefused.of(
            "NO_GEOTRANSFORM", path, "it does not say where on Earth its pixels lie", "Georeference it first"
        )
    if not sane:
        raise InputRefused.of(
            "BAD_GEOTRANSFORM", path, f"its transform {values} is not a grid", "Georeference it again"
        )
    return affine


def _crs_of(dataset: rasterio.DatasetReader, path: str, assume_crs: str | None) -> CRS:
    try:
        crs = dataset.crs
    except (RasterioError, ValueError) as error:
        raise InputRefused.of(
            "CRS_BAD", path, f"its CRS is not understood ({error})", "Assign one with gdal_edit -a_srs"
        ) from error
    if crs:
        return crs
    if assume_crs is None:
        raise InputRefused.of("NO_CRS", path, "it has no CRS", "Add --assume-crs EPSG:... if you know it")
    try:
        return CRS.from_user_input(assume_crs)
    except (RasterioError, ValueError) as error:
        raise UsageError.of("CRS_BAD", assume_crs, "not a CRS that PROJ knows", "Write it like EPSG:32632") from error


def _horizontal(crs: dict[str, Any]) -> dict[str, Any]:
    while crs.get("type") in ("CompoundCRS", "BoundCRS"):
        crs = crs["components"][0] if crs["type"] == "CompoundCRS" else crs["source_crs"]
    return crs


def _semi_major_axes(node: object) -> Iterator[float]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("semi_major_axis", "radius"):
                yield _metres(value)
            else:
                yield from _semi_major_axes(value)
    elif isinstance(node, list):
        for item in node:
            yield from _semi_major_axes(item)


def _metres(length: Any) -> float:
    if isinstance(length, dict):
        unit = length.get("unit", {})
        return float(length["value"]) * float(unit.get("conversion_factor", 1.0) if isinstance(unit, dict) else 1.0)
    return float(length)


def _check_extent(geobox: GeoBox, crs: CRS, path: str) -> None:
    left, bottom, right, top = geobox.bounds
    problem = ""
    if crs.is_geographic:
        degree = crs.units_factor[1] / math.radians(1)
        slack = 1e-6 + max(geobox.res) * degree
        if max(-bottom, top) * degree > 90 + slack or max(-left, right) * degree > 540 + slack:
            problem = "beyond the poles or around the Earth more than once"
    rows, cols = geobox.shape
    inner = [(rows * i / 4, cols * j / 4) for i in range(5) for j in range(5)]
    if not problem and not lonlat(geobox, inner):
        problem = "where its projection has no place on Earth"
    if problem:
        where = f"it lies at {left:g}, {bottom:g}, {right:g}, {top:g}, {problem}"
        raise InputRefused.of("EXTENT", path, where, "Check its CRS and its transform")
