"""Spots: the squares with the largest mean, whatever way the raster came; counts of a confidence are those of all pixels."""

import numpy as np
import pytest

from geoseg.mask.spots import ConfidenceCounter, find_spots, most_common


def test_spots_are_the_squares_with_the_largest_means() -> None:
    weight = np.zeros((200, 300))
    weight[48:64, 96:112], weight[160:176, 0:16] = 0.75, 0.5
    found = find_spots(weight, np.ones(weight.shape, bool), least=0.1)
    assert [(s.window.row, s.window.col, s.mean) for s in found] == [(48, 96, 0.75), (160, 0, 0.5)]


def test_spots_are_far_from_each_other_and_not_of_a_few_pixels() -> None:
    weight = np.full((1000, 1000), 0.5)
    found = find_spots(weight, np.ones(weight.shape, bool), most=50)
    places = np.array([(s.window.row, s.window.col) for s in found])
    apart = np.abs(places[:, None] - places[None]).max(axis=-1) + 10_000 * np.eye(len(places))
    assert apart.min() >= 1000 / 12 - 16
    weight[990:], counted = 1.0, np.zeros(weight.shape, bool)
    counted[0:16, 0:7] = True
    assert find_spots(weight, counted) == [], "less than half a square is counted"


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2)])
def test_a_tiny_raster_has_a_spot_too(shape: tuple[int, int]) -> None:
    found = find_spots(np.ones(shape), np.ones(shape, bool))
    assert found and found[0].mean == 1 and found[0].window.height <= shape[0]


def test_confidences_are_counted_by_class_whatever_the_strips() -> None:
    rng = np.random.default_rng(0)
    mask, percent = rng.integers(0, 4, (70, 50)).astype(np.uint8), rng.integers(0, 101, (70, 50)).astype(np.uint8)
    for strips, most in (((70,), 4096), ((30, 1, 39), 4096), ((33, 37), 20), ((70,), 20)):
        counter, row = ConfidenceCounter(mask.shape, 0, most), 0
        for n in strips:
            counter.add(row, mask[row : row + n], percent[row : row + n])
            row += n
        step = counter.each
        kept, seen = mask[::step, ::step], percent[::step, ::step]
        for value in range(1, 4):
            assert counter.counts[value].tolist() == np.bincount(seen[kept == value], minlength=101).tolist()
        assert not counter.counts[0].any(), "nodata is not counted"


def test_the_least_sure_place_is_found() -> None:
    mask, percent = np.ones((160, 160), np.uint8), np.full((160, 160), 90, np.uint8)
    percent[32:48, 64:80] = 30
    mask[96:112] = 0
    percent[96:112] = 0
    counter = ConfidenceCounter(mask.shape, 0)
    counter.add(0, mask, percent)
    found = counter.spots()
    assert [(s.window.row, s.window.col) for s in found] == [(32, 64)]
    assert found[0].mean == pytest.approx(0.7), "what is not sure"
    assert ConfidenceCounter((5, 5), 0).spots() == []


def test_the_most_common_value_leaves_nodata_out() -> None:
    assert most_common(np.array([0, 0, 0, 2, 2, 1]), 0) == 2
    assert most_common(np.zeros(4, np.uint8), 0) is None
