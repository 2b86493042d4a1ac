"""Features: polygons of a vector file, read with distrust, brought onto a raster's pixels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox

Shapes = npt.NDArray[Any]
"""Shapely geometries."""

_MAGIC = {
    ".gpkg": (b"SQLite format 3\0",),
    ".geojson": (b"{",),
    ".json": (b"{",),
    ".shp": (b"\0\0\x27\x0a",),
    ".fgb": (b"fgb\x03",),
    ".parquet": (b"PAR1",),
}
_PARTS = 1024
"""Edges are divided into pieces of about this share of the raster's side: a bend is off by less than 1e-6 of it."""


def read_features(path: str | Path, *, layer: str | None = None, assume_crs: str | None = None) -> Any:
    """Read a layer of a vector file (the first, if not named) as a GeoDataFrame with a CRS; its index holds the features' ids.

    The format is that of the name, and the first bytes have to agree: OGR looks at contents, and some of what it
    knows names other files. ``assume_crs`` is the CRS of a file that names none.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``, ``FORMAT``, ``GEOM_TYPE`` (a table without geometries), ``NO_CRS``.
    UsageError
        ``CRS_BAD``: ``assume_crs`` is none.
    """
    import geopandas
    import pyproj

    def read() -> Any:
        if Path(path).suffix.lower() == ".parquet":
            return geopandas.read_parquet(path)
        return geopandas.read_file(path, fid_as_index=True, **({} if layer is None else {"layer": layer}))

    frame = distrusted(Path(path), read)
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise InputRefused.of("GEOM_TYPE", path, "holds no geometries", "Polygons are needed")
    if frame.crs is None and assume_crs is not None:
        try:
            return frame.set_crs(assume_crs)
        except pyproj.exceptions.CRSError:
            raise UsageError.of(
                "CRS_BAD", assume_crs, "not a CRS that PROJ knows", "Write it like EPSG:32632"
            ) from None
    if frame.crs is None:
        raise InputRefused.of(
            "NO_CRS", path, "has no CRS", "Write the polygons with one, such as a GeoPackage from QGIS"
        )
    return frame


def layers_of(path: str | Path) -> list[str]:
    """Names of the layers with geometries of a vector file, in its order; refused as by :func:`read_features`."""
    import pyogrio

    if Path(path).suffix.lower() == ".parquet":
        return [Path(path).stem]
    told = distrusted(Path(path), lambda: pyogrio.list_layers(path))
    return [str(name) for name, kind in told if kind is not None]


def distrusted(path: Path, read: Callable[[], Any]) -> Any:
    """What ``read`` makes of a file whose first bytes are those of its name's format; else ``NOT_FOUND`` or ``FORMAT``."""
    import pyogrio
    import shapely

    if not path.is_file():
        raise InputRefused.of("NOT_FOUND", path, "is not a file", "Check the path")
    suffix = path.suffix.lower()
    if suffix not in _MAGIC:
        what = "is no GeoPackage, GeoJSON, Shapefile, FlatGeobuf or GeoParquet"
        raise InputRefused.of("FORMAT", path, what, "Convert it")
    errors = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, shapely.GEOSException, ValueError, OSError)
    try:
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n" if suffix.endswith("json") else b"")
        if not start.startswith(_MAGIC[suffix]):
            raise InputRefused.of("FORMAT", path, f"is not what {suffix} says", "Check the file in QGIS")
        with warnings.catch_warnings():  # of attributes that nobody looks at
            warnings.simplefilter("ignore")
            return read()
    except InputRefused:
        raise
    except errors as error:
        raise InputRefused.of("FORMAT", path, f"cannot be read ({error})", "Check the file in QGIS") from None


def onto_pixels(geobox: GeoBox, shapes: Shapes, crs: Any, *, polygons: bool = True) -> Shapes:
    """The parts of polygons that are about a raster, in its pixel coordinates (col, row); empty where there are none.

    Points and lines too where ``polygons`` is False.

    They are cut out first, because most projections have no place for the far side of the Earth, and their edges are
    divided, because a straight edge of one CRS is bent in another. A longitude means the same a turn on.
    """
    import shapely

    inverse = ~geobox.affine
    in_crs = _in_crs_of(geobox, shapes, crs, polygons)
    made: Shapes = shapely.transform(in_crs, lambda xy: np.column_stack(_apply(inverse, xy)))
    return made


def polygons_only(shapes: Shapes) -> Shapes:
    """Valid geometries without the points and lines that repairing can leave beside polygons."""
    import shapely

    mixed = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), (3, 6)))
    out = shapes.copy()
    for i in mixed:
        parts = shapely.get_parts(shapely.get_parts(shapes[i]))
        out[i] = shapely.union_all(parts[shapely.get_type_id(parts) == 3])
    return out


def _in_crs_of(geobox: GeoBox, shapes: Shapes, crs: Any, polygons: bool) -> Shapes:
    import shapely
    from pyproj import CRS, Transformer

    to = CRS.from_user_input(geobox.crs)
    if to.equals(crs, ignore_axis_order=True) and not to.is_geographic:
        return shapes
    way = Transformer.from_crs(crs, to, always_xy=True)
    left, bottom, right, top = way.transform_bounds(*geobox.bounds, densify_pts=100, direction="INVERSE")
    if not np.isfinite([left, bottom, right, top]).all():
        left, bottom, right, top = shapely.total_bounds(shapes)
    right += 360 * (crs.is_geographic and right < left)
    width, height = right - left, top - bottom
    box = shapely.box(left - width / 50, bottom - height / 50, right + width / 50, top + height / 50)
    found: list[Shapes] = []
    for turn in (-360, 0, 360) if crs.is_geographic else (0,):
        here = shapely.transform(shapes, lambda xy, turn=turn: np.add(xy, (turn, 0))) if turn else shapes
        dense = shapely.segmentize(shapely.intersection(here, box), max(width, height) / _PARTS)
        moved = shapely.transform(dense, lambda xy: np.column_stack(way.transform(xy[:, 0], xy[:, 1])))
        found.append(np.where(shapely.is_valid(moved), moved, shapely.make_valid(moved)))
    whole = found[0]
    for more in found[1:]:
        both = ~shapely.is_empty(whole) & ~shapely.is_empty(more)
        whole = np.where(shapely.is_empty(whole), more, whole)
        whole[both] = shapely.union(whole[both], more[both])
    return polygons_only(whole) if polygons else whole


def _apply(affine: Any, xy: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f
