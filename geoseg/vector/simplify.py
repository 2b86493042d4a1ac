"""Simplify: smooth the staircase of shared boundaries once, so that neighbours still touch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.vector.lattice import Lattice
from geoseg.vector.regions import Regions


@dataclass(frozen=True, slots=True)
class Simplified:
    """Simplified regions, and for each class how much its area changed: ``drift[value]`` = simplified / pixels - 1."""

    regions: Regions
    drift: dict[int, float]


def simplify(regions: Regions, geobox: GeoBox, tolerance_m: float) -> Simplified:
    """Simplify all polygons of a mask together (Visvalingam-Whyatt on shared edges, GEOS ``CoverageSimplify``).

    The polygons stay a valid coverage with the same rings and neighbours: no gaps, no overlaps. It is done in pixel
    coordinates, which are exact, stretched where the raster's middle pixel is no square on the ground. ``n_pixels``
    and ``confidence`` stay what they were in the mask; areas and perimeters are those of the simplified outlines.

    Parameters
    ----------
    tolerance_m
        Corners go while the triangle with their neighbours has an area below the square of this. 0 changes nothing.
    """
    if tolerance_m <= 0 or not len(regions):
        return Simplified(regions, {int(value): 0.0 for value in np.unique(regions.values)})
    import shapely

    from geoseg.vector.nodes import with_nodes
    from geoseg.vector.rings import ring_lengths

    lattice = Lattice(geobox)
    scale, metres = _pixel(lattice)
    coords, rings = with_nodes(regions.coords, regions.rings)
    made = shapely.from_ragged_array(shapely.GeometryType.POLYGON, coords * scale, (rings, regions.polygons))
    made = shapely.coverage_simplify(made, tolerance_m / metres)
    kind, xy, (rings, polygons) = shapely.to_ragged_array(made)
    assert kind == shapely.GeometryType.POLYGON and len(polygons) == len(regions) + 1
    pixels = shapely.area(made) / scale.prod()
    coords, rings, polygons = xy / scale, rings.astype(np.int64), polygons.astype(np.int64)
    lengths = ring_lengths(coords, rings, *lattice.metric)
    area = regions.area_m2 * pixels / regions.n_pixels
    perimeter = np.add.reduceat(lengths, polygons[:-1])
    simple = replace(regions, area_m2=area, perim_m=perimeter, coords=coords, rings=rings, polygons=polygons)
    return Simplified(simple, _drift(regions, area))


def _pixel(lattice: Lattice) -> tuple[np.ndarray, float]:
    """How much to stretch columns and rows so that the middle pixel is square, and then its side in metres.

    The stretch is a multiple of 1/64: coordinates stay exact, so rings that touch go on touching.
    """
    nodes, row_step, col_step = lattice.metric
    rows, cols = lattice.geobox.shape
    e, _, g = nodes[min(int(rows / 2 / row_step), len(nodes) - 1), min(int(cols / 2 / col_step), nodes.shape[1] - 1)]
    width, height = math.sqrt(e), math.sqrt(g)
    if width < height:
        return np.array([max(round(width / height * 64), 1) / 64, 1.0]), height
    return np.array([1.0, max(round(height / width * 64), 1) / 64]), width


def _drift(regions: Regions, area: np.ndarray) -> dict[int, float]:
    before = np.bincount(regions.values, weights=regions.area_m2)
    after = np.bincount(regions.values, weights=area)
    return {int(value): float(after[value] / before[value] - 1) for value in np.unique(regions.values)}
