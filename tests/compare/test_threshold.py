"""Thresholds against simulation and against trying every one."""

import numpy as np
import pytest
from scipy import stats

from geoseg.compare.threshold import Null, decide, kittler, otsu

DRAWN = np.random.default_rng(0).standard_normal((400_000, 4)) ** 2


@pytest.mark.parametrize("bands", [1, 3, 8])
def test_uncorrelated_differences_make_a_chi_square(bands: int) -> None:
    null, at = Null.of(np.ones(bands)), np.array([0, 0.5, 2, 4, 6, 60.0])
    np.testing.assert_allclose(null.chance(at), stats.chi2.sf(at**2, bands), rtol=1e-12)
    assert null.magnitude(0.001) ** 2 == pytest.approx(stats.chi2.isf(0.001, bands), rel=1e-3)


@pytest.mark.parametrize("spectrum", [[1.9, 0.1], [3.4, 0.3, 0.2, 0.1], [2, 1, 0.7, 0.3], [3.0, 1e-15, 0.0]])
def test_correlated_ones_a_sum_of_weighted_ones(spectrum: list[float]) -> None:
    sums = np.sqrt(DRAWN[:, : len(spectrum)] @ np.array(spectrum))
    null = Null.of(np.array(spectrum))
    for rate in (0.5, 0.1, 0.01, 0.001):
        at = null.magnitude(rate)
        assert (sums > at).mean() == pytest.approx(rate, rel=0.08, abs=3e-5)
        assert null.chance(np.array([at]))[0] == pytest.approx(rate, rel=0.01)
    chances = null.chance(np.linspace(0, 70, 5000))
    assert chances[0] == 1 and chances[-1] == 0 and (np.diff(chances) <= 0).all()


def test_otsu_parts_best_of_all_thresholds() -> None:
    draw = np.random.default_rng(1)
    counts = np.bincount(np.concatenate([draw.poisson(9, 900), draw.poisson(30, 300)]), minlength=64).astype(np.int64)
    bins = np.arange(len(counts))

    def within(code: int) -> float:
        values = np.repeat(bins, counts)
        return sum(len(p) * p.var() for p in (values[values < code], values[values >= code]) if len(p))

    found = otsu(counts)
    assert within(found) == pytest.approx(min(within(code) for code in range(1, len(counts))))
    assert 15 < found < 25


def test_least_error_is_the_least_of_all_thresholds() -> None:
    draw = np.random.default_rng(2)
    values = np.concatenate([draw.normal(60, 5, 5000), draw.normal(110, 15, 800)]).round().astype(int)
    counts = np.bincount(values, minlength=200).astype(np.int64)

    def cost(code: int) -> float:
        parts = values[values < code], values[values >= code]
        if any(len(p) < 2 or p.var() < 1e-3 for p in parts):
            return np.inf
        shares = [len(p) / len(values) for p in parts]
        return 1 + 2 * sum(w * np.log(p.std()) - w * np.log(w) for w, p in zip(shares, parts, strict=True))

    found = kittler(counts)
    assert cost(found) == pytest.approx(min(cost(code) for code in range(1, 200)))
    assert 70 < found < 90


@pytest.mark.parametrize("rule", ["otsu", "kittler"])
def test_one_heap_falls_back_on_false_alarms(rule: str) -> None:
    counts = np.zeros(1000, np.int64)
    counts[0] = 500
    found = decide(counts, 0.01, Null.of(np.ones(3)), rule, 0.01)
    assert found.rule == "false-alarm" and found.magnitude == pytest.approx(np.sqrt(stats.chi2.isf(0.01, 3)), abs=0.011)


def test_the_stated_rate_is_that_of_the_rounded_threshold() -> None:
    found = decide(np.zeros(70_000, np.int64), 0.001, Null.of(np.ones(4)), "false-alarm", 0.001)
    assert found.code * 0.001 == found.magnitude
    assert found.false_alarm <= 0.001 and found.false_alarm == pytest.approx(
        stats.chi2.sf(found.magnitude**2, 4), rel=1e-5
    )
