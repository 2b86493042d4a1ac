import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import finest, overlaps, pixel_metres, same_grid
from geoseg.raster.resample import Nested

WKT = CRS.from_epsg(32632).to_wkt()


def grid(rows: int, cols: int, res: float, *, x: float = 0.0, y: float = 0.0, crs: str = WKT) -> GeoBox:
    return GeoBox.of((rows, cols), Affine(res, 0, x, 0, -res, y), crs)


def test_grids_are_the_same_up_to_a_hundredth_of_a_pixel_and_however_the_crs_is_spelled() -> None:
    one = grid(50, 50, 10)
    assert same_grid(one, grid(50, 50, 10, x=0.05, y=0.05, crs=CRS.from_epsg(32632).to_wkt(version="WKT1_GDAL")))
    assert not same_grid(one, grid(50, 50, 10, x=0.5))
    assert not same_grid(one, grid(50, 51, 10))
    assert not same_grid(one, grid(50, 50, 10.01))
    assert not same_grid(one, grid(50, 50, 10, crs=CRS.from_epsg(32633).to_wkt()))


def test_the_finest_grid_is_found_across_units_and_the_first_of_equals_wins() -> None:
    degrees = grid(9, 9, 0.0001, x=9, y=45, crs=CRS.from_epsg(4326).to_wkt())  # about 10 m
    feet = grid(9, 9, 20, crs=CRS.from_epsg(2263).to_wkt())  # about 6 m
    metres = grid(9, 9, 30)
    assert finest([metres, degrees, feet]) is feet
    assert finest([metres, degrees]) is degrees
    assert finest([grid(9, 9, 10), grid(8, 8, 10)]).shape == (9, 9)
    assert pixel_metres(feet) == pytest.approx(6.096, rel=1e-3)


def test_overlap_is_seen_across_crs() -> None:
    here = grid(100, 100, 10, x=500_000, y=5_000_000)
    assert overlaps(here, grid(100, 100, 0.001, x=8.95, y=45.2, crs=CRS.from_epsg(4326).to_wkt()))
    assert not overlaps(here, grid(100, 100, 0.001, x=12, y=45.2, crs=CRS.from_epsg(4326).to_wkt()))
    assert not overlaps(here, grid(100, 100, 10, x=501_000, y=5_000_000))


def slow_bilinear(
    image: NDArray[np.generic], valid: NDArray[np.bool_], source: GeoBox, target: GeoBox
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each pixel from its own place on Earth, one by one."""
    out, known = np.zeros(target.shape), np.zeros(target.shape, bool)
    for row, col in np.ndindex(*target.shape):
        x, y = target.affine @ (col + 0.5, row + 0.5)
        at_col, at_row = ~source.affine @ (x, y)
        at_col, at_row = round(at_col - 0.5, 6), round(at_row - 0.5, 6)
        near = int(np.floor(at_row + 0.5)), int(np.floor(at_col + 0.5))
        if not (0 <= near[0] < image.shape[0] and 0 <= near[1] < image.shape[1]) or not valid[near]:
            continue
        total = weights = 0.0
        for r in (int(np.floor(at_row)), int(np.floor(at_row)) + 1):
            for c in (int(np.floor(at_col)), int(np.floor(at_col)) + 1):
                weight = max(0.0, 1 - abs(at_row - r)) * max(0.0, 1 - abs(at_col - c))
                if 0 <= r < image.shape[0] and 0 <= c < image.shape[1] and valid[r, c]:
                    total, weights = total + weight * float(image[r, c]), weights + weight
        out[row, col], known[row, col] = total / weights, True
    return out, known


def resampled(
    nested: Nested, image: NDArray[np.generic], valid: NDArray[np.bool_], window: Window
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    out, known = np.zeros(window.shape, image.dtype), np.ones(window.shape, bool)
    here = nested.window(window)
    if here is None:
        return out, np.zeros(window.shape, bool)
    nested.bilinear(image[here.slices], valid[here.slices], (here, window), out, known)
    return out, known


@given(
    res=st.sampled_from([10.0, 20.0, 15.0, 60.0, 7.0]),
    shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    seed=st.integers(0, 50),
    dtype=st.sampled_from(["uint16", "float64"]),
)
def test_nested_grids_are_interpolated_as_pixel_by_pixel(
    res: float, shift: tuple[int, int], seed: int, dtype: str
) -> None:
    rng = np.random.default_rng(seed)
    target = grid(17, 13, 10)
    source = grid(int(rng.integers(1, 20)), int(rng.integers(1, 20)), res, x=shift[0] * 10, y=shift[1] * 5)
    image = rng.integers(0, 5000, source.shape).astype(dtype)
    valid = rng.random(source.shape) > 0.2
    nested = Nested.of(source, target)
    assert nested is not None
    expected, known = slow_bilinear(image, valid, source, target)
    out, there = resampled(nested, image, valid, Window(0, 0, 17, 13))
    np.testing.assert_array_equal(there, known)
    np.testing.assert_allclose(out[known], expected[known], atol=0.51 if dtype == "uint16" else 1e-2)


@given(row=st.integers(0, 30), col=st.integers(0, 30), height=st.integers(1, 10), width=st.integers(1, 10))
def test_no_window_changes_a_resampled_pixel(row: int, col: int, height: int, width: int) -> None:
    rng = np.random.default_rng(3)
    source, target = grid(15, 16, 23.7, x=-30, y=11), grid(40, 40, 10)
    image, valid = rng.random(source.shape), rng.random(source.shape) > 0.1
    nested = Nested.of(source, target)
    assert nested is not None
    window = Window(row, col, height, width)
    whole, known = resampled(nested, image, valid, Window(0, 0, 40, 40))
    out, there = resampled(nested, image, valid, window)
    np.testing.assert_array_equal(there, known[window.slices])
    np.testing.assert_array_equal(out[there], whole[window.slices][there])


def test_whole_pixel_shifts_take_values_over_as_they_are() -> None:
    source, target = grid(20, 20, 10, x=30, y=-20), grid(20, 20, 10)
    image = np.random.default_rng(0).random((20, 20)).astype("float32")
    nested = Nested.of(source, target)
    assert nested is not None
    out, known = resampled(nested, image, np.ones((20, 20), bool), Window(0, 0, 20, 20))
    np.testing.assert_array_equal(out[2:, 3:], image[:18, :17])
    assert known.sum() == 18 * 17


def test_other_crs_and_turned_axes_are_not_nested() -> None:
    target = grid(20, 20, 10)
    assert Nested.of(grid(20, 20, 10, crs=CRS.from_epsg(32633).to_wkt()), target) is None
    assert Nested.of(GeoBox.of((20, 20), Affine(10, 1, 0, 1, -10, 0), WKT), target) is None
    assert Nested.of(GeoBox.of((20, 20), Affine(10, 0, 0, 0, 10, 0), WKT), target) is None
