from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.mask.labels import label
from geoseg.mask.sieve import Tiles, sieve

FOUR, EIGHT = ndimage.generate_binary_structure(2, 1), ndimage.generate_binary_structure(2, 2)


def regions(mask, nodata, connectivity):
    """Labels by scipy, class by class; numbered anyhow."""
    labels, count = np.zeros(mask.shape, int), 0
    for value in np.unique(mask[mask != nodata]):
        part, n = ndimage.label(mask == value, FOUR if connectivity == 4 else EIGHT)
        labels[part > 0] = part[part > 0] + count
        count += n
    return labels, count


def slow_sieve(mask, nodata, min_pixels, connectivity):
    """The rule of geoseg.mask.sieve word for word: label everything anew after each merge."""
    mask = mask.copy()
    while True:
        labels, count = regions(mask, nodata, connectivity)
        size = np.bincount(labels.ravel(), minlength=count + 1)
        first = [int(np.flatnonzero(labels.ravel() == i)[0]) if size[i] else -1 for i in range(count + 1)]
        shared = np.zeros((count + 1, count + 1), int)
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            np.add.at(shared, (one.ravel(), other.ravel()), 1)
            np.add.at(shared, (other.ravel(), one.ravel()), 1)
        np.fill_diagonal(shared, 0)
        shared[0] = shared[:, 0] = 0
        small = [i for i in range(1, count + 1) if size[i] < min_pixels and shared[i].any()]
        if not small:
            return mask
        region = min(small, key=lambda i: (size[i], first[i]))
        best = max(range(1, count + 1), key=lambda j: (shared[region, j], size[j], -first[j]))
        mask[labels == region] = mask[labels == best][0]


def masks(most=14):
    """Small masks of three classes and nodata 0, noisy or in patches."""

    def build(shape, seed, grain, share):
        rng = np.random.default_rng(seed)
        coarse = rng.choice(np.array([0, 1, 2, 3], np.uint8), (shape[0] // grain + 1, shape[1] // grain + 1), p=share)
        return np.ascontiguousarray(coarse.repeat(grain, 0).repeat(grain, 1)[: shape[0], : shape[1]])

    shares = st.sampled_from([(0.1, 0.3, 0.3, 0.3), (0.0, 0.6, 0.3, 0.1), (0.4, 0.2, 0.2, 0.2), (0.0, 0.9, 0.1, 0.0)])
    return st.builds(
        build, st.tuples(st.integers(1, most), st.integers(1, most)), st.integers(0, 10**6), st.integers(1, 3), shares
    )


def by_windows(sieved, shape, size):
    """The sieved mask read in windows of ``size``."""
    out = np.full(shape, 99, np.uint8)
    for window in Tiles(shape, size):
        out[window.slices] = sieved.read(window)
    return out


@settings(max_examples=150, deadline=None)
@given(masks(), st.integers(1, 12), st.sampled_from([4, 8]), st.sampled_from([1, 2, 3, 5, 7, 64]), st.integers(1, 20))
@example(np.array([[1, 2, 1], [2, 1, 2], [1, 2, 1]], np.uint8), 4, 8, 1, 2)
def test_sieving_by_tiles_equals_the_rule_applied_to_the_whole(mask, min_pixels, connectivity, tile, window):
    sieved = sieve(
        lambda w: mask[w.slices], mask.shape, nodata=0, min_pixels=min_pixels, connectivity=connectivity, tile_size=tile
    )
    found = by_windows(sieved, mask.shape, window)
    np.testing.assert_array_equal(found, slow_sieve(mask, 0, min_pixels, connectivity))


@settings(max_examples=60, deadline=None)
@given(masks(30), st.sampled_from([4, 8]))
def test_labels_are_those_of_scipy_numbered_by_first_pixel(mask, connectivity):
    labels, count = label(mask, 0, connectivity == 8)
    expected, n = regions(mask, 0, connectivity)
    assert count == n
    seen = labels.ravel()[np.sort(np.unique(labels, return_index=True)[1])]
    assert seen[seen > 0].tolist() == list(range(1, count + 1))
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels))
    np.testing.assert_array_equal(labels == 0, mask == 0)


@settings(max_examples=20, deadline=None)
@given(masks(90), st.integers(2, 30), st.sampled_from([4, 8]))
def test_what_is_left_is_large_or_alone_and_sieving_again_changes_nothing(mask, min_pixels, connectivity):
    how = {"nodata": 0, "min_pixels": min_pixels, "connectivity": connectivity}
    done = by_windows(sieve(lambda w: mask[w.slices], mask.shape, tile_size=32, **how), mask.shape, 17)
    np.testing.assert_array_equal(done == 0, mask == 0)
    labels, count = regions(done, 0, connectivity)
    for i in np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1)[1:] < min_pixels) + 1:
        edge = ndimage.binary_dilation(labels == i, FOUR) & (labels != i)
        assert (done[edge] == 0).all()
    again = sieve(lambda w: done[w.slices], mask.shape, tile_size=50, **how)
    assert again.merged == 0
    assert set(again.tables) == {None}


def test_the_longest_border_wins_not_the_largest_neighbour():
    mask = np.full((9, 9), 1, np.uint8)
    mask[3:6, 3:7] = 2
    mask[4, 4:6] = 3
    sieved = sieve(lambda w: mask[w.slices], mask.shape, nodata=0, min_pixels=4)
    assert (sieved.read(Window(4, 4, 1, 2)) == 2).all()
    assert sieved.merged == 1


def test_a_threshold_of_one_changes_nothing_and_reads_nothing_twice():
    mask = np.random.default_rng(0).integers(0, 4, (50, 50), dtype=np.uint8)
    sieved = sieve(lambda w: mask[w.slices], mask.shape, nodata=0, min_pixels=1, tile_size=16)
    window = Window(3, 3, 20, 20)
    part = mask[window.slices]
    assert sieved.relabel(window, part) is part


def test_reading_strips_makes_each_tile_once():
    mask = np.random.default_rng(0).integers(1, 4, (64, 64), dtype=np.uint8)
    reads = []

    def read(window):
        reads.append(window)
        return mask[window.slices]

    sieved = sieve(read, mask.shape, nodata=0, min_pixels=5, tile_size=16)
    assert len(reads) == 16
    for row in range(0, 64, 4):
        strip = Window(row, 0, 4, 64)
        sieved.relabel(strip, mask[strip.slices])
    assert len(reads) == 32


def test_another_connectivity_is_refused():
    with pytest.raises(UsageError, match="CONNECTIVITY"):
        sieve(lambda w: np.ones(w.shape, np.uint8), (2, 2), nodata=0, min_pixels=2, connectivity=6)
