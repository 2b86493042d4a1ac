"""Mixing: pixels move with their labels and validity, whole and unblended; rare classes are what is pasted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.training.augment.mixing import Crops, copy_paste, cutmix, rarity_of
from geoseg.training.data.labels import IGNORE

CLASSES = 4


def batch(seed: int, count: int, size: int) -> Crops:
    """Crops in which each pixel's values say which crop and pixel it is, its class and whether it is valid."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.repeat(rng.integers(0, CLASSES, (count, size, size)), 3, 1), 3, 2)[:, :size, :size]
    index = np.where(rng.random(index.shape) < 0.1, IGNORE, index).astype(np.uint8)
    valid = rng.random(index.shape) < 0.9
    number, pixel = np.divmod(np.arange(count * size * size), size * size)
    images = np.stack([number.reshape(index.shape), pixel.reshape(index.shape)], axis=1).astype(np.float32)
    return Crops(images, valid, index)


def assert_only_whole_pixels_moved(before: Crops, after: Crops) -> None:
    size = before.index.shape[-1]
    number, pixel = after.images[:, 0].astype(int), after.images[:, 1].astype(int)
    place = number, pixel // size, pixel % size
    assert (after.index == before.index[place]).all() and (after.valid == before.valid[place]).all()


def moved(crops: Crops) -> np.ndarray:
    """Where a pixel of another crop stands."""
    return crops.images[:, 0] != np.arange(len(crops.images))[:, None, None]


@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(1, 6),
    size=st.integers(1, 24),
    chance=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_only_whole_pixels_move_with_their_labels(seed: int, count: int, size: int, chance: float) -> None:
    before = batch(seed, count, size)
    kept = before.copy()
    rarity = rarity_of(np.array([1000, 10, 5, 0]))
    cut = cutmix(before, chance, np.random.default_rng(seed))
    pasted = copy_paste(before, chance, rarity, np.random.default_rng(seed))
    for after in (cut, pasted):
        assert_only_whole_pixels_moved(before, after)
        if chance == 0 or count == 1:
            assert not moved(after).any()
    for one, other in ((before.images, kept.images), (before.valid, kept.valid), (before.index, kept.index)):
        assert (one == other).all()  # what was given stays


@given(seed=st.integers(0, 1 << 32), size=st.integers(8, 24))
def test_cutmix_takes_one_rectangle_from_the_same_place_of_one_crop(seed: int, size: int) -> None:
    before = batch(seed, 4, size)
    after = cutmix(before, 1.0, np.random.default_rng(seed))
    for i, where in enumerate(moved(after)):
        assert (after.images[i, 1] == before.images[i, 1]).all()
        if where.any():
            rows, cols = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
            assert where[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all()
            assert len(np.unique(after.images[i, 0][where])) == 1


def test_cutmix_takes_all_shares_of_a_crop() -> None:
    rng = np.random.default_rng(0)
    before = batch(0, 8, 32)
    shares = np.concatenate([moved(cutmix(before, 1.0, rng)).mean(axis=(1, 2)) for _ in range(50)])
    assert shares.min() < 0.02 and shares.max() > 0.8
    assert np.mean([moved(cutmix(before, 0.25, rng)).any(axis=(1, 2)).mean() for _ in range(100)]) < 0.3


@given(seed=st.integers(0, 1 << 32))
def test_a_pasted_region_is_one_whole_region_of_a_rare_class(seed: int) -> None:
    before = batch(seed, 3, 20)
    after = copy_paste(before, 1.0, rarity_of(np.array([1000, 10, 1000, 5])), np.random.default_rng(seed))
    for i, where in enumerate(moved(after)):
        assert where.any()
        donors, wanted = np.unique(after.images[i, 0][where]), np.unique(after.index[i][where])
        assert len(donors) == len(wanted) == 1 and wanted[0] in (1, 3) and after.valid[i][where].all()
        donor = int(donors[0])
        regions, _ = ndimage.label((before.index[donor] == wanted[0]) & before.valid[donor])
        pixels = after.images[i, 1][where].astype(int)
        number = regions.ravel()[pixels[0]]
        assert number > 0 and (np.sort(pixels) == np.flatnonzero(regions == number)).all()
        rows, cols = np.nonzero(where)
        shift = (rows - pixels // 20, cols - pixels % 20)
        assert all((line == line[0]).all() for line in shift)


def test_rarer_classes_are_pasted_more_often() -> None:
    rng, wanted = np.random.default_rng(0), []
    before = batch(0, 6, 24)
    rarity = rarity_of(np.array([100_000, 100_000, 3000, 1000]))
    for _ in range(100):
        after = copy_paste(before, 1.0, rarity, rng)
        wanted += [int(after.index[i][where][0]) for i, where in enumerate(moved(after)) if where.any()]
    assert np.bincount(wanted, minlength=4)[:2].sum() == 0
    assert np.mean(np.array(wanted) == 3) == pytest.approx(0.75, abs=0.06)


def test_what_is_rare_has_less_than_an_equal_share() -> None:
    assert (rarity_of(np.array([70, 20, 10, 0])) > 0).tolist() == [False, True, True, False]
    assert rarity_of(np.array([70, 20, 10, 0]))[2] == pytest.approx(2 * rarity_of(np.array([70, 20, 10, 0]))[1])
    assert (rarity_of(np.array([5, 5])) > 0).all()
    assert len(rarity_of(np.zeros(0, np.int64))) == 0


def test_without_a_rare_class_nothing_is_pasted() -> None:
    before = batch(0, 3, 9)
    before.index[:] = 0
    assert not moved(copy_paste(before, 1.0, rarity_of(np.array([9, 1])), np.random.default_rng(0))).any()
    before.index[:] = IGNORE
    assert not moved(copy_paste(before, 1.0, rarity_of(np.array([9, 1])), np.random.default_rng(0))).any()
