"""What is on the ground is found again from maps whose errors are known, and is no more than that."""

import numpy as np
import pytest

from geoseg.compare.map_errors import MapErrors
from geoseg.compare.stay import LEAST, MOST, USUAL, false_change, stay_of, true_transitions


def truth_of(classes: int, change: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    had = rng.dirichlet(np.full(classes, 2.0))
    matrix = np.outer(had, np.full(classes, change / (classes - 1)))
    np.fill_diagonal(matrix, had * (1 - change))
    return matrix


@pytest.mark.parametrize("change", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_truth_is_found_where_counts_are_expectations(change, classes) -> None:
    truth = truth_of(classes, change)
    before, after = MapErrors.of_accuracy(0.85, classes).matrix, MapErrors.of_accuracy(0.92, classes).matrix
    seen = np.rint(before.T @ truth @ after * 1e8).astype(np.int64)
    found = true_transitions(seen, before, after)
    assert found.sum() == pytest.approx(1)
    assert 1 - stay_of(found) == pytest.approx(max(change, 1 - MOST), abs=0.004)


def test_maps_without_errors_are_the_truth() -> None:
    seen = np.random.default_rng(1).integers(0, 1000, (4, 4))
    assert true_transitions(seen, np.eye(4), np.eye(4)) == pytest.approx(seen / seen.sum(), abs=1e-9)


def test_false_change_is_what_pixels_drawn_without_change_show() -> None:
    truth = truth_of(3, 0.0, 2)
    before = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.0, 0.1, 0.9]])
    after = MapErrors.of_accuracy(0.8, 3).matrix
    rng = np.random.default_rng(3)
    ground = rng.choice(3, 200_000, p=truth.sum(axis=1))
    one, other = (
        (rng.random(len(ground))[:, None] > matrix.cumsum(axis=1)[ground]).sum(axis=1) for matrix in (before, after)
    )
    assert false_change(truth, before, after) == pytest.approx((one != other).mean(), abs=0.005)


def test_nothing_seen_says_nothing_and_the_bounds_hold() -> None:
    nothing = true_transitions(np.zeros((3, 3), np.int64), np.eye(3), np.eye(3))
    assert not nothing.any() and stay_of(nothing) == USUAL
    assert stay_of(np.array([[0.0, 0.5], [0.5, 0.0]])) == LEAST
    assert stay_of(np.array([[0.5, 0.0], [0.0, 0.5]])) == MOST
