"""Intervals: Wilson's where there is one stratum, the likelihood's under each value elsewhere; and how often they hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from bench.coverage import World, allocated, coverage, make_world
from geoseg.accuracy.estimators import Labelled, Population, Ratios, ratios
from geoseg.accuracy.intervals import Z, _tilted, find_root, normal, score


def wilson(hits: int, n: int) -> tuple[float, float]:
    p, d = hits / n, 1 + Z * Z / n
    middle, half = (p + Z * Z / 2 / n) / d, Z * np.sqrt(p * (1 - p) / n + Z * Z / 4 / n / n) / d
    return middle - half, middle + half


@pytest.mark.parametrize(("hits", "n"), [(66, 75), (0, 30), (30, 30), (1, 1), (0, 1), (1, 200), (199, 200)])
def test_one_stratum_gives_the_interval_of_wilson(hits: int, n: int) -> None:
    zero = np.zeros(n, np.int64)
    sample = Labelled(zero, zero, (np.arange(n) >= hits).astype(np.int64), np.ones(n))
    made = ratios(Population(np.array([10**9]), np.array([5.0]), np.array([[True, False]])), sample)
    low, high = score(made)
    for i in (0, 1, 3):  # overall accuracy, share of class 0, user's accuracy of class 0
        assert (low[i], high[i]) == pytest.approx(wilson(hits, n), abs=1e-8)


def random_sample(seed: int, *, classes_are_strata: bool) -> tuple[Population, Labelled]:
    rng = np.random.default_rng(seed)
    n = rng.integers(5, 30, 3)
    stratum = np.repeat(np.arange(3), n)
    mapped = stratum if classes_are_strata else rng.integers(0, 3, len(stratum))
    reference = np.where(rng.random(len(stratum)) < 0.7, mapped, rng.integers(0, 3, len(stratum)))
    may = np.eye(3, dtype=bool) if classes_are_strata else np.ones((3, 3), bool)
    area = rng.uniform(0.1, 10, 3)
    return Population(np.full(3, 10**9), area, may), Labelled(stratum, mapped, reference, np.ones(len(stratum)))


def statistic(made: Ratios, i: int, ratio: float) -> float:
    """The score test's statistic of one ratio, from shares that a general optimizer makes most likely."""
    share = np.stack([made.hit[:, i], made.miss[:, i], 1 - made.hit[:, i] - made.miss[:, i]])
    may = np.stack([made.may_hit[:, i], made.may_miss[:, i], made.may_rest[:, i]])
    d, area = np.array([1 - ratio, -ratio, 0.0])[:, None], made.area[:, 0] / made.area.sum()
    n = 1 / made.noise[:, 0]
    strata = share.shape[1]

    def of(x: np.ndarray) -> np.ndarray:
        return np.where(may, x.reshape(3, strata), 0)

    rules = [
        {"type": "eq", "fun": lambda x: of(x).sum(0) - 1},
        {"type": "eq", "fun": lambda x: (area * (of(x) * d).sum(0)).sum() * 10},
    ]
    first = np.where(may, np.maximum(share, 0.02), 0)
    found = minimize(
        lambda x: -(n * share * np.log(np.maximum(of(x), 1e-12))).sum() / n.sum(),
        (first / first.sum(0)).ravel(), constraints=rules, bounds=[(0, 1)] * share.size,
        method="SLSQP", options={"maxiter": 2000, "ftol": 1e-14},
    )  # fmt: skip
    p = of(found.x)
    variance = (area**2 / n * ((p * d**2).sum(0) - (p * d).sum(0) ** 2)).sum()
    return float((area * (share * d).sum(0)).sum() / np.sqrt(variance))


@pytest.mark.parametrize(("seed", "of_classes"), [(1, True), (2, True), (3, False), (4, False)])
def test_the_ends_are_where_the_likeliest_shares_put_them(seed: int, of_classes: bool) -> None:
    made = ratios(*random_sample(seed, classes_are_strata=of_classes))
    low, high = score(made)
    for i in (0, 1, 5, 8):  # overall, an area, a user's and a producer's accuracy
        value = made.value[i]
        if 0 < value < 1:
            assert statistic(made, i, low[i]) == pytest.approx(Z, abs=2e-3)
            assert statistic(made, i, high[i]) == pytest.approx(-Z, abs=2e-3)


def test_intervals_hold_the_estimate_and_stay_within_bounds() -> None:
    for seed in range(8):
        made = ratios(*random_sample(seed, classes_are_strata=seed % 2 == 0))
        for interval in (normal, score):
            low, high = interval(made)
            known = np.isfinite(made.value)
            assert (low[known] <= made.value[known]).all() and (made.value[known] <= high[known]).all()
            assert (low[known] >= 0).all() and (high[known] <= 1).all()


def test_a_class_that_was_found_nowhere_may_be_there_all_the_same() -> None:
    """Ten samples, all right: the normal interval says that class 1 has no area; the score interval how much it may have."""
    strata = np.repeat([0, 1], 10)
    sample = Labelled(strata, strata, np.zeros(20, np.int64), np.ones(20))
    made = ratios(Population(np.array([10**8, 10**6]), np.array([100.0, 1.0]), np.eye(2, dtype=bool)), sample)
    assert normal(made)[1][2] == 0
    assert score(made)[0][2] == 0 and 0.2 < score(made)[1][2] < 0.35
    assert np.isnan(made.value[6]) and np.isnan(score(made)[0][6])  # nobody saw it: no producer's accuracy


def test_scores_grow_narrow_and_symmetric_with_the_sample() -> None:
    matrix = np.array([[8, 2], [1, 9]]) * 5000
    mapped, reference = np.nonzero(matrix)
    mapped, reference = (np.repeat(part, matrix.ravel()) for part in (mapped, reference))
    sample = Labelled(mapped, mapped, reference, np.ones(len(mapped)))
    made = ratios(Population(np.array([10**9, 10**9]), np.array([1.0, 3.0]), np.eye(2, dtype=bool)), sample)
    for ours, theirs in zip(score(made), normal(made), strict=True):
        assert ours == pytest.approx(theirs, abs=2e-4)


def test_roots_are_those_of_brent() -> None:
    at = np.linspace(0.1, 3, 40)
    found = find_root(lambda x: np.cos(x) - at * x, np.zeros(40), np.full(40, 2.0))
    slow = [brentq(lambda x, a=a: np.cos(x) - a * x, 0, 2, xtol=1e-13) for a in at]
    assert found == pytest.approx(slow, abs=1e-9)


def test_where_nothing_changes_sign_the_root_is_the_better_end() -> None:
    assert find_root(lambda x: x + 1.0, np.zeros(2), np.ones(2)).tolist() == [0, 0]


def small_world() -> World:
    """Three classes of 70, 27 and 3 %, a tenth of each mapped as another one."""
    rng = np.random.default_rng(8)
    reference = rng.choice(3, (300, 300), p=[0.7, 0.27, 0.03])
    return World.of(np.where(rng.random((300, 300)) < 0.1, rng.choice(3, (300, 300)), reference), reference)


def test_score_intervals_hold_the_truth_where_normal_ones_do_not() -> None:
    """300 draws of 120 samples; the bound is three standard errors of a share of 93 %, below it."""
    world = small_world()
    found = coverage(world, allocated(world, 120, "proportional"), 300)
    least = 0.93 - 3 * np.sqrt(0.93 * 0.07 / 300)
    assert found["score"]["known"].min() > 0.9
    assert (found["score"]["held"] >= least).all()
    assert found["normal"]["held"].min() < 0.85  # the rare class
    assert 0.93 <= found["score"]["held"].mean() <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(("border", "total"), [(False, 300), (False, 1000), (True, 300), (True, 1000)])
def test_on_synth_truth_1000_draws_are_covered_as_often_as_they_say(border: bool, total: int) -> None:
    """On the mean of all figures 93-97 %; each of them 93 % but for what 1000 draws leave to chance, and for steps of counts."""
    world = make_world(1024, border=border)
    for allocation in ("proportional", "equal"):
        found = coverage(world, allocated(world, total, allocation), 1000)["score"]
        assert 0.93 <= found["held"].mean() <= 0.97
        assert found["held"].min() >= 0.90


def test_a_tilt_that_drowns_a_rare_share_gives_numbers() -> None:
    share, may = np.array([[1e-6], [1 - 1e-6]]), np.ones((2, 1), bool)
    for tilt in (1e3, 1e9, 1e17):
        with np.errstate(all="raise"):
            found = _tilted(share, may, np.array([[tilt], [0.0]]))
        assert np.isfinite(found).all() and abs(found.sum() - 1) < 1e-12
    with np.errstate(all="raise"):
        assert np.isfinite(_tilted(share, may, np.array([[-1e17], [1e17]]))).all()
