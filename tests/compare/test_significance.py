"""Confidence and probability decide pixel by pixel."""

import numpy as np
import pytest

from geoseg.compare.significance import UNKNOWN, confident, joint_probability


def test_joint_probability_is_the_product_of_both_dates() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), (2, 5, 7)).astype(np.float32).transpose(0, 3, 1, 2)
    before, after = rng.integers(0, 4, (2, 5, 7)).astype(np.uint8)
    found = joint_probability(before, after, p[0], p[1])
    for row, col in np.ndindex(5, 7):
        i, j = int(before[row, col]), int(after[row, col])
        wanted = p[0, i - 1, row, col] * p[1, j - 1, row, col] if i and j else 0
        assert found[row, col] == pytest.approx(wanted, rel=1e-6)


def test_transitions_and_persistence_add_to_one() -> None:
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(3), (2, 4, 4)).astype(np.float32).transpose(0, 3, 1, 2)
    total = np.zeros((4, 4))
    for i in (1, 2, 3):
        for j in (1, 2, 3):
            whole = np.full((4, 4), i, np.uint8), np.full((4, 4), j, np.uint8)
            total += joint_probability(*whole, p[0], p[1])
    assert np.allclose(total, 1, atol=1e-5)


def test_what_is_not_a_number_is_not_probable() -> None:
    one = np.ones((1, 1), np.uint8)
    nothing = np.full((1, 1, 1), np.nan, np.float32)
    assert joint_probability(one, one, nothing, nothing).item() == 0
    assert joint_probability(one * 9, one, nothing, nothing).item() == 0


def test_confidence_below_the_least_at_either_date_and_unknown_ones() -> None:
    before, after = np.array([[90, 40, 60, UNKNOWN]], np.uint8), np.array([[80, 90, UNKNOWN, UNKNOWN]], np.uint8)
    assert confident(before, after, 60).tolist() == [[True, False, True, True]]
    assert confident(before, None, 61).tolist() == [[True, False, False, True]]
    assert confident(None, None, 50) is None
