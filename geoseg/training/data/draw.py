"""Draw: geometries in a scene's pixel coordinates, burned into windows of it; no pixel depends on where the window lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox, Window

Shapes = NDArray[Any]
Ints = NDArray[np.int64]

_MOST_POINTS = 256
_LEAST_SIDE = 64
"""Polygons of more points are cut into pieces, but not below this side in pixels: a window then burns few edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Simple geometries in pixel coordinates (col, row) in the order they are drawn, later ones on top.

    ``values`` and ``owners`` say the class value of each and the feature it is of; pixels without any are ``background``.
    """

    shapes: Shapes
    values: NDArray[np.uint8]
    owners: Ints
    background: int
    touched: bool
    tree: Any

    @classmethod
    def of(cls, shapes: Shapes, values: NDArray[np.uint8], owners: Ints, *, background: int, touched: bool) -> Self:
        """Cut what is large into pieces, and index it all."""
        import shapely

        pieces = [_pieces(shape) for shape in shapes]
        counts = np.array([len(piece) for piece in pieces], np.int64)
        flat = np.empty(int(counts.sum()), object)
        flat[:] = [part for piece in pieces for part in piece]
        tree = shapely.STRtree(flat)
        tree.query(shapely.box(0, 0, 1, 1))  # GEOS builds it on the first query, which must not be two threads'
        return cls(flat, np.repeat(values, counts), np.repeat(owners, counts), background, touched, tree)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (rows, cols) of a window, a new array."""
        import shapely
        from affine import Affine
        from rasterio.features import rasterize

        out = np.full(window.shape, self.background, np.uint8)
        box = shapely.box(window.col, window.row, window.col + window.width, window.row + window.height)
        here = np.sort(self.tree.query(box, predicate="intersects"))
        if len(here):
            pairs = zip(self.shapes[here], self.values[here].tolist(), strict=True)
            place = Affine.translation(window.col, window.row)
            rasterize(pairs, out=out, transform=place, all_touched=self.touched)
        return out


def widened(
    shapes: Shapes, values: NDArray[np.uint8], owners: Ints, *, width: float, geobox: GeoBox
) -> tuple[Shapes, NDArray[np.uint8], Ints]:
    """Each point and line with what lies within half of ``width`` metres of it, as a polygon drawn just before it.

    The line itself stays: it is at least as wide as a pixel.
    """
    import shapely

    thin = np.isin(shapely.get_type_id(shapes), (0, 1)) & (width > 0)
    if not thin.any():
        return shapes, values, owners
    scale = metres_per_pixel(geobox, shapely.get_coordinates(shapely.centroid(shapes[thin])))
    near = _scaled(shapely.buffer(_scaled(shapes[thin], scale), width / 2), 1 / scale)
    order = np.argsort(np.concatenate([np.arange(len(shapes)), np.flatnonzero(thin) - 0.5]), kind="stable")
    both = [np.concatenate([all_, some])[order] for all_, some in
            ((shapes, near), (values, values[thin]), (owners, owners[thin]))]  # fmt: skip
    return both[0], both[1], both[2]


def metres_per_pixel(geobox: GeoBox, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width and height of a pixel on the ellipsoid, metres, (n, 2), at places (col, row)."""
    import pyproj

    way = pyproj.Transformer.from_crs(geobox.crs, "OGC:CRS84", always_xy=True)
    geod = pyproj.Geod(ellps="WGS84")
    a, b, c, d, e, f = geobox.transform
    col, row = places[:, 0], places[:, 1]
    sides = []
    for half_col, half_row in ((0.5, 0.0), (0.0, 0.5)):
        ends: list[NDArray[np.float64]] = []
        for sign in (-1, 1):
            x, y = col + sign * half_col, row + sign * half_row
            ends += way.transform(a * x + b * y + c, d * x + e * y + f)
        sides.append(geod.inv(ends[0], ends[1], ends[2], ends[3])[2])
    return np.column_stack(sides)


def _scaled(shapes: Shapes, scale: NDArray[np.float64]) -> Shapes:
    """Geometries with the coordinates of each multiplied by its own factors."""
    import shapely

    coordinates, at = shapely.get_coordinates(shapes, return_index=True)
    made: Shapes = shapely.set_coordinates(shapes.copy(), coordinates * scale[at])
    return made


def _pieces(shape: Any) -> list[Any]:
    """A polygon as pieces of few points, cut along edges of pixels, where no pixel's centre lies."""
    import shapely

    if shapely.get_type_id(shape) != 3 or shapely.get_num_coordinates(shape) <= _MOST_POINTS:
        return [shape]
    left, top, right, bottom = shapely.bounds(shape)
    wide, high = right - left, bottom - top
    if max(wide, high) <= _LEAST_SIDE:
        return [shape]
    if wide >= high:
        middle = round((left + right) / 2)
        boxes = shapely.box(left - 1, top - 1, middle, bottom + 1), shapely.box(middle, top - 1, right + 1, bottom + 1)
    else:
        middle = round((top + bottom) / 2)
        boxes = shapely.box(left - 1, top - 1, right + 1, middle), shapely.box(left - 1, middle, right + 1, bottom + 1)
    parts = [shapely.get_parts(shapely.intersection(shape, box)) for box in boxes]
    return [piece for group in parts for part in group for piece in _pieces(part) if shapely.area(piece) > 0]
