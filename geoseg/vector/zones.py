"""Zones: polygons that areas are summed in: read from any vector file, counted over a class raster block by block.

Each window of the raster is read once, whatever the zones; a zone is cut to rows of windows, then to windows. So memory
is that of one window and of the sums, not of the raster or of a zone's extent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.coverage import Coverage
from geoseg.vector.features import Shapes, onto_pixels, polygons_only, read_features
from geoseg.vector.geodesic import polygon_areas
from geoseg.vector.lattice import Lattice

SIDE = 1024
"""Side of the windows."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Zones by position: id, name, outline in pixel coordinates (col, row), area in m², and what lies off the raster."""

    ids: tuple[int | str, ...]
    names: tuple[str, ...]
    shapes: Shapes
    area_m2: npt.NDArray[np.float64]
    outside_m2: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Number of zones."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ZoneSum:
    """Pixels and area of one class value (nodata too) in one zone; fractions of pixels are summed."""

    n_pixels: float
    area_m2: float


def read_zones(path: str | Path, geobox: GeoBox, *, field: str | None = None) -> Zones:
    """Read zones in any CRS; they may overlap. A shape that is not valid is repaired, an empty one left out, both said.

    Parameters
    ----------
    field
        The column with the zones' names; their ids when not given.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.vector.features.read_features`, ``ZONES`` (no such column, no zone, coordinates without a
        place on Earth), ``GEOM_TYPE`` (points, lines).
    """
    import shapely

    frame = read_features(path)
    if field is not None and field not in frame.columns.drop(frame.geometry.name):
        there = ", ".join(map(str, frame.columns.drop(frame.geometry.name))) or "none"
        raise InputRefused.of("ZONES", path, f"has no column {field}", f"Its columns: {there}")
    shapes = frame.geometry.to_numpy()
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if empty.all():
        raise InputRefused.of("ZONES", path, "holds no polygons", "Zones are polygons")
    if empty.any():
        _log.warning("%s: %d zones without a shape are left out: %s", path, empty.sum(), _some(frame.index[empty]))
    frame, shapes = frame[~empty], shapes[~empty]
    _check_types(path, frame.index, shapes)
    broken = ~shapely.is_valid(shapes)
    if broken.any():
        why = shapely.is_valid_reason(shapes[broken][0])
        _log.warning("%s: %d zones are repaired: %s (%s)", path, broken.sum(), _some(frame.index[broken]), why)
        shapes = polygons_only(np.where(broken, shapely.make_valid(shapes), shapes))
    with np.errstate(invalid="ignore"):  # of coordinates that the CRS has no place for
        area = polygon_areas(shapes, frame.crs, geobox.crs)
    if not np.isfinite(area).all():
        where = _some(frame.index[~np.isfinite(area)])
        raise InputRefused.of("ZONES", path, f"zones have no place in their CRS: {where}", "Check its CRS")
    pixels = onto_pixels(geobox, shapes, frame.crs)
    ids = tuple(i if isinstance(i, str) else int(i) for i in frame.index.to_list())
    names = tuple("" if name is None else str(name) for name in (frame[field] if field is not None else ids))
    return Zones(ids, names, pixels, area, _outside(pixels, area, geobox))


def count_zones(
    read: Callable[[Window], npt.NDArray[Any]], geobox: GeoBox, zones: Zones, coverage: Coverage, *, side: int = SIDE
) -> list[dict[int, ZoneSum]]:
    """Sum the values of a raster in each zone: value (nodata too) to pixels and area.

    Whole pixels are added as integers, so a zone over the whole raster has exactly the areas of
    :class:`geoseg.vector.measure.AreaCounter`; parts of pixels are added as float64 in a fixed order.
    """
    from geoseg.vector.count import count_cells

    lattice = Lattice(geobox)
    found: list[dict[int, list[float]]] = [{} for _ in range(len(zones))]
    sums: tuple[npt.NDArray[Any], ...] = ()
    none, all_of_it = np.zeros(0, np.int64), np.zeros(0)
    for row_of_windows in _pairs(zones.shapes, geobox.shape, side):
        first = row_of_windows[0][0]
        t = lattice.table(first.row, first.row + first.height)
        table = (t.first, t.rows, t.cols, t.pixel, t.before)
        for window, whole, parts in row_of_windows:
            values = read(window)
            if not sums:
                size = int(np.iinfo(values.dtype).max) + 1
                sums = tuple(np.zeros(size, kind) for kind in (np.int64, np.int64, np.float64, np.float64))
            covered = [(zone, none, all_of_it) for zone in whole]
            numbers, shapes = parts
            covered += [(numbers[i], cells, shares) for i, cells, shares in coverage.of(shapes, window) if len(cells)]
            for zone, cells, shares in covered:
                count_cells(values, (window.row, window.col), cells, shares, table, sums)
                _drain(sums, found[zone])
    return [{value: _sum(entry, lattice.unit_m2) for value, entry in sorted(zone.items())} for zone in found]


_Pair = tuple[Window, list[int], tuple[list[int], Shapes]]


def _pairs(shapes: Shapes, shape: tuple[int, int], side: int) -> Iterator[list[_Pair]]:
    """Rows of windows; each window with the zones that cover it, and those that meet it, cut to it."""
    import shapely

    rows, cols = shape
    tree = shapely.STRtree(shapes)
    for row in range(0, rows, side):
        stop = min(row + side, rows)
        strip = shapely.box(0, row, cols, stop)
        here = np.sort(tree.query(strip, predicate="intersects"))
        if not len(here):
            continue
        cut = _cut(shapes[here], strip)
        shapely.prepare(cut)
        of_strip = shapely.STRtree(cut)
        made: list[_Pair] = []
        for col in range(0, cols, side):
            window = Window(row, col, stop - row, min(side, cols - col))
            box = shapely.box(col, row, col + window.width, stop)
            met = np.sort(of_strip.query(box, predicate="intersects"))
            if len(met):
                full = shapely.covers(cut[met], box)
                part = met[~full]
                made.append((window, here[met[full]].tolist(), (here[part].tolist(), _cut(cut[part], box))))
        if made:
            yield made


def _cut(shapes: Shapes, box: Any) -> Shapes:
    """The parts of polygons inside a box; those inside as they are."""
    import shapely

    left, bottom, right, top = shapely.bounds(box)
    bounds = shapely.bounds(shapes).reshape(-1, 4)
    over = (bounds[:, 0] < left) | (bounds[:, 1] < bottom) | (bounds[:, 2] > right) | (bounds[:, 3] > top)
    out = shapes.copy()
    out[over] = shapely.intersection(shapes[over], box)
    return polygons_only(out)


def _drain(sums: tuple[npt.NDArray[Any], ...], into: dict[int, list[float]]) -> None:
    """Move what was counted into a zone's sums, and leave zeros."""
    whole, units, part, part_units = sums
    for value in np.flatnonzero((whole != 0) | (part != 0)).tolist():
        entry = into.setdefault(value, [0, 0, 0.0, 0.0])
        for i, counted in enumerate((whole, units, part, part_units)):
            entry[i] += counted[value].item()
            counted[value] = 0


def _sum(entry: list[float], unit_m2: float) -> ZoneSum:
    whole, units, part, part_units = entry
    return ZoneSum(whole + part if part else whole, units * unit_m2 + part_units * unit_m2)


def _outside(pixels: Shapes, area: npt.NDArray[np.float64], geobox: GeoBox) -> npt.NDArray[np.float64]:
    """Area in m² of each zone that lies off the raster; 0 where that is within rounding."""
    import pyproj
    import shapely

    rows, cols = geobox.shape
    box = shapely.box(0, 0, cols, rows)
    inside = shapely.covers(box, pixels) & ~shapely.is_empty(pixels)
    out = np.zeros(len(pixels))
    if inside.all():
        return out
    a, b, c, d, e, f = geobox.transform
    cut = polygons_only(shapely.intersection(pixels[~inside], box))
    placed = shapely.transform(
        cut, lambda xy: np.column_stack([c + a * xy[:, 0] + b * xy[:, 1], f + d * xy[:, 0] + e * xy[:, 1]])
    )
    rest = area[~inside] - polygon_areas(placed, pyproj.CRS.from_user_input(geobox.crs), geobox.crs)
    out[~inside] = np.where(rest > 1e-6 * area[~inside], rest, 0.0)
    return out


def _check_types(path: str | Path, ids: Any, shapes: Shapes) -> None:
    import shapely

    wrong = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), (3, 6)))
    if len(wrong):
        what = f"zone {ids[wrong[0]]} is a {shapes[wrong[0]].geom_type}"
        raise InputRefused.of("GEOM_TYPE", path, what, "Zones are polygons: buffer points and lines, or leave them out")
    if not np.isfinite(shapely.get_coordinates(shapes)).all():
        raise InputRefused.of("ZONES", path, "has coordinates that are no numbers", "Repair them in QGIS")


def _some(ids: Any) -> str:
    return ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
