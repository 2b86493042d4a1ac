"""Noise and half a pixel are told from change, and what cannot be told is said."""

import numpy as np
import pytest

from bench.flicker import figures
from geoseg.compare.error_estimate import ErrorEstimate
from geoseg.compare.errors_model import estimate_change
from geoseg.compare.lags import LagCounts
from geoseg.compare.map_errors import MapErrors

KNOWN = MapErrors.of_accuracy(0.97, 4)


def land(side: int, seed: int, move: tuple[float, float] = (0, 0), grown: float = 0.0) -> np.ndarray:
    """Classes of the nearest of scattered points (a Voronoi mosaic), of which some have become the last class."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng([seed, 1])
    points, classes = rng.uniform(-20, side + 20, (side * side // 120, 2)), rng.integers(1, 4, side * side // 120)
    classes = np.where(rng.random(len(points)) < grown, 4, classes)
    row, col = np.mgrid[:side, :side]
    at = np.stack([row.ravel() + move[0], col.ravel() + move[1]], axis=1)
    return classes[cKDTree(points).query(at)[1]].reshape(side, side).astype(np.uint8)


def noisy(classes: np.ndarray, seed: int, rate: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng([seed, 2])
    other = (classes - 1 + rng.integers(1, 4, classes.shape)) % 4 + 1
    return np.where(rng.random(classes.shape) < rate, other, classes).astype(np.uint8)


def estimated(one: np.ndarray, other: np.ndarray, *errors: MapErrors | None, classes: int = 4) -> ErrorEstimate:
    counts = LagCounts.count(lambda w: (one[w.slices], other[w.slices]), one.shape, range(1, classes + 1))
    found = estimate_change(counts, *errors)
    assert found is not None
    return found


def test_half_a_pixel_and_noise_on_synthetic_land() -> None:
    """The experiment of bench/flicker.py, small: what differs is 3 times too much and more, the truth is in the interval."""
    for row in figures(288, range(2), shift=(0.0, 0.5)):
        truth = row["truth"]
        assert row["naive"] > 3 * truth or truth > 0.03
        assert row["naive"] > 2.4 * truth
        for kind in ("stated", "specks"):
            value, low, high = row[kind]
            assert low <= truth <= high, (kind, row)
            assert abs(value - truth) < 0.006, (kind, row)
            assert high - low < 0.035, (kind, row)
        assert row["significant"] == (row["stated"][1] > 0)
        assert not row["significant"] or truth > 0
        assert row["shift"] == pytest.approx((0, -0.5), abs=0.09), "AFTER's grid lies right, so its content lies left"


def test_the_interval_covers_the_truth() -> None:
    """Of 30 draws of the noise without a shift, where no bounds of borders widen it: 95 % and more."""
    one, other = land(128, 5), land(128, 5, grown=0.03)
    truth = float((one != other).mean())
    found = [estimated(noisy(one, 2 * k), noisy(other, 2 * k + 1), KNOWN, KNOWN) for k in range(30)]
    assert sum(item.low <= truth <= item.high for item in found) / 30 >= 0.9
    assert abs(np.mean([item.raw for item in found]) - truth) < 0.003
    assert max(item.high - item.low for item in found) < 0.025


def test_a_shift_in_any_direction_without_noise() -> None:
    perfect = MapErrors.of_accuracy(1.0, 4)
    for move in ((0.5, 0.5), (0.3, -0.6), (0.0, 0.25), (-1.2, 0.4)):
        one, other, there = land(200, 7), land(200, 7, move, 0.02), land(200, 7, grown=0.02)
        found, truth = estimated(one, other, perfect, perfect), float((one != there).mean())
        assert found.low <= truth <= found.high
        assert found.change == pytest.approx(truth, abs=0.006)
        assert found.shift == pytest.approx((-move[0], -move[1]), abs=0.08)


def test_transitions_are_those_of_the_truth() -> None:
    one, other, there = land(300, 3), land(300, 3, (0, 0.5), 0.05), land(300, 3, grown=0.05)
    found = estimated(noisy(one, 1), noisy(other, 2), KNOWN, KNOWN)
    truth = np.bincount((one.astype(int) - 1).ravel() * 4 + there.ravel() - 1, minlength=16).reshape(4, 4) / one.size
    assert np.abs(found.matrix - truth).max() < 0.006
    assert found.matrix.sum() == pytest.approx(1)
    assert found.matrix.min() >= 0
    assert found.matrix.sum() - np.trace(found.matrix) == pytest.approx(found.change)


def test_the_same_map_twice_has_no_change() -> None:
    one = land(100, 2)
    found = estimated(one, one)
    assert (found.observed, found.change, found.high) == pytest.approx((0, 0, 0), abs=0.002)
    assert not found.significant
    assert found.statement() == "No pixel differs."


def test_what_errors_explain_is_said_to_be_no_more() -> None:
    one = land(200, 4)
    found = estimated(noisy(one, 1), noisy(one, 2), KNOWN, KNOWN)
    assert not found.significant
    assert "no more than the two maps' own errors explain" in found.statement()
    assert found.explained_low <= found.observed <= found.explained_high


def test_shared_errors_contradict_independent_ones() -> None:
    """Both maps make the very same errors: the estimate would be far below 0, and says that it cannot tell."""
    one = noisy(land(200, 4), 1)
    assert not estimated(one, one, KNOWN, KNOWN).consistent
    other = noisy(land(200, 4, grown=0.02), 1)
    truth = float((land(200, 4) != land(200, 4, grown=0.02)).mean())
    found = estimated(one, other, KNOWN, KNOWN)
    assert not found.consistent and not found.significant
    assert "cannot be told" in found.statement()
    assert found.low <= truth <= found.high


def test_an_uncertain_accuracy_widens_the_interval() -> None:
    one, other = noisy(land(200, 4), 1), noisy(land(200, 4, grown=0.05), 2)
    unsure = MapErrors.of_accuracy(0.97, 4, 0.005)
    exact, wide = estimated(one, other, KNOWN, KNOWN), estimated(one, other, unsure, unsure)
    assert wide.raw == pytest.approx(exact.raw)
    added = np.sqrt((wide.below / 1.96) ** 2 - (exact.below / 1.96) ** 2)
    assert added == pytest.approx(0.005 * 2**0.5, rel=0.35)


def test_without_stated_errors_larger_ones_are_said_to_count() -> None:
    one, other = noisy(land(200, 4), 1), noisy(land(200, 4, grown=0.05), 2)
    found = estimated(one, other)
    assert "larger errors" in found.statement()
    assert any("were not stated" in text for text in found.to_json()["assumes"])


def test_swapped_maps_have_the_same_change_and_transposed_transitions() -> None:
    one, other = noisy(land(200, 4), 1), noisy(land(200, 4, (0.4, 0), 0.05), 2)
    forth, back = estimated(one, other, KNOWN, KNOWN), estimated(other, one, KNOWN, KNOWN)
    assert back.change == pytest.approx(forth.change, abs=0.002)
    assert np.abs(back.matrix - forth.matrix.T).max() < 0.003


def test_the_share_of_all_pixels_moves_the_estimate() -> None:
    one, other = noisy(land(200, 4), 1), noisy(land(200, 4, grown=0.05), 2)
    found = estimated(one, other, KNOWN, KNOWN)
    whole = found.of_whole(found.observed + 0.01)
    assert whole.change == pytest.approx(found.change + 0.01)
    assert whole.matrix.sum() - np.trace(whole.matrix) == pytest.approx(whole.change)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 3), (40, 2)])
def test_tiny_maps_and_maps_without_pixels(shape: tuple[int, int]) -> None:
    one, other = np.ones(shape, np.uint8), np.full(shape, 2, np.uint8)
    found = estimated(one, other, KNOWN, KNOWN)
    assert found.observed == 1
    assert 0 <= found.low <= found.change <= found.high <= 1
    counts = LagCounts.count(lambda w: (one[w.slices] * 0, other[w.slices]), shape, range(1, 5))
    assert estimate_change(counts, KNOWN, KNOWN) is None
