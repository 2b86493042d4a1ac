"""What a shift explains is absorbed, and nothing else."""

import numpy as np
import pytest

from geoseg.compare.tolerance import absorb, footprint, halo


def slow(before: np.ndarray, after: np.ndarray, radius: int) -> np.ndarray:
    """Pixel by pixel, in the words of the docstring."""
    out = after.copy()
    rows, cols = before.shape
    for row, col in np.ndindex(rows, cols):
        old, new = before[row, col], after[row, col]
        if 0 in (old, new) or old == new:
            continue
        near = [
            (row + r, col + c)
            for r, c in footprint(radius)
            if 0 <= row + r < rows and 0 <= col + c < cols
        ]  # fmt: skip
        if any(before[at] == new for at in near) and any(after[at] == old for at in near):
            out[row, col] = old
    return out


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_it_is_what_its_words_say(radius: int) -> None:
    rng = np.random.default_rng([5, radius])
    blobs = rng.integers(0, 4, (9, 11)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    before, after = blobs[2:30, :40], np.where(rng.random((28, 40)) < 0.1, 3, blobs[1:29, 1:41]).astype(np.uint8)
    assert np.array_equal(absorb(before, after, radius), slow(before, after, radius))


@pytest.mark.parametrize(("row", "col"), [(0, 1), (1, 1), (-1, 0), (1, -1)])
def test_a_shifted_map_of_wide_places_has_no_change(row: int, col: int) -> None:
    land = np.random.default_rng(2).integers(1, 5, (8, 8)).astype(np.uint8).repeat(6, 0).repeat(6, 1)
    before, after = land[1:-1, 1:-1], np.roll(land, (row, col), (0, 1))[1:-1, 1:-1]
    found = absorb(before, after, 1)
    assert (before != after).any()
    assert np.array_equal(found[1:-1, 1:-1], before[1:-1, 1:-1])


def test_a_changed_place_keeps_its_area() -> None:
    before = np.ones((30, 30), np.uint8)
    before[:, 20:] = 2
    after = before.copy()
    after[5:12, 5:12] = 3
    after[20:27, 4:9] = 2
    assert np.array_equal(absorb(before, after, 2), after), "no shift of 2 px brings a class from 11 px away"


def test_nodata_stays_and_explains_nothing() -> None:
    before = np.array([[1, 1, 0, 2, 2]], np.uint8)
    after = np.array([[1, 2, 0, 2, 0]], np.uint8)
    assert absorb(before, after, 1).tolist() == after.tolist()


def test_the_same_pixels_change_when_the_maps_are_swapped() -> None:
    rng = np.random.default_rng(8)
    one, other = (rng.integers(0, 3, (40, 40)).astype(np.uint8) for _ in range(2))
    assert np.array_equal(absorb(one, other, 1) != one, absorb(other, one, 1) != other)


def test_a_window_with_its_halo_is_the_whole() -> None:
    rng = np.random.default_rng(3)
    one, other = (rng.integers(0, 3, (60, 50)).astype(np.uint8) for _ in range(2))
    whole, h = absorb(one, other, 2), halo(2)
    part = absorb(one[10 - h : 40 + h, 12 - h : 31 + h], other[10 - h : 40 + h, 12 - h : 31 + h], 2)
    assert np.array_equal(part[h:-h, h:-h], whole[10:40, 12:31])


def test_no_radius_absorbs_nothing() -> None:
    one = np.ones((3, 3), np.uint8)
    other = one + np.uint8(1)
    assert absorb(one, other, 0) is other


def test_the_footprint_of_a_shift() -> None:
    assert len(footprint(1)) == 9, "a shift of half a pixel down and right rounds to a neighbour at a corner"
    assert len(footprint(2)) == 21
    reached = {tuple(np.round([2 * np.sin(a), 2 * np.cos(a)]).astype(int)) for a in np.linspace(0, 7, 5000)}
    assert reached <= {tuple(at) for at in footprint(2)}
