"""Simplified and smoothed polygons still touch, and keep their rings, holes and neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS, Geod

from geoseg.grid.geobox import GeoBox
from geoseg.vector.polygonize import iter_polygons, polygonize
from geoseg.vector.regions import Regions
from geoseg.vector.simplify import Simplified, SimplifySettings, simplify
from tests.helpers.masks import ODD

UTM = CRS.from_epsg(32632).to_wkt()
LON_LAT = CRS.from_epsg(4326).to_wkt()
EVERY = [SimplifySettings(t, s) for t in (0.0, 10.0, 30.0, 1000.0) for s in (False, True) if t or s]
"""Pixels are 10 m: nothing, corners of pixels, a few pixels, all that may go."""


def geobox_of(mask: np.ndarray, crs: str = UTM) -> GeoBox:
    transform = (10.0, 0.0, 5e5, 0.0, -10.0, 5e6) if crs == UTM else (1.8e-4, 0.0, 10.0, 0.0, -0.9e-4, 60.0)
    return GeoBox(mask.shape, transform, crs)


def simplified(
    mask: np.ndarray, settings: SimplifySettings, *, crs: str = UTM, block_size: int = 2048, connectivity: int = 4
) -> tuple[Regions, Regions, Simplified]:
    """Polygons before and after, and what came of them."""
    geobox = geobox_of(mask, crs)
    before = list(iter_polygons(lambda w: mask[w.slices], geobox, block_size=block_size, connectivity=connectivity))
    made = simplify(before, lambda w: mask[w.slices], geobox, settings)
    return Regions.concat(before), Regions.concat(made), made


def edges(regions: Regions) -> tuple[np.ndarray, np.ndarray]:
    """Directed edges (x0, y0, x1, y1) of all rings, and the polygon of each."""
    ends = np.ones(len(regions.coords), bool)
    ends[regions.rings[1:] - 1] = False
    at = np.flatnonzero(ends)
    ring = np.searchsorted(regions.rings, at, side="right") - 1
    owner = np.searchsorted(regions.polygons, ring, side="right") - 1
    return np.column_stack([regions.coords[at], regions.coords[at + 1]]).astype(float), owner


def neighbours(regions: Regions) -> set[tuple[int, int]]:
    """Pairs of polygons that share an edge, vertex by vertex."""
    lines, owner = edges(regions)
    found = dict(zip(map(tuple, lines.tolist()), owner.tolist(), strict=True))
    assert len(found) == len(lines), "no edge belongs to two polygons in one direction"
    pairs = ((i, found.get((*line[2:], *line[:2]))) for line, i in found.items())
    return {(i, j) for i, j in pairs if j is not None and i != j}


def noded(regions: Regions) -> np.ndarray:
    """The same polygons with a vertex at each corner of a pixel."""
    return np.asarray(shapely.segmentize(regions.geometries(), 1))


def pixel_neighbours(mask: np.ndarray, before: Regions) -> set[tuple[int, int]]:
    """Pairs of polygons that share a unit edge, as traced."""
    kind, coords, (rings, polygons) = shapely.to_ragged_array(noded(before))
    assert kind == shapely.GeometryType.POLYGON
    lines = replace(before, coords=coords, rings=rings.astype(np.int64), polygons=polygons.astype(np.int64))
    return neighbours(lines)


def assert_sound(mask: np.ndarray, before: Regions, after: Regions) -> None:
    """All that holds for any settings."""
    shapes = after.geometries()
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert (after.polygons == before.polygons).all(), "each polygon has its rings"
    assert (after.n_pixels == before.n_pixels).all()
    assert (after.values == before.values).all()
    assert neighbours(after) == pixel_neighbours(mask, before)
    if (mask > 0).all():
        rows, cols = mask.shape
        assert shapely.equals(shapely.union_all(shapes), shapely.box(0, 0, cols, rows)), "no gap, and straight frame"
        assert shapely.area(shapes).sum() == pytest.approx(mask.size, rel=1e-12)
        assert after.area_m2.sum() == pytest.approx(before.area_m2.sum(), rel=1e-12)


def landscape(shape: tuple[int, int], seed: int, *, speckle: float = 0.05) -> np.ndarray:
    """Smooth patches of five classes with speckle."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    field = sum(np.sin(x / rng.uniform(4, 20) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(4, 20)) for _ in range(8))
    mask = np.digitize(field, [-2, -1, 0, 1]).astype(np.uint8) + 1
    return np.where(rng.random(shape) < speckle, rng.integers(1, 6, shape), mask).astype(np.uint8)


@given(
    mask=hnp.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 3)),
    settings=st.sampled_from(EVERY),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_small_raster_stays_sound(mask: np.ndarray, settings: SimplifySettings) -> None:
    if mask.any():
        before, after, _ = simplified(mask, settings)
        assert_sound(mask, before, after)


@pytest.mark.parametrize("settings", EVERY, ids=str)
@pytest.mark.parametrize("crs", [UTM, LON_LAT], ids=["utm", "lon/lat"])
def test_a_landscape_stays_sound_with_and_without_nodata(settings: SimplifySettings, crs: str) -> None:
    mask = landscape((60, 70), 2)
    before, after, made = simplified(mask, settings, crs=crs)
    assert_sound(mask, before, after)
    sums = np.bincount(before.values, weights=before.area_m2)
    assert sum(sums[value] * drift for value, drift in made.drift.items()) == pytest.approx(0, abs=1e-9 * sums.sum())
    mask[landscape((60, 70), 3, speckle=0) == 2] = 0
    assert_sound(mask, *simplified(mask, settings, crs=crs)[:2])


@pytest.mark.parametrize("settings", EVERY, ids=str)
@pytest.mark.parametrize("mask", ODD.values(), ids=ODD)
def test_odd_rasters_stay_sound(mask: np.ndarray, settings: SimplifySettings) -> None:
    assert_sound(mask, *simplified(mask, settings)[:2])


@pytest.mark.parametrize("settings", [SimplifySettings(45), SimplifySettings(45, smooth=True)], ids=str)
def test_land_cover_of_a_real_place_leaves_no_gap(settings: SimplifySettings) -> None:
    """Simplifying each polygon by itself leaves several percent of the area uncovered here; this leaves nothing."""
    path = Path("../shared/data/zion_nlcd_labels/nlcd.tif")
    if not path.exists():
        pytest.skip("needs the NLCD crop beside the project")
    import rasterio

    with rasterio.open(path) as file:
        mask = file.read(1)[400:520, 400:520]
    assert (mask > 0).all() and (mask < 255).all()
    before, after, _ = simplified(mask, settings)
    assert_sound(mask, before, after)
    alone = shapely.make_valid(shapely.simplify(before.geometries(), 2))
    assert shapely.area(shapely.union_all(alone)) < 0.985 * mask.size
    assert len(after.coords) < 0.7 * len(before.coords)


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_regions_that_hang_together_by_corners_stay_sound(settings: SimplifySettings) -> None:
    mask = landscape((40, 50), 5, speckle=0.3)
    before, after, _ = simplified(mask, settings, connectivity=8)
    shapes = after.geometries()
    assert shapely.is_valid(shapes).all() and shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(mask.size, rel=1e-12)
    assert after.area_m2 == pytest.approx(shapely.area(after.geometries(geobox_of(mask))) / 0.9996**2, rel=1e-5)
    assert len(after) == len(before)


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_batches_and_strips_change_nothing(settings: SimplifySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    import geoseg.vector.nodes as nodes

    mask = landscape((90, 70), 4)
    whole = simplified(mask, settings)[1]
    monkeypatch.setattr(nodes, "_STRIP", 70)
    parted = simplified(mask, settings, block_size=20)[1]
    for name in ("values", "area_m2", "perim_m", "coords", "rings", "polygons"):
        assert (getattr(whole, name) == getattr(parted, name)).all(), name


def test_classes_of_16_bits_and_some_of_the_polygons_only() -> None:
    mask = landscape((40, 50), 6)
    wide = mask.astype(np.uint16) * 13000
    settings = SimplifySettings(30, smooth=True)
    narrow, made = simplified(mask, settings)[1], simplified(wide, settings)[1]
    assert (made.coords == narrow.coords).all()
    geobox = geobox_of(mask)
    regions = polygonize(lambda w: mask[w.slices], geobox)
    some = Regions.concat(simplify([regions.pick(5, 9)], lambda w: mask[w.slices], geobox, settings))
    assert shapely.equals_identical(some.geometries(), narrow.geometries()[5:9]).all()


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_areas_and_lengths_are_those_of_the_new_outlines(settings: SimplifySettings) -> None:
    mask = landscape((60, 70), 7)
    after = simplified(mask, settings)[1]
    shapes, scale = after.geometries(geobox_of(mask)), 1 / 0.9996  # UTM on its central meridian
    assert after.area_m2 == pytest.approx(shapely.area(shapes) * scale**2, rel=1e-5)
    assert after.perim_m == pytest.approx(shapely.length(shapes) * scale, rel=1e-5)


def test_areas_in_degrees_are_those_of_the_new_outlines() -> None:
    mask = landscape((60, 70), 8)
    after = simplified(mask, SimplifySettings(30, smooth=True), crs=LON_LAT)[1]
    geod = Geod(ellps="WGS84")
    largest = np.argsort(-after.n_pixels)[:8]
    for i, shape in zip(largest, after.geometries(geobox_of(mask, LON_LAT))[largest], strict=True):
        assert after.area_m2[i] == pytest.approx(abs(geod.geometry_area_perimeter(shape)[0]), rel=1e-5)
        assert after.perim_m[i] == pytest.approx(geod.geometry_length(shape.boundary), rel=1e-5)


def test_drift_is_new_area_by_old() -> None:
    mask = landscape((90, 110), 9)
    before, after, made = simplified(mask, SimplifySettings(30))
    for value, drift in made.drift.items():
        of_class = before.values == value
        assert drift == pytest.approx(after.area_m2[of_class].sum() / before.area_m2[of_class].sum() - 1, rel=1e-9)
    assert set(made.drift) == set(np.unique(mask))
    assert any(made.drift.values())


def test_without_settings_polygons_pass_as_they_are() -> None:
    mask = landscape((30, 40), 1)
    geobox = geobox_of(mask)
    regions = polygonize(lambda w: mask[w.slices], geobox)
    made = simplify([regions], lambda w: pytest.fail("nothing is read"), geobox, SimplifySettings())
    assert [part is regions for part in made] == [True]
    assert set(made.drift.values()) == {0.0}


def test_smoothing_makes_diagonals_straight_and_keeps_single_pixels() -> None:
    mask = np.triu(np.ones((20, 20), np.uint8)) + np.uint8(1)
    mask[2, 15] = 1
    _, after, _ = simplified(mask, SimplifySettings(smooth=True))
    shapes = dict(zip(after.n_pixels.tolist(), after.geometries(), strict=True))
    assert shapely.equals(shapes[1], shapely.box(15, 2, 16, 3))
    vertices = shapely.get_coordinates(shapes[190])  # the lower left: two corners cut, one straight line between them
    assert len(vertices) <= 6
    assert not (set(map(tuple, vertices.tolist())) - {(0, 1), (0.5, 1), (0, 20), (19, 20), (19, 19.5), (0, 20)})


def test_a_vertex_goes_while_its_triangle_is_smaller_than_the_tolerance_squared() -> None:
    mask = np.ones((20, 30), np.uint8)
    mask[8:12, 10:18] = 2
    mask[8, 10] = 1  # the corner at (10, 9) and (11, 8): triangles of 1/2 pixel, 50 m²
    below, above = (len(simplified(mask, SimplifySettings(tolerance))[1].coords) for tolerance in (7.0, 7.2))
    assert below > above
