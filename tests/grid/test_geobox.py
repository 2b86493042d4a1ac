"""Windows and geoboxes: integer rectangles and what they are on Earth."""

import pickle

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid.geobox import GeoBox, Window

windows = st.builds(Window, st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
SHAPE = (50, 50)


def painted(window: Window, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    canvas = np.zeros(shape, bool)
    canvas[window.slices] = True
    return canvas


@given(windows, windows)
def test_an_intersection_is_the_common_pixels(a: Window, b: Window) -> None:
    assert np.array_equal(painted(a.intersect(b)), painted(a) & painted(b))


@given(windows.filter(lambda w: w.height and w.width), st.integers(0, 9))
def test_a_buffer_is_what_lies_within_that_many_pixels(window: Window, pixels: int) -> None:
    rows, cols = np.indices(SHAPE)
    near_rows = (rows >= window.row - pixels) & (rows < window.row + window.height + pixels)
    near_cols = (cols >= window.col - pixels) & (cols < window.col + window.width + pixels)
    assert np.array_equal(painted(window.buffer(pixels, SHAPE)), near_rows & near_cols)


@given(windows, st.integers(0, 20), st.integers(0, 20))
def test_within_names_the_same_pixels_of_the_outer_window(window: Window, row: int, col: int) -> None:
    canvas = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    outer = Window(max(window.row - row, 0), max(window.col - col, 0), 45, 45).intersect(Window(0, 0, *SHAPE))
    assert np.array_equal(canvas[outer.slices][window.within(outer).slices], canvas[window.slices])


north_up = GeoBox.of((100, 200), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32633")
rotated = GeoBox.of((100, 200), Affine.translation(5, 7) @ Affine.rotation(30) @ Affine.scale(3, -4), "EPSG:32633")


def test_bounds_and_res_of_a_north_up_grid() -> None:
    assert north_up.bounds == (500_000, 3_999_000, 502_000, 4_000_000)
    assert north_up.res == (10, 10)


def test_res_of_a_rotated_grid_is_the_length_of_its_pixel_edges() -> None:
    assert rotated.res == pytest.approx((3, 4))


@pytest.mark.parametrize("geobox", [north_up, rotated])
def test_a_crop_lies_where_its_pixels_lay(geobox: GeoBox) -> None:
    window = Window(30, 50, 20, 60)
    crop = geobox.crop(window)
    assert crop.shape == (20, 60)
    assert crop.crs == geobox.crs
    assert crop.affine @ (7, 11) == pytest.approx(geobox.affine @ (57, 41))


@pytest.mark.parametrize("geobox", [north_up, rotated])
def test_every_corner_lies_within_the_bounds(geobox: GeoBox) -> None:
    left, bottom, right, top = geobox.bounds
    assert all(left <= x <= right and bottom <= y <= top for x, y in geobox.corners())


def test_values_travel_and_are_keys() -> None:
    for value in (north_up, Window(1, 2, 3, 4)):
        assert pickle.loads(pickle.dumps(value)) == value
        assert {value: 1}[value] == 1
