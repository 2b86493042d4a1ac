"""Simplified polygons still touch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from pyproj import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.vector.nodes import with_nodes
from geoseg.vector.polygonize import polygonize
from geoseg.vector.simplify import simplify


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    rng = np.random.default_rng(2)
    y, x = np.indices((120, 100))
    field = sum(np.sin(x / rng.uniform(4, 20) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(4, 20)) for _ in range(8))
    return np.digitize(field + rng.normal(0, 0.3, field.shape), [-2, -1, 0, 1, 2]).astype(np.uint8)


@pytest.fixture(
    scope="module",
    params=[(32632, (10, 0, 5e5, 0, -10, 5e6)), (4326, (1e-4, 0, 10, 0, -1e-4, 60))],
    ids=["utm", "lon/lat"],
)
def geobox(request: pytest.FixtureRequest, mask: np.ndarray) -> GeoBox:
    return GeoBox(mask.shape, tuple(map(float, request.param[1])), CRS.from_epsg(request.param[0]).to_wkt())


def test_traced_polygons_with_nodes_are_a_valid_coverage(mask: np.ndarray, geobox: GeoBox) -> None:
    regions = polygonize(lambda window: mask[window.slices], geobox)
    coords, rings = with_nodes(regions.coords, regions.rings)
    noded = replace(regions, coords=coords, rings=rings).geometries()
    assert shapely.coverage_is_valid(noded)
    assert shapely.equals(noded, regions.geometries()).all()


@pytest.mark.parametrize("tolerance", [10, 30])
def test_simplified_polygons_leave_no_gap_and_keep_their_rings(
    mask: np.ndarray, geobox: GeoBox, tolerance: float
) -> None:
    regions = polygonize(lambda window: mask[window.slices], geobox)
    simple = simplify(regions, geobox, tolerance)
    made = simple.regions.geometries(geobox)
    assert shapely.coverage_is_valid(made)
    assert shapely.is_valid(made).all()
    assert (simple.regions.polygons == regions.polygons).all()
    assert len(simple.regions.coords) < len(regions.coords)
    assert (simple.regions.n_pixels == regions.n_pixels).all()
    for value, drift in simple.drift.items():
        now = shapely.area(simple.regions.geometries()[regions.values == value]).sum()
        assert drift == pytest.approx(now / regions.n_pixels[regions.values == value].sum() - 1, abs=1e-4)
        assert abs(drift) < 0.05


def test_areas_and_lengths_follow_the_new_outlines(mask: np.ndarray) -> None:
    geobox = GeoBox(mask.shape, (10.0, 0, 5e5, 0, -10.0, 5e6), CRS.from_epsg(32632).to_wkt())
    simple = simplify(polygonize(lambda window: mask[window.slices], geobox), geobox, 20)
    made = simple.regions.geometries(geobox)
    scale = 1 / 0.9996  # UTM on its central meridian
    assert simple.regions.area_m2 == pytest.approx(shapely.area(made) * scale**2, rel=1e-5)
    assert simple.regions.perim_m == pytest.approx(shapely.length(made) * scale, rel=1e-5)


def test_a_tolerance_of_0_changes_nothing(mask: np.ndarray, geobox: GeoBox) -> None:
    regions = polygonize(lambda window: mask[window.slices], geobox)
    assert simplify(regions, geobox, 0).regions is regions
