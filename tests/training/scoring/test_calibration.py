"""Calibration against the published formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.scoring.calibration import BINS, CalibrationCounts, expected_calibration_error


def of(best: np.ndarray, right: np.ndarray) -> CalibrationCounts:
    counts = np.zeros(3 * BINS, np.int64)
    for slots, weights in CalibrationCounts.slots(best.astype(np.float32), right):
        np.add.at(counts, slots, 1 if weights is None else weights)
    return CalibrationCounts(counts.reshape(3, BINS))


def formula(best: np.ndarray, right: np.ndarray) -> float:
    """Guo et al. 2017, equation 3: bins (m-1)/M < p <= m/M, sum of |B_m|/n |acc(B_m) - conf(B_m)|."""
    total = 0.0
    for m in range(1, BINS + 1):
        inside = (best > (m - 1) / BINS) & (best <= m / BINS)
        if m == 1:
            inside |= best == 0
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - best[inside].mean())
    return total


def confidences(seed: int, count: int) -> np.ndarray:
    """Of all sizes, with many at the ends."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(count) < 0.2, rng.integers(0, 2, count), rng.random(count)).astype(np.float32)


@given(st.integers(0, 999), st.integers(1, 200))
def test_the_error_is_that_of_the_formula(seed: int, count: int) -> None:
    best = confidences(seed, count).astype(np.float64)
    on_an_edge = np.abs(best * BINS - np.rint(best * BINS)) < 1e-6
    best[on_an_edge] = np.clip(best[on_an_edge] + 0.01, 0, 1)
    right = np.random.default_rng(seed).random(len(best)) < best
    assert expected_calibration_error(of(best, right)) == pytest.approx(
        formula(best.astype(np.float32), right), abs=1e-6
    )


def test_a_case_worked_by_hand() -> None:
    """Ten pixels at 0.9, of which 7 right, and ten at 0.5, of which 6: half of 0.2 and half of 0.1."""
    best = np.repeat([0.9, 0.5], 10)
    right = np.array([True] * 7 + [False] * 3 + [True] * 6 + [False] * 4)
    found = of(best, right)
    assert expected_calibration_error(found) == pytest.approx(0.15, abs=1e-6)
    filled = [row for row in found.table() if row["pixels"]]
    assert [(row["pixels"], row["accuracy"], row["confidence"]) for row in filled] == [(10, 0.6, 0.5), (10, 0.7, 0.9)]
    assert filled[1]["low"] < 0.9 <= filled[1]["high"]


@given(st.integers(0, 999), st.integers(1, 80), st.integers(0, 80))
def test_counts_of_parts_add_to_those_of_the_whole_to_the_last_bit(seed: int, count: int, cut: int) -> None:
    best = confidences(seed, count)
    right = best > 0.4
    parts = of(best[:cut], right[:cut]).counts + of(best[cut:], right[cut:]).counts
    assert np.array_equal(parts, of(best, right).counts)


def test_no_pixel_has_no_error() -> None:
    assert np.isnan(expected_calibration_error(of(np.zeros(0), np.zeros(0, bool))))
