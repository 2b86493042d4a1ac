"""Look: the bands of a picture are found by name, and its range is that of the data, whatever lies beside it."""

import numpy as np

from geoseg.raster.look import composite, limits, stretched


def test_true_colour_comes_first_then_false_colours_then_one_band() -> None:
    assert composite(["nir", "blue", "green", "red"]) == ([3, 2, 1], "true colour")
    assert composite(["red", "nir", "green"])[0] == [1, 0, 2]
    assert composite(["red", "nir", "swir1"])[0] == [2, 1, 0]
    assert composite(["", "vv"]) == ([1], "")


def test_the_range_is_that_of_valid_finite_values() -> None:
    values = np.append(np.arange(101.0), [np.nan, np.inf, -9999.0])
    valid = np.append(np.ones(103, bool), False)
    assert limits(values, valid) == (2.0, 98.0)


def test_a_range_of_one_value_or_none_is_still_a_range() -> None:
    assert limits(np.full(5, 7, np.uint8), np.ones(5, bool)) == (7.0, 8.0)
    assert limits(np.full(5, 7, np.uint8), np.zeros(5, bool)) == (0.0, 1.0)


def test_black_below_white_above_and_the_dark_is_lifted() -> None:
    made = stretched(np.array([-5.0, 10.0, 15.0, 20.0, 99.0, np.nan]), 10.0, 20.0).tolist()
    assert made[:2] == [0, 0]
    assert made[3:] == [255, 255, 0]
    assert 128 < made[2] < 255
