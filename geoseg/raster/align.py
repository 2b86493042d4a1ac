"""Align: compare pixel grids, and read another grid as if it were this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterioWindow

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.env import GDAL_ERRORS

CELL = 512
"""Warped bands are read in whole cells of this side: GDAL's result depends on what is asked for at once."""
_TOLERANCE = 0.01
_SAME = 0.01
"""Grids count as one when no corner differs by more than this share of a pixel."""
_DEGREE = 111_320.0


@lru_cache(maxsize=64)
def same_crs(one: str, other: str) -> bool:
    """Say whether two CRS (WKT) mean the same, however they are spelled."""
    return one == other or bool(CRS.from_wkt(one) == CRS.from_wkt(other))


def same_grid(one: GeoBox, other: GeoBox) -> bool:
    """Say whether two grids have the same shape, CRS and, to a hundredth of a pixel, the same corners."""
    if one.shape != other.shape or not same_crs(one.crs, other.crs):
        return False
    return all(_offset(one, point) < _SAME for point in zip(one.corners(), other.corners(), strict=True))


@lru_cache(maxsize=256)
def pixel_metres(grid: GeoBox) -> float:
    """The side of a square of a pixel's area, in metres; good enough to say which of two grids is finer."""
    side = math.sqrt(abs(grid.affine.determinant))
    crs = CRS.from_wkt(grid.crs)
    if not crs.is_geographic:
        return side * float(crs.linear_units_factor[1])
    _, bottom, _, top = grid.bounds
    return side * _DEGREE * math.sqrt(max(math.cos(math.radians((bottom + top) / 2)), 1e-3))


def finest(grids: Sequence[GeoBox]) -> GeoBox:
    """The grid with the smallest pixels; the first of equals (to one percent)."""
    smallest = min(pixel_metres(grid) for grid in grids)
    return next(grid for grid in grids if pixel_metres(grid) <= smallest * 1.01)


def overlaps(one: GeoBox, other: GeoBox) -> bool:
    """Say whether two grids share any ground."""
    try:
        left, bottom, right, top = transform_bounds(CRS.from_wkt(other.crs), CRS.from_wkt(one.crs), *other.bounds)
    except GDAL_ERRORS:
        return False
    west, south, east, north = one.bounds
    return bool(left < east and right > west and bottom < north and top > south)


def warped(
    dataset: rasterio.DatasetReader,
    source: GeoBox,
    target: GeoBox,
    *,
    nodata: float | None = None,
    alpha: int | None = None,
    flags: bool = False,
    nearest: bool = False,
) -> WarpedVRT:
    """Return a dataset that shows ``dataset`` on the grid ``target``.

    Measurements come as floats, bilinear, NaN where there is no data (nodata, mask, alpha, outside); ``nearest``: the value
    of the nearest pixel, for codes. Flags come as they are, nearest, 0 outside. For another CRS or rotated axes; else
    :mod:`geoseg.raster.resample` is faster.
    """
    wide = np.dtype(dataset.dtypes[0])
    options: dict[str, object] = {"resampling": Resampling.nearest if flags or nearest else Resampling.bilinear}
    if flags:
        options |= {"nodata": 0, "src_nodata": None, "INIT_DEST": "0"}
    else:
        options |= {
            "dtype": "float32" if wide.itemsize <= 2 or wide == np.float32 else "float64",
            "nodata": math.nan,
            "src_nodata": math.nan if nodata is None or not fits(nodata, wide) else nodata,
            "src_alpha": alpha or 0,
        }
    ratio = max(pixel_metres(source) / pixel_metres(target), 1.0)
    return WarpedVRT(
        dataset,
        src_crs=CRS.from_wkt(source.crs),
        crs=CRS.from_wkt(target.crs),
        transform=target.affine,
        height=target.shape[0],
        width=target.shape[1],
        tolerance=_TOLERANCE,
        UNIFIED_SRC_NODATA="NO",
        XSCALE=str(ratio),
        YSCALE=str(ratio),
        **options,
    )


def read_cells(vrt: WarpedVRT, indexes: Sequence[int], window: Window) -> NDArray[np.generic]:
    """Read a window of a warped dataset, (bands, rows, cols), so that no pixel depends on where the window lies."""
    out: NDArray[np.generic] | None = None
    for row in range(window.row // CELL * CELL, window.row + window.height, CELL):
        for col in range(window.col // CELL * CELL, window.col + window.width, CELL):
            cell = Window(row, col, CELL, CELL).intersect(Window(0, 0, *vrt.shape))
            part = vrt.read(list(indexes), window=RasterioWindow(cell.col, cell.row, cell.width, cell.height))
            if out is None:
                out = np.empty((len(indexes), *window.shape), part.dtype)
            common = cell.intersect(window)
            out[(slice(None), *common.within(window).slices)] = part[(slice(None), *common.within(cell).slices)]
    assert out is not None, window
    return out


def crs_name(grid: GeoBox) -> str:
    """``EPSG:32632``, or the name that the CRS has."""
    crs = CRS.from_wkt(grid.crs)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_dict(projjson=True).get("name", "an unnamed CRS"))


def pixels_of(source: GeoBox, target: GeoBox, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (col, row) of one grid as those of another, (2, n); NaN where the projection has no place."""
    x, y = _apply(source.affine, points)
    if not same_crs(source.crs, target.crs):
        way = CRS.from_wkt(source.crs), CRS.from_wkt(target.crs)
        try:
            found = transform_points(*way, x.tolist(), y.tolist())
        except GDAL_ERRORS:
            found = [np.full(len(x), np.nan)] * 2
        x, y = (np.asarray(axis, np.float64) for axis in found)
    return np.array(_apply(~target.affine, np.array([x, y])))


def fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Say whether a value of this type can equal a nodata value."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return math.isfinite(value) and float(value).is_integer() and limits.min <= value <= limits.max


def _offset(grid: GeoBox, points: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """Distance of two points in pixels of the grid."""
    (col, row), (other_col, other_row) = (~grid.affine @ point for point in points)
    return math.hypot(col - other_col, row - other_row)


def _apply(affine: Any, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * points[0] + b * points[1] + c, d * points[0] + e * points[1] + f
