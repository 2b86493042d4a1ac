"""Conflicts: features of a vector file that contradict one another, or that no pixel shows, with where they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.training.checking.finding import Finding
from geoseg.training.data.draw import Drawing
from geoseg.training.data.recode import did_you_mean

_POLYGON = 3
_LEAST = 1.0
"""Pixels of overlap that are worth a word: what neighbours share by rounding is less."""
_SMALL = 4.0
"""Polygons of at most so many pixels may hold no pixel's centre."""
_MOST = 1000
"""Places that a finding shows."""


def conflicts(drawing: Drawing, geobox: GeoBox, legend: Legend, where: str) -> list[Finding]:
    """Overlaps of features of different classes, and polygons that no pixel shows."""
    return [*_overlaps(drawing, geobox, legend, where), *_unseen(drawing, geobox, where)]


def alike_names(names: Iterable[str], where: str) -> list[Finding]:
    """Names of classes that look like one name written twice (``forest``, ``Forrest``)."""
    known: list[str] = []
    found: list[Finding] = []
    for name in sorted(names):
        nearest = did_you_mean(name, known, least=0.85)
        if nearest:
            what = f"two names that may be one: '{name}'{nearest}"
            found.append(
                Finding("warning", "NAMES_ALIKE", where, what, "Correct one of them, or recode both to one class")
            )
        known.append(name)
    return found


def places_of(shapes: NDArray[Any], geobox: GeoBox) -> tuple[Mapping[str, Any], ...]:
    """Geometries in pixel coordinates as GeoJSON in longitude and latitude, to 1e-7 degrees."""
    import pyproj
    import shapely

    way = pyproj.Transformer.from_crs(geobox.crs, "OGC:CRS84", always_xy=True)
    a, b, c, d, e, f = geobox.transform

    def placed(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = way.transform(a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f)
        return np.column_stack([lon, lat]).round(7)

    made = shapely.orient_polygons(shapely.transform(shapes[:_MOST], placed))
    return tuple(shapely.geometry.mapping(shape) for shape in made if np.isfinite(shape.bounds).all())


def _overlaps(drawing: Drawing, geobox: GeoBox, legend: Legend, where: str) -> list[Finding]:
    import shapely

    flat = np.flatnonzero(shapely.get_type_id(drawing.shapes) == _POLYGON)
    if len(flat) < 2:
        return []
    shapes, values, owners = drawing.shapes[flat], drawing.values[flat], drawing.owners[flat]
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    wrong = (owners[one] < owners[other]) & (values[one] != values[other])
    one, other = one[wrong], other[wrong]
    shared = shapely.intersection(shapes[one], shapes[other])
    large = shapely.area(shared) >= _LEAST
    if not large.any():
        return []
    one, other, shared = one[large], other[large], shared[large]
    pairs = np.unique(np.column_stack([owners[one], owners[other]]), axis=0)
    kinds = sorted({tuple(sorted((int(a), int(b)))) for a, b in zip(values[one], values[other], strict=True)})
    told = ", ".join(f"{legend.names[a]} and {legend.names[b]}" for a, b in kinds[:5])
    pixels = float(shapely.area(shared).sum())
    what = f"{len(pairs)} pairs of features of different classes overlap, in {pixels:.0f} pixels ({told}); the later one is seen"
    numbers = {"pairs": len(pairs), "pixels": round(pixels, 1)}
    remedy = "Cut one out of the other where that is not meant"
    return [Finding("warning", "OVERLAP", where, what, remedy, places_of(shared, geobox), numbers)]


def _unseen(drawing: Drawing, geobox: GeoBox, where: str) -> list[Finding]:
    """Polygons inside the scene that hold no pixel's centre."""
    import shapely

    flat = shapely.get_type_id(drawing.shapes) == _POLYGON
    size = int(drawing.owners.max(initial=-1)) + 1
    area = np.bincount(drawing.owners[flat], shapely.area(drawing.shapes[flat]), size)
    others = np.isin(np.arange(size), drawing.owners[~flat])
    lost = []
    for owner in np.flatnonzero((area > 0) & (area <= _SMALL) & ~others):
        own = drawing.owners == owner
        left, top, right, bottom = shapely.total_bounds(drawing.shapes[own])
        window = Window(int(top), int(left), int(bottom - top) + 2, int(right - left) + 2)
        window = window.intersect(Window(0, 0, *geobox.shape))
        alone = Drawing.of(
            drawing.shapes[own],
            np.ones(own.sum(), np.uint8),
            drawing.owners[own],
            background=0,
            touched=drawing.touched,
        )
        if not (window.height and window.width) or not alone.read(window).any():
            lost.append(drawing.shapes[own][0])
    if not lost:
        return []
    what = f"{len(lost)} polygons are so small that no pixel has its centre in them: they give no label"
    places = places_of(np.array(lost, object), geobox)
    return [Finding("warning", "TOO_SMALL", where, what, "Set all_touched, or draw them larger", places)]
