from __future__ import annotations

import collections
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.mask.filter import ABSENT, FilterSettings, apply_filters, closing, halo_of, majority, opening

LEGEND = Legend.of({4: "a", 2: "b", 9: "c"})
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
FILTERS = st.builds(
    FilterSettings,
    majority=st.integers(0, 3),
    opening=st.integers(0, 2),
    closing=st.integers(0, 2),
    crf=st.integers(0, 2),
    crf_size=st.sampled_from([3, 5]),
    crf_dilation=st.integers(1, 2),
)


def a_mask(shape, seed):
    """Patches of classes and nodata, confidences, a normalized image."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([4, 2, 9, 0], size=(shape[0] // 4 + 1, shape[1] // 4 + 1), p=[0.4, 0.3, 0.2, 0.1])
    mask = coarse.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]].astype(np.uint8)
    noisy = rng.random(shape) < 0.2
    mask[noisy] = rng.choice([4, 2, 9, 0], size=int(noisy.sum()))
    image = (mask / 5 + rng.normal(0, 0.3, (2, *shape))).astype(np.float32)
    return mask, rng.integers(0, 101, shape, dtype=np.uint8), image


@settings(max_examples=60, deadline=None)
@given(SHAPES, FILTERS, st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_filtering_by_blocks_with_a_halo_has_the_bits_of_filtering_the_whole(shape, how, size, seed, sure):
    mask, confidence, image = a_mask(shape, seed)
    confidence = confidence if sure else None
    whole = apply_filters(mask, confidence, image, legend=LEGEND, settings=how)
    out = np.full(shape, 77, np.uint8)
    for row in range(0, shape[0], size):
        for col in range(0, shape[1], size):
            core = Window(row, col, min(size, shape[0] - row), min(size, shape[1] - col))
            outer = core.buffer(halo_of(how), shape)
            part = None if confidence is None else confidence[outer.slices]
            done = apply_filters(mask[outer.slices], part, image[:, *outer.slices], legend=LEGEND, settings=how)
            out[core.slices] = done[core.within(outer).slices]
    np.testing.assert_array_equal(out, whole)


@settings(max_examples=40, deadline=None)
@given(SHAPES, FILTERS, st.integers(0, 99))
def test_nodata_stays_and_what_lies_under_it_changes_nothing(shape, how, seed):
    mask, confidence, image = a_mask(shape, seed)
    nodata = mask == LEGEND.nodata
    first = apply_filters(mask, confidence, image, legend=LEGEND, settings=how)
    np.testing.assert_array_equal(first == LEGEND.nodata, nodata)
    confidence, image = confidence.copy(), image.copy()
    confidence[nodata], image[:, nodata] = 55, -1e30
    again = apply_filters(mask, confidence, image, legend=LEGEND, settings=how)
    np.testing.assert_array_equal(first, again)


def squares(shape, radius):
    """For each pixel the slices of its window, cut to the array."""
    for row in range(shape[0]):
        for col in range(shape[1]):
            rows = slice(max(row - radius, 0), row + radius + 1)
            cols = slice(max(col - radius, 0), col + radius + 1)
            yield (row, col), (rows, cols)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 15), st.integers(1, 15)), st.integers(1, 4), st.integers(0, 99))
def test_majority_equals_counting(shape, radius, seed):
    index = np.random.default_rng(seed).choice(np.array([0, 1, 2, ABSENT], np.uint8), shape)
    expected = index.copy()
    for at, window in squares(shape, radius):
        if index[at] != ABSENT:
            counts = collections.Counter(index[window][index[window] != ABSENT].tolist())
            best = max(counts.values())
            own = int(index[at])
            expected[at] = own if counts[own] == best else min(k for k, v in counts.items() if v == best)
    np.testing.assert_array_equal(majority(index, radius, 3), expected)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 15), st.integers(1, 15)), st.integers(1, 2), st.integers(0, 99))
def test_opening_equals_its_definition(shape, radius, seed):
    rng = np.random.default_rng(seed)
    index = rng.choice(np.array([0, 1, ABSENT], np.uint8), shape, p=[0.85, 0.1, 0.05])
    kept = np.zeros(shape, bool)
    for at, window in squares(shape, radius):
        present = index[window] != ABSENT
        if index[at] != ABSENT and len(np.unique(index[window][present])) == 1:
            kept[window] |= present
    expected = index.copy()
    for at, window in squares(shape, radius):
        votes = index[window][kept[window]]
        if index[at] != ABSENT and not kept[at] and len(votes):
            counts = np.bincount(votes)
            own = int(index[at])
            ties = own < len(counts) and counts[own] == counts.max()
            expected[at] = own if ties else counts.argmax()
    np.testing.assert_array_equal(opening(index, radius, 3), expected)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 15), st.integers(1, 15)), st.integers(1, 2), st.integers(0, 99))
def test_closing_equals_its_definition(shape, radius, seed):
    index = np.random.default_rng(seed).choice(np.array([0, 1, 2, ABSENT], np.uint8), shape)
    closed = np.zeros((3, *shape), bool)
    for c in range(3):
        grown = np.zeros(shape, bool)
        for at, window in squares(shape, radius):
            grown[at] = (index[window] == c).any()
        for at, window in squares(shape, radius):
            closed[c][at] = grown[window][index[window] != ABSENT].all()
    expected = np.where(index == ABSENT, index, closed.argmax(axis=0))
    np.testing.assert_array_equal(closing(index, radius, 3), expected)


def test_opening_removes_a_line_and_closing_fills_a_gap():
    index = np.ones((9, 9), np.uint8)
    index[4] = 0
    np.testing.assert_array_equal(opening(index, 1, 2), 1)
    np.testing.assert_array_equal(closing(1 - index, 1, 2), 0)
    np.testing.assert_array_equal(closing(index, 1, 2), index)


def test_the_crf_follows_the_image():
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(60)[None, :] < 33, 4, 9).astype(np.uint8).repeat(60, 0).reshape(60, 60)
    mask = np.where(rng.random((60, 60)) < 0.15, np.uint8(2), truth)
    image = ((truth[None] - 6.5) / 2.5 + rng.normal(0, 0.1, (3, 60, 60))).astype(np.float32)
    how = FilterSettings(crf=5)
    done = apply_filters(mask, np.full((60, 60), 60, np.uint8), image, legend=LEGEND, settings=how)
    assert (done != truth).mean() < 0.02 < (mask != truth).mean() / 5
    assert halo_of(how) == 5 * 2 * 2


def test_the_crf_in_tiles_has_the_bits_of_one_piece(monkeypatch):
    mask, confidence, image = a_mask((90, 70), 3)
    how = FilterSettings(crf=3)
    once = apply_filters(mask, confidence, image, legend=LEGEND, settings=how)
    monkeypatch.setattr("geoseg.mask.crf.TILE", 17)
    np.testing.assert_array_equal(apply_filters(mask, confidence, image, legend=LEGEND, settings=how), once)


def test_all_off_changes_nothing_and_a_crf_asks_for_the_image():
    mask, _, _ = a_mask((20, 20), 1)
    assert not FilterSettings().any
    np.testing.assert_array_equal(apply_filters(mask, None, None, legend=LEGEND, settings=FilterSettings()), mask)
    assert FilterSettings(crf=1).needs_image
    with pytest.raises(UsageError, match="needs the image"):
        apply_filters(mask, None, None, legend=LEGEND, settings=FilterSettings(crf=1))


@pytest.mark.parametrize("wrong", [{"majority": -1}, {"crf_size": 4}, {"crf_dilation": 0}, {"crf_contrast": 0.0}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError, match="FILTER"):
        FilterSettings(**wrong)


def test_a_wide_majority_costs_no_more_than_a_narrow_one():
    mask = a_mask((512, 512), 2)[0]
    seconds = {}
    for radius in (1, 1, 24):
        start = time.perf_counter()
        apply_filters(mask, None, None, legend=LEGEND, settings=FilterSettings(majority=radius))
        seconds[radius] = time.perf_counter() - start
    assert seconds[24] < 5 * seconds[1] + 0.05
