"""Aoi: polygons that limit the work; pixels whose centre lies outside are nodata.

The network sees them all the same: inside, the map is the one of the whole scene.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.features import onto_pixels, read_features


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

    frame = read_features(path)
    polygons = frame[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
    if polygons.empty:
        raise InputRefused.of("GEOM_TYPE", path, "holds no polygons", "An area of interest is made of polygons")
    whole = shapely.union_all(shapely.make_valid(polygons.geometry.to_numpy()))
    (pixels,) = onto_pixels(geobox, np.array([whole]), frame.crs)
    rows, cols = geobox.shape
    if not shapely.intersects(pixels, shapely.box(0, 0, cols, rows)):
        raise InputRefused.of("EXTENT", path, "no polygon meets the scene", "Check the CRS of both")
    return Aoi(shapely.to_wkb(pixels))
