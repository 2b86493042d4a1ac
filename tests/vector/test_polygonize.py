"""Polygons equal those of the whole raster, whatever the strips."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyproj import CRS
from rasterio.features import shapes

import geoseg.vector.polygonize as module
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.polygonize import iter_polygons, polygonize
from geoseg.vector.regions import Regions
from geoseg.vector.threads import in_order
from tests.helpers.masks import ODD

UTM = CRS.from_epsg(32632).to_wkt()


def geobox_of(mask: np.ndarray) -> GeoBox:
    return GeoBox(mask.shape, (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), UTM)


def whole_raster(mask: np.ndarray, nodata: int = 0, transform=None, connectivity: int = 4) -> list[tuple[int, bytes]]:
    """The reference: GDAL's polygons of the whole raster; where they touch themselves, what they become when made valid."""
    options = {} if transform is None else {"transform": transform}
    found = [
        (int(v), shapely.make_valid(shapely.geometry.shape(g)))
        for g, v in shapes(mask, mask=mask != nodata, connectivity=connectivity, **options)
    ]
    return sorted((value, in_pieces(shape)) for value, shape in found)


def in_pieces(shape) -> bytes:
    """The ground that a polygon covers, as 4-connected pieces in one order."""
    return shapely.to_wkb(shapely.normalize(shapely.MultiPolygon(shapely.get_parts(shape))))


def traced(mask: np.ndarray, height: int, **options) -> Regions:
    """Polygons traced in strips of ``height`` rows."""

    def windows(shape, block_size):
        return (Window(row, 0, min(height, shape[0] - row), shape[1]) for row in range(0, shape[0], height))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_windows", windows)
        one = partial(in_order, threads=1)
        return polygonize(lambda window: mask[window.slices], geobox_of(mask), trace_map=one, **options)


def assert_equal_to_whole(mask: np.ndarray, regions: Regions, connectivity: int = 4) -> None:
    made = regions.geometries()
    got = sorted((int(v), in_pieces(g)) for v, g in zip(regions.values, made, strict=True))
    assert got == whole_raster(mask, connectivity=connectivity)
    assert shapely.is_valid(made).all()
    assert (shapely.area(made) == regions.n_pixels).all()


def bytes_of(regions: Regions) -> tuple[bytes, ...]:
    parts = (
        regions.values,
        regions.n_pixels,
        regions.area_m2,
        regions.perim_m,
        regions.coords,
        regions.rings,
        regions.polygons,
        np.zeros(0) if regions.parts is None else regions.parts,
    )
    return tuple(part.tobytes() for part in parts)


masks = st.integers(1, 4).flatmap(
    lambda classes: hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, classes)
    )
)


@settings(max_examples=150, deadline=None)
@given(mask=masks, height=st.integers(1, 14), connectivity=st.sampled_from([4, 8]))
def test_strips_of_any_height_give_the_polygons_of_the_whole_raster(mask, height, connectivity) -> None:
    regions = traced(mask, height, connectivity=connectivity)
    assert_equal_to_whole(mask, regions, connectivity)
    assert bytes_of(regions) == bytes_of(traced(mask, len(mask), connectivity=connectivity))


def blobs(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Regions of many sizes with holes in holes."""
    rng = np.random.default_rng(seed)
    field = sum(
        np.kron(rng.normal(size=(shape[0] // s + 1, shape[1] // s + 1)), np.ones((s, s)))[: shape[0], : shape[1]] * s
        for s in (1, 3, 9, 27)
    )
    return np.digitize(field, np.quantile(field, [0.1, 0.3, 0.5, 0.7, 0.9])).astype(np.uint8)


@pytest.mark.parametrize("height", [1, 7, 64, 150])
def test_many_sizes_of_regions_with_holes_in_holes(height: int) -> None:
    mask = blobs((150, 170), 3)
    assert_equal_to_whole(mask, traced(mask, height))


@pytest.mark.parametrize("mask", ODD.values(), ids=ODD)
@pytest.mark.parametrize("height", [1, 2, 5, 100])
def test_odd_rasters(mask: np.ndarray, height: int) -> None:
    assert_equal_to_whole(mask, traced(mask, height))


def test_a_saddle_whose_two_sides_join_only_in_a_later_strip_becomes_a_shell_and_a_hole() -> None:
    mask = np.array([[1, 1, 1, 1], [1, 2, 2, 1], [1, 2, 1, 2], [1, 2, 2, 2], [1, 1, 1, 1]], np.uint8)
    regions = traced(mask, 1)
    assert_equal_to_whole(mask, regions)
    around = regions.geometries()[regions.values == 1]
    assert sorted(shapely.get_num_interior_rings(around)) == sorted(
        shapely.get_num_interior_rings(traced(mask, 5).geometries()[regions.values == 1])
    )


def test_regions_that_go_on_for_long_survive_the_tidying_of_the_tables() -> None:
    rng = np.random.default_rng(5)
    mask = np.ones((400, 300), np.uint8)
    mask[rng.random(mask.shape) < 0.2] = 2
    mask[:, ::60] = 3
    assert_equal_to_whole(mask, traced(mask, 3))


def test_all_nodata_gives_no_polygon() -> None:
    mask = np.zeros((20, 20), np.uint8)
    assert len(polygonize(lambda window: mask[window.slices], geobox_of(mask))) == 0


def test_without_nodata_all_256_values_are_classes() -> None:
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    regions = polygonize(lambda window: mask[window.slices], geobox_of(mask), nodata=None)
    assert sorted(regions.values) == list(range(256))


def test_threads_and_block_size_change_nothing() -> None:
    mask = blobs((300, 200), 1)
    one = polygonize(lambda window: mask[window.slices], geobox_of(mask), block_size=1000)
    two = polygonize(lambda window: mask[window.slices], geobox_of(mask), block_size=60)
    assert bytes_of(one) == bytes_of(two)


def test_confidence_is_the_mean_over_the_regions_pixels() -> None:
    mask = blobs((90, 80), 2)
    sure = np.random.default_rng(0).integers(0, 101, mask.shape).astype(np.uint8)
    regions = traced(mask, 13, confidence=lambda window: sure[window.slices])
    assert regions.confidence is not None
    for i in np.argsort(-regions.n_pixels)[:5]:
        points = shapely.points(*(np.indices(mask.shape)[::-1].reshape(2, -1) + 0.5))
        inside = shapely.contains(regions.geometries()[i], points).reshape(mask.shape)
        assert regions.confidence[i] == pytest.approx(sure[inside].mean(), rel=1e-12)


def test_coordinates_in_a_crs_are_those_of_gdal() -> None:
    mask = blobs((60, 50), 4)
    box = GeoBox(mask.shape, (0.1 / 3, 0.007, 11.1, 0.003, -0.2 / 7, 47.7), CRS.from_epsg(4326).to_wkt())
    regions = polygonize(lambda window: mask[window.slices], box)
    want = whole_raster(mask, transform=box.affine)
    got = sorted((int(v), in_pieces(g)) for v, g in zip(regions.values, regions.geometries(box), strict=True))
    assert got == want


def test_shells_run_counter_clockwise_on_a_map_with_north_up() -> None:
    mask = blobs((60, 50), 4)
    rings = shapely.get_exterior_ring(
        polygonize(lambda window: mask[window.slices], geobox_of(mask)).geometries(geobox_of(mask))
    )
    assert shapely.is_ccw(rings).all()


def test_batches_come_in_order_of_each_regions_last_pixel() -> None:
    mask = blobs((200, 40), 6)
    batches = list(iter_polygons(lambda window: mask[window.slices], geobox_of(mask), block_size=26))
    assert len(batches) > 5
    whole = Regions.concat(batches)
    lowest = shapely.bounds(whole.geometries())[:, 3]
    assert (np.diff(lowest) >= 0).all()


def river(rows: int, cols: int) -> np.ndarray:
    """One region that winds through all rows with more than 100,000 corners, with islands that hold lakes."""
    mask = np.full((rows, cols), 2, np.uint8)
    mask[:, ::4] = mask[:, 1::4] = 1
    mask[::2, 2::8] = 1  # teeth
    mask[0, :] = mask[rows // 2, :] = 1
    for k, value in enumerate((3, 1, 3, 1, 2)):
        mask[50 + k : 150 - k, 50 + k : 150 - k] = value
    return mask


def test_a_background_with_a_hundred_thousand_holes_goes_through_all_strips() -> None:
    mask = np.ones((1000, 1000), np.uint8)
    mask[1:-1:3, 1:-1:3] = 2
    regions = traced(mask, 64)
    assert len(regions) == 333 * 333 + 1
    largest = regions.geometries()[np.argmax(regions.n_pixels)]  # GDAL takes minutes for it
    assert largest.area == regions.n_pixels.max() == 1_000_000 - 333 * 333
    assert shapely.get_exterior_ring(largest).equals(shapely.box(0, 0, 1000, 1000).exterior)
    holes = shapely.bounds(list(largest.interiors))
    rows, cols = (grid.ravel() for grid in np.mgrid[1:999:3, 1:999:3])
    assert (holes == np.column_stack([cols, rows, cols + 1, rows + 1])).all()
    assert bytes_of(regions) == bytes_of(traced(mask, 1000))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_a_river_of_a_hundred_thousand_corners_with_holes_in_holes(connectivity: int) -> None:
    mask = river(640, 700)
    regions = traced(mask, 32, connectivity=connectivity)
    assert shapely.get_num_coordinates(regions.geometries()).max() > 100_000
    assert_equal_to_whole(mask, regions, connectivity)


def test_regions_that_cross_at_corners_are_multipolygons_of_their_pieces() -> None:
    mask = np.array([[1, 2, 2], [2, 1, 2], [2, 2, 1]], np.uint8)
    for height in (1, 2, 3):
        regions = traced(mask, height, connectivity=8)
        one, two = regions.geometries()[np.argsort(regions.values)]
        assert (shapely.get_num_geometries(one), shapely.get_num_geometries(two)) == (3, 2)
        assert regions.geometry_type == "MultiPolygon"
        assert_equal_to_whole(mask, regions, 8)


def test_pieces_that_meet_by_a_corner_far_below_are_one_region_with_8_neighbours() -> None:
    mask = np.zeros((40, 9), np.uint8)
    mask[:20, 0] = mask[:20, 8] = mask[20, 1:8] = 1
    mask[3:5, 3:5] = 1
    for height in (1, 3, 7, 40):
        regions = traced(mask, height, connectivity=8)
        assert sorted(regions.n_pixels) == [4, 47]
        assert_equal_to_whole(mask, regions, 8)


@pytest.mark.parametrize("nodata", [0, 60_000, None])
def test_16_bit_values_are_kept(nodata: int | None) -> None:
    mask = (blobs((60, 50), 4).astype(np.uint16) * 13_000) % 60_001
    regions = polygonize(lambda window: mask[window.slices], geobox_of(mask), nodata=nodata, block_size=20)
    assert regions.values.dtype == np.uint16
    want = set(np.unique(mask).tolist()) - {nodata}
    assert set(regions.values.tolist()) == want
    assert regions.n_pixels.sum() == np.isin(mask, list(want)).sum()


@pytest.mark.parametrize("transform", [(8.0, 3.0, 5e5, 2.0, -9.0, 5e6), (10.0, 0.0, 5e5, 0.0, 10.0, 5e6)])
def test_rotated_and_south_up_rasters(transform) -> None:
    mask = blobs((60, 50), 4)
    box = GeoBox(mask.shape, transform, UTM)
    regions = polygonize(lambda window: mask[window.slices], box, block_size=20)
    made = [(int(v), in_pieces(g)) for v, g in zip(regions.values, regions.geometries(box), strict=True)]
    assert sorted(made) == whole_raster(mask, transform=box.affine)
    assert shapely.is_valid(regions.geometries(box)).all()


def test_workers_trace_their_own_strips(tmp_path) -> None:
    mask = blobs((300, 200), 1)
    np.save(tmp_path / "mask.npy", mask)
    here = polygonize(lambda window: mask[window.slices], geobox_of(mask))
    with connect(ClusterSettings(2)) as pool:
        read = partial(read_file, str(tmp_path / "mask.npy"))
        there = polygonize(read, geobox_of(mask), block_size=60, trace_map=pool.in_order)
    assert bytes_of(here) == bytes_of(there)


def read_file(path: str, window: Window) -> np.ndarray:
    """A window of a mask on disk, in whatever process."""
    return np.load(path)[window.slices]


def test_another_connectivity_is_refused() -> None:
    with pytest.raises(UsageError, match="CONNECTIVITY"):
        polygonize(lambda window: np.zeros(window.shape, np.uint8), geobox_of(np.zeros((2, 2))), connectivity=6)
