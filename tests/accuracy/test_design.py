"""Allocation: sums, bounds, the published example, and Neyman's optimum."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from geoseg.accuracy.design import allocate, expected_error, samples_needed, shares_of

# Olofsson et al. 2014, section 5: mapped shares and conjectured user's accuracies.
WEIGHTS = [0.020, 0.015, 0.320, 0.645]
ACCURACY = [0.70, 0.60, 0.90, 0.95]
PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]


def test_the_published_sample_size() -> None:
    """Olofsson et al. 2014: n = 641 for a standard error of 0.01."""
    assert samples_needed(PIXELS, ACCURACY, 0.01) == 641
    assert samples_needed(PIXELS, ACCURACY, 1e-300) == np.inf


def test_the_published_proportional_allocation() -> None:
    """Olofsson et al. 2014, table 5, "Proportional": 13, 10, 205, 413."""
    assert allocate(641, PIXELS, shares_of("proportional", PIXELS)) == [13, 10, 205, 413]


def test_a_rare_class_gets_its_minimum_and_the_others_share_the_rest_by_area() -> None:
    got = allocate(640, PIXELS, shares_of("proportional", PIXELS), minimum=75)
    assert got[:2] == [75, 75]
    assert got[2:] == [round(490 * 0.320 / 0.965), round(490 * 0.645 / 0.965)]


def test_equal_allocation_is_equal_and_neyman_is_by_area_and_spread() -> None:
    assert allocate(640, PIXELS, shares_of("equal", PIXELS)) == [160] * 4
    shares = shares_of("neyman", PIXELS, ACCURACY)
    wanted = np.array([w * math.sqrt(u * (1 - u)) for w, u in zip(WEIGHTS, ACCURACY, strict=True)])
    assert shares / shares.sum() == pytest.approx(wanted / wanted.sum())


def test_no_allocation_beats_neymans() -> None:
    best = allocate(400, PIXELS, shares_of("neyman", PIXELS, ACCURACY))
    least = expected_error(PIXELS, ACCURACY, best)
    rng = np.random.default_rng(0)
    for _ in range(200):
        other = allocate(400, PIXELS, rng.random(4), minimum=2)
        assert expected_error(PIXELS, ACCURACY, other) >= least * (1 - 1e-3)
    moved = [[best[i] + (i == a) - (i == b) for i in range(4)] for a in range(4) for b in range(4) if a != b]
    assert min(expected_error(PIXELS, ACCURACY, other) for other in moved) >= least * (1 - 1e-3)


def test_what_a_small_stratum_cannot_take_goes_to_the_others() -> None:
    assert allocate(100, [10, 1000, 1000], np.ones(3)) == [10, 45, 45]
    assert allocate(100, [10, 20, 30], np.ones(3)) == [10, 20, 30]
    assert allocate(50, [10, 20, 300], np.array([1.0, 1.0, 0.0]), minimum=5) == [10, 20, 20]


def test_strata_without_a_share_get_the_minimum_only() -> None:
    assert allocate(100, [1000, 1000, 1000], np.array([1.0, 0.0, 1.0]), minimum=8) == [46, 8, 46]
    assert sum(allocate(100, [1000, 500], np.zeros(2))) == 100


@given(
    total=st.integers(1, 5000),
    strata=st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 1e12)), min_size=1, max_size=12),
    minimum=st.integers(0, 200),
)
def test_allocations_sum_to_the_total_within_their_bounds(
    total: int, strata: list[tuple[int, float]], minimum: int
) -> None:
    pixels, shares = [n for n, _ in strata], np.array([s for _, s in strata])
    got = allocate(total, pixels, shares, minimum=minimum)
    assert sum(got) == min(total, sum(pixels))
    least = min(minimum, min(total, sum(pixels)) // len(pixels))
    assert all(min(least, n) <= own <= n for own, n in zip(got, pixels, strict=True))


@given(strata=st.lists(st.tuples(st.integers(500, 3000), st.floats(0.01, 100)), min_size=2, max_size=6))
def test_between_the_bounds_samples_are_in_the_ratio_of_the_shares(strata: list[tuple[int, float]]) -> None:
    pixels, shares = [n for n, _ in strata], np.array([s for _, s in strata])
    got = allocate(400, pixels, shares)
    assert np.abs(np.array(got) - 400 * shares / shares.sum()).max() < 1


def test_the_error_to_expect_is_that_of_the_formula_and_unknown_for_one_sample() -> None:
    samples = [100, 50, 200, 290]
    wanted = math.sqrt(sum(w**2 * u * (1 - u) / (n - 1) for w, u, n in zip(WEIGHTS, ACCURACY, samples, strict=True)))
    assert expected_error(PIXELS, ACCURACY, samples) == pytest.approx(wanted)
    assert math.isnan(expected_error(PIXELS, ACCURACY, [1, 50, 200, 290]))
