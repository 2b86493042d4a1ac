"""Placed: each pixel of a grid takes the class of the nearest pixel of another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.placed import Placed, common
from tests.helpers.changes import patchy
from tests.helpers.rasters import write_raster

VALUES = patchy((48, 60), seed=4)
CORNER = (500_000.0, 5_000_000.0)
UTM = "EPSG:32632"


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> ClassRaster:
    path = write_raster(tmp_path_factory.mktemp("placed") / "map.tif", VALUES[None], corner=CORNER, nodata=0)
    return open_classes(path)


def box(affine: Affine, shape: tuple[int, int], like: ClassRaster, crs: str | None = None) -> GeoBox:
    from rasterio.crs import CRS

    return GeoBox.of(shape, affine, CRS.from_user_input(crs).to_wkt() if crs else like.geobox.crs)


def slow(target: GeoBox, crs: str) -> np.ndarray:
    """The nearest pixel by pyproj, pixel for pixel."""
    rows, cols = np.indices(target.shape)
    xs, ys = target.affine @ (cols.ravel() + 0.5, rows.ravel() + 0.5)
    x, y = Transformer.from_crs(crs, UTM, always_xy=True).transform(xs, ys)
    col, row = np.floor((x - CORNER[0]) / 10), np.floor((CORNER[1] - y) / 10)
    inside = (row >= 0) & (row < 48) & (col >= 0) & (col < 60)
    found = VALUES[np.clip(row, 0, 47).astype(int), np.clip(col, 0, 59).astype(int)]
    return np.where(inside, found, 0).reshape(target.shape)


@pytest.mark.parametrize("down, right", [(0, 0), (7, 3), (-5, -9), (40, 50)])
def test_a_grid_of_the_same_pixels_is_a_cut(raster: ClassRaster, down: int, right: int) -> None:
    grid = box(Affine(10, 0, CORNER[0] + right * 10, 0, -10, CORNER[1] - down * 10), (20, 30), raster)
    placed = Placed.of(raster, grid)
    padded = np.pad(VALUES, 100)
    assert placed.offset == (down, right)
    assert np.array_equal(placed.read(Window(0, 0, 20, 30)), padded[100 + down :, 100 + right :][:20, :30])
    assert common(grid, raster.geobox) == Window(-down, -right, 48, 60).intersect(Window(0, 0, 20, 30))


@pytest.mark.parametrize(
    "affine",
    [Affine(7, 0, CORNER[0] + 33, 0, -7, CORNER[1] - 41), Affine(30, 0, CORNER[0] - 60, 0, -30, CORNER[1] + 60)],
)
def test_a_finer_or_coarser_grid_takes_the_nearest_pixel(raster: ClassRaster, affine: Affine) -> None:
    grid = box(affine, (25, 25), raster)
    assert np.array_equal(Placed.of(raster, grid).read(Window(0, 0, 25, 25)), slow(grid, UTM))


def test_another_crs_takes_the_nearest_pixel(raster: ClassRaster) -> None:
    grid = box(Affine(0.0001, 0, 8.9995, 0, -0.0001, 45.155), (70, 90), raster, "EPSG:4326")
    found, expected = Placed.of(raster, grid).read(Window(0, 0, 70, 90)), slow(grid, "EPSG:4326")
    assert np.count_nonzero(found != expected) <= 0.01 * expected.size and expected.any()


@given(st.integers(0, 60), st.integers(0, 80), st.integers(1, 30), st.integers(1, 30))
def test_windows_do_not_matter(raster: ClassRaster, row: int, col: int, high: int, wide: int) -> None:
    grids = [
        box(Affine(0.0001, 0, 8.9995, 0, -0.0001, 45.155), (90, 110), raster, "EPSG:4326"),
        box(Affine(7, 0, CORNER[0] + 33, 0, -7, CORNER[1] - 41), (90, 110), raster),
    ]
    for grid in grids:
        placed, window = Placed.of(raster, grid), Window(row, col, high, wide)
        assert np.array_equal(placed.read(window), placed.read(Window(0, 0, 90, 110))[window.slices])


def test_what_is_outside_is_nodata_also_where_that_is_not_0(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.zeros((1, 4, 4), np.uint8), nodata=255)
    raster = open_classes(path, nodata=255)
    affines = [Affine(10, 0, 499_980, 0, -10, 5_000_020), Affine(7, 0, 499_980, 0, -7, 5_000_020)]
    for affine in affines:
        found = Placed.of(raster, box(affine, (8, 8), raster)).read(Window(0, 0, 8, 8))
        assert found[0, 0] == raster.nodata == 255 and found[4, 4] == 0


def test_longitudes_a_turn_apart_are_the_same_place(tmp_path: Path) -> None:
    values = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4)
    east = write_raster(tmp_path / "e.tif", values, transform=Affine(0.5, 0, 179, 0, -0.5, 10), crs="EPSG:4326")
    west = write_raster(tmp_path / "w.tif", values, transform=Affine(0.5, 0, -181, 0, -0.5, 10), crs="EPSG:4326")
    one, other = open_classes(east, nodata=-1), open_classes(west, nodata=-1)
    assert common(one.geobox, other.geobox) == Window(0, 0, 4, 4)
    assert np.array_equal(Placed.of(other, one.geobox).read(Window(0, 0, 4, 4)), values[0])


def test_places_that_share_no_ground_have_nothing_in_common(raster: ClassRaster) -> None:
    far = box(Affine(10, 0, 700_000, 0, -10, 5_000_000), (20, 20), raster)
    other = box(Affine(0.001, 0, -70, 0, -0.001, 10), (20, 20), raster, "EPSG:4326")
    for grid in (far, other):
        found = common(grid, raster.geobox)
        assert not (found.height and found.width)
