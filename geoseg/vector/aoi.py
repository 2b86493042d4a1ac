"""Aoi: polygons that limit the work; pixels whose centre lies outside are nodata.

The network sees them all the same: inside, the map is the one of the whole scene.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window


@dataclass(frozen=True, slots=True)
class Aoi:
    """One geometry in the pixel coordinates (col, row) of a scene, as WKB: exact for any window of it."""

    wkb: bytes

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the geometry."""
        return hashlib.sha256(self.wkb).hexdigest()

    def allows(self, window: Window) -> npt.NDArray[np.bool_]:
        """Bool (rows, cols) of the window: True where a pixel's centre lies inside."""
        import shapely
        from affine import Affine
        from rasterio.features import geometry_mask

        box = shapely.box(window.col, window.row, window.col + window.width, window.row + window.height)
        shape = shapely.from_wkb(self.wkb)
        if not shapely.intersects(shape, box):
            return np.zeros(window.shape, bool)
        inside: npt.NDArray[np.bool_] = geometry_mask(
            [shape], window.shape, Affine.translation(window.col, window.row), invert=True
        )
        return inside


def read_aoi(path: str | Path, geobox: GeoBox) -> Aoi:
    """Read the polygons of a vector file, in any CRS, as one limit for the scene on ``geobox``.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``, ``FORMAT``, ``NO_CRS``, ``GEOM_TYPE`` (no polygons), ``EXTENT`` (none of them meets the scene).
    """
    import shapely

    frame = _read(Path(path))
    if frame.crs is None:
        raise InputRefused.of(
            "NO_CRS", path, "has no CRS", "Write the polygons with one, such as a GeoPackage from QGIS"
        )
    polygons = frame[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
    if polygons.empty:
        raise InputRefused.of("GEOM_TYPE", path, "holds no polygons", "An area of interest is made of polygons")
    shape = _in_crs_of(geobox, shapely.union_all(shapely.make_valid(polygons.geometry.to_numpy())), frame.crs)
    inverse = ~geobox.affine
    pixels = shapely.transform(shape, lambda xy: np.column_stack(_apply(inverse, xy)))
    rows, cols = geobox.shape
    if not shapely.intersects(pixels, shapely.box(0, 0, cols, rows)):
        raise InputRefused.of("EXTENT", path, "no polygon meets the scene", "Check the CRS of both")
    return Aoi(shapely.to_wkb(pixels))


def _in_crs_of(geobox: GeoBox, shape: Any, crs: Any) -> Any:
    """The part of ``shape`` that is about the scene, in the scene's CRS.

    It is cut out first, because most projections have no place for the far side of the Earth, and its edges are divided,
    because a straight edge of one CRS is bent in another. A longitude means the same a turn on.
    """
    import shapely
    from pyproj import CRS, Transformer

    to = CRS.from_user_input(geobox.crs)
    if to.equals(crs, ignore_axis_order=True) and not to.is_geographic:
        return shape
    way = Transformer.from_crs(crs, to, always_xy=True)
    left, bottom, right, top = way.transform_bounds(*geobox.bounds, densify_pts=100, direction="INVERSE")
    if not np.isfinite([left, bottom, right, top]).all():
        left, bottom, right, top = shape.bounds
    right += 360 * (crs.is_geographic and right < left)
    width, height = right - left, top - bottom
    parts = []
    for turn in (-360, 0, 360) if crs.is_geographic else (0,):
        box = shapely.box(left - width / 50, bottom - height / 50, right + width / 50, top + height / 50)
        here = shapely.transform(shape, lambda xy, turn=turn: np.add(xy, (turn, 0)))
        dense = shapely.segmentize(shapely.intersection(here, box), max(width, height) / 256)
        moved = shapely.transform(dense, lambda xy: np.column_stack(way.transform(xy[:, 0], xy[:, 1])))
        parts.append(shapely.make_valid(moved))
    return shapely.union_all(parts)


def _apply(affine: Any, xy: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f


def _read(path: Path) -> Any:
    import geopandas
    import pyogrio
    import shapely

    if not path.is_file():
        raise InputRefused.of("NOT_FOUND", path, "is not a file", "Check the path")
    if path.suffix.lower() not in {".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet"}:
        raise InputRefused.of(
            "FORMAT", path, "is no GeoPackage, GeoJSON, Shapefile, FlatGeobuf or GeoParquet", "Convert it"
        )
    errors = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, shapely.GEOSException, ValueError, OSError)
    try:
        with warnings.catch_warnings():  # of attributes that nobody looks at
            warnings.simplefilter("ignore")
            return geopandas.read_parquet(path) if path.suffix.lower() == ".parquet" else geopandas.read_file(path)
    except errors as error:
        raise InputRefused.of("FORMAT", path, f"cannot be read ({error})", "Check the file in QGIS") from None
