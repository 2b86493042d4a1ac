from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.mask.labels import label
from geoseg.mask.regions import Minimum
from geoseg.mask.sieve import Tiles, sieve

FOUR, EIGHT = ndimage.generate_binary_structure(2, 1), ndimage.generate_binary_structure(2, 2)
TEN = Minimum.of(10)


@dataclass(frozen=True)
class Weights:
    """An area table in which every pixel has a weight of its own; called as ``areas(row, stop)``."""

    pixels: np.ndarray

    def __call__(self, row, stop):
        part = self.pixels[row:stop]
        before = np.concatenate([np.zeros((len(part), 1), np.int64), np.cumsum(part, axis=1)], axis=1)
        return Table(row, 1, 1, np.append(part, part[:, -1:], axis=1), before)


@dataclass(frozen=True)
class Table:
    first: int
    rows: int
    cols: int
    pixel: np.ndarray
    before: np.ndarray


def regions(mask, nodata, connectivity):
    """Labels by scipy, class by class; numbered anyhow."""
    labels, count = np.zeros(mask.shape, int), 0
    for value in np.unique(mask[mask != nodata]):
        part, n = ndimage.label(mask == value, FOUR if connectivity == 4 else EIGHT)
        labels[part > 0] = part[part > 0] + count
        count += n
    return labels, count


def slow_sieve(mask, nodata, least, connectivity, weights=None):
    """The rule of geoseg.mask.sieve word for word: label everything anew after each merge. ``least``: by class."""
    mask = mask.copy()
    weights = np.ones(mask.shape, int) if weights is None else weights
    while True:
        labels, count = regions(mask, nodata, connectivity)
        first = [int(np.flatnonzero(labels.ravel() == i)[0]) if (labels == i).any() else -1 for i in range(count + 1)]
        size = [int(weights[labels == i].sum()) for i in range(count + 1)]
        value = [int(mask.ravel()[first[i]]) for i in range(count + 1)]
        shared = np.zeros((count + 1, count + 1), int)
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            np.add.at(shared, (one.ravel(), other.ravel()), 1)
            np.add.at(shared, (other.ravel(), one.ravel()), 1)
        np.fill_diagonal(shared, 0)
        shared[0] = shared[:, 0] = 0
        small = [i for i in range(1, count + 1) if size[i] < least.get(value[i], 0) and shared[i].any()]
        if not small:
            return mask
        region = min(small, key=lambda i: (size[i], first[i]))
        best = max(range(1, count + 1), key=lambda j: (shared[region, j], size[j], -first[j]))
        mask[labels == region] = mask[labels == best][0]


def masks(most=14, dtype=np.uint8):
    """Small masks of three classes and nodata 0, noisy or in patches."""

    def build(shape, seed, grain, share):
        rng = np.random.default_rng(seed)
        coarse = rng.choice(np.array([0, 1, 2, 3], np.uint8), (shape[0] // grain + 1, shape[1] // grain + 1), p=share)
        return np.ascontiguousarray(coarse.repeat(grain, 0).repeat(grain, 1)[: shape[0], : shape[1]])

    shares = st.sampled_from([(0.1, 0.3, 0.3, 0.3), (0.0, 0.6, 0.3, 0.1), (0.4, 0.2, 0.2, 0.2), (0.0, 0.9, 0.1, 0.0)])
    return st.builds(
        build, st.tuples(st.integers(1, most), st.integers(1, most)), st.integers(0, 10**6), st.integers(1, 3), shares
    )


TILES = st.sampled_from([1, 2, 3, 5, 7, 64, (1, 9), (4, 64), (64, 2)])


def whole(mask):
    return lambda window: mask[window.slices]


def by_windows(sieved, shape, size, dtype=np.uint8):
    """The sieved mask read in windows of ``size``."""
    out = np.full(shape, 99, dtype)
    for window in Tiles(shape, (size, size)):
        out[window.slices] = sieved.read(window)
    return out


@settings(max_examples=120, deadline=None)
@given(masks(), st.integers(1, 12), st.sampled_from([4, 8]), TILES, st.integers(1, 20))
@example(np.array([[1, 2, 1], [2, 1, 2], [1, 2, 1]], np.uint8), 4, 8, 1, 2)
def test_sieving_by_tiles_equals_the_rule_applied_to_the_whole(mask, least, connectivity, tile, window):
    how = {"nodata": 0, "minimum": Minimum.of(least), "connectivity": connectivity, "tile_size": tile}
    found = by_windows(sieve(whole(mask), mask.shape, **how), mask.shape, window)
    np.testing.assert_array_equal(found, slow_sieve(mask, 0, dict.fromkeys((1, 2, 3), least), connectivity))


@settings(max_examples=80, deadline=None)
@given(masks(), st.data(), st.sampled_from([4, 8]), TILES)
def test_each_class_has_its_own_minimum_and_others_only_grow(mask, data, connectivity, tile):
    least = {value: data.draw(st.integers(0, 15)) for value in (1, 2, 3)}
    minimum = Minimum.of(least[3], {1: least[1], 2: least[2]})
    sieved = sieve(whole(mask), mask.shape, nodata=0, minimum=minimum, connectivity=connectivity, tile_size=tile)
    found = by_windows(sieved, mask.shape, 5)
    np.testing.assert_array_equal(found, slow_sieve(mask, 0, least, connectivity))
    for value in (1, 2, 3):
        if not least[value]:
            assert (found[mask == value] == value).all()


@settings(max_examples=80, deadline=None)
@given(masks(), st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([4, 8]), TILES)
def test_sizes_are_areas_where_pixels_weigh_differently(mask, seed, least, connectivity, tile):
    weights = np.random.default_rng(seed).integers(1, 9, (mask.shape[0], 1)).repeat(mask.shape[1], axis=1)
    weights += np.random.default_rng(seed).integers(0, 2, mask.shape)
    minimum = Minimum.of(0, {1: least, 2: least + 3}, areas=Weights(weights), by_area=True)
    sieved = sieve(whole(mask), mask.shape, nodata=0, minimum=minimum, connectivity=connectivity, tile_size=tile)
    found = by_windows(sieved, mask.shape, 6)
    np.testing.assert_array_equal(found, slow_sieve(mask, 0, {1: least, 2: least + 3}, connectivity, weights))
    for total, now in ((sieved.before, mask), (sieved.after, found)):
        assert total == {v: ((now == v).sum(), weights[now == v].sum()) for v in np.unique(now[now != 0]).tolist()}
    assert sieved.pixels == np.count_nonzero(mask != found)


def as_array(runs, shape):
    """The piece of every pixel, -1 where nodata."""
    lengths = np.diff(runs.col[:-1], append=0)
    lengths[runs.rows[1:] - 1] = shape[1] - runs.col[runs.rows[1:] - 1]
    return np.repeat(runs.piece, lengths).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(masks(30), st.sampled_from([4, 8]))
def test_labels_are_those_of_scipy_numbered_by_first_pixel(mask, connectivity):
    runs = label(mask, 0, connectivity == 8)
    labels = as_array(runs, mask.shape) + 1
    expected, n = regions(mask, 0, connectivity)
    assert runs.pieces == n
    seen = labels.ravel()[np.sort(np.unique(labels, return_index=True)[1])]
    assert seen[seen > 0].tolist() == list(range(1, runs.pieces + 1))
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels))
    np.testing.assert_array_equal(labels == 0, mask == 0)


@settings(max_examples=20, deadline=None)
@given(masks(90), st.integers(2, 30), st.sampled_from([4, 8]))
def test_what_is_left_is_large_or_alone_and_sieving_again_changes_nothing(mask, least, connectivity):
    how = {"nodata": 0, "minimum": Minimum.of(least), "connectivity": connectivity}
    done = by_windows(sieve(whole(mask), mask.shape, tile_size=32, **how), mask.shape, 17)
    np.testing.assert_array_equal(done == 0, mask == 0)
    labels, count = regions(done, 0, connectivity)
    for i in np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1)[1:] < least) + 1:
        edge = ndimage.binary_dilation(labels == i, FOUR) & (labels != i)
        assert (done[edge] == 0).all()
    again = sieve(whole(done), mask.shape, tile_size=50, **how)
    assert again.merged == again.pixels == 0
    assert again.before == again.after
    assert set(again.tables) == {None}


def test_values_of_16_bits_keep_their_type_and_threads_change_nothing():
    mask = np.random.default_rng(0).choice(np.array([7, 300, 65535], np.uint16), (150, 130))
    done = [sieve(whole(mask), mask.shape, nodata=7, minimum=TEN, tile_size=32, threads=n) for n in (1, 3)]
    one, other = (by_windows(sieved, mask.shape, 48, np.uint16) for sieved in done)
    np.testing.assert_array_equal(one, other)
    assert done[0].read(Window(0, 0, 9, 9)).dtype == np.uint16
    narrow = np.searchsorted([7, 300, 65535], mask).astype(np.uint8)
    slim = sieve(whole(narrow), mask.shape, nodata=0, minimum=TEN)
    np.testing.assert_array_equal(one, np.array([7, 300, 65535])[slim.read(Window(0, 0, *mask.shape))])


def test_the_longest_border_wins_not_the_largest_neighbour():
    mask = np.full((9, 9), 1, np.uint8)
    mask[3:6, 3:7] = 2
    mask[4, 4:6] = 3
    sieved = sieve(whole(mask), mask.shape, nodata=0, minimum=Minimum.of(4))
    assert (sieved.read(Window(4, 4, 1, 2)) == 2).all()
    assert (sieved.merged, sieved.pixels) == (1, 2)


def test_a_threshold_of_one_changes_nothing_and_reads_nothing_twice():
    mask = np.random.default_rng(0).integers(0, 4, (50, 50), dtype=np.uint8)
    sieved = sieve(whole(mask), mask.shape, nodata=0, minimum=Minimum.of(1), tile_size=16)
    assert np.shares_memory(sieved.read(Window(3, 3, 20, 20)), mask)
    assert not Minimum.of(1).any
    assert Minimum.of(0, {3: 2}).any


def test_a_mask_without_any_class_stays():
    mask = np.zeros((20, 30), np.uint8)
    sieved = sieve(whole(mask), mask.shape, nodata=0, minimum=TEN, tile_size=8)
    assert not sieved.read(Window(0, 0, 20, 30)).any()
    assert sieved.before == {}


@pytest.mark.parametrize("overlap", [0, 1])
def test_reading_strips_makes_each_tile_once(overlap):
    mask = np.random.default_rng(0).integers(1, 4, (64, 64), dtype=np.uint8)
    reads = []

    def read(window):
        reads.append(window)
        return mask[window.slices]

    sieved = sieve(read, mask.shape, nodata=0, minimum=Minimum.of(5), tile_size=16)
    assert len(reads) == 16
    for row in range(0, 64, 4):
        start, stop = max(row - overlap, 0), min(row + 4 + overlap, 64)
        sieved.read(Window(start, 0, stop - start, 64))
    assert len(reads) == 32


def test_a_sieved_mask_travels():
    mask = np.random.default_rng(0).integers(1, 4, (64, 64), dtype=np.uint8)
    sieved = sieve(partial(_cut, mask), mask.shape, nodata=0, minimum=TEN, tile_size=16, threads=2)
    here = sieved.read(Window(0, 0, 64, 64))
    there = pickle.loads(pickle.dumps(sieved))
    np.testing.assert_array_equal(there.read(Window(0, 0, 64, 64)), here)


def _cut(mask, window):
    return mask[window.slices]


def test_another_connectivity_is_refused():
    with pytest.raises(UsageError, match="CONNECTIVITY"):
        sieve(lambda w: np.ones(w.shape, np.uint8), (2, 2), nodata=0, minimum=TEN, connectivity=6)
