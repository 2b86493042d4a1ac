"""Intervals against a jackknife and a bootstrap written out, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from geoseg.training.scoring.intervals import interval


def share(counts: np.ndarray) -> np.ndarray:
    """A score: right of all, and its square."""
    right, all_ = counts[..., 0].astype(float), counts[..., 1]
    ratio = np.divide(right, all_, out=np.full(right.shape, np.nan), where=all_ > 0)
    return np.stack([ratio, ratio**2], axis=-1)


def some_blocks(seed: int = 0, count: int = 12, *, equal: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sizes = np.full(count, 100) if equal else rng.integers(20, 200, count)
    return np.column_stack([rng.binomial(sizes, rng.beta(6, 2, count)), sizes])


@pytest.mark.parametrize("seed", range(3))
def test_the_jackknife_is_that_of_busing_written_out(seed: int) -> None:
    blocks = some_blocks(seed)
    n, g = blocks[:, 1].sum(), len(blocks)
    for i in range(2):
        whole = share(blocks.sum(axis=0))[i]
        without = [share(np.delete(blocks, j, axis=0).sum(axis=0))[i] for j in range(g)]
        h = [n / m for m in blocks[:, 1]]
        centre = g * whole - sum((1 - blocks[j, 1] / n) * without[j] for j in range(g))
        variance = sum((h[j] * whole - (h[j] - 1) * without[j] - centre) ** 2 / (h[j] - 1) for j in range(g)) / g
        half = stats.t.ppf(0.975, g - 1) * variance**0.5
        low, high = interval(blocks, blocks[:, 1], share, method="jackknife")
        assert (low[i], high[i]) == (pytest.approx(whole - half), pytest.approx(whole + half))


def test_for_equal_blocks_a_mean_has_the_textbook_interval() -> None:
    blocks = some_blocks(equal=True)
    means = blocks[:, 0] / blocks[:, 1]
    expected = stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))
    low, high = interval(blocks, blocks[:, 1], share, method="jackknife")
    assert (low[0], high[0]) == pytest.approx(expected)


def test_the_bootstrap_is_about_the_jackknife_and_the_same_for_one_seed() -> None:
    blocks = some_blocks(count=60)
    for one, other in zip(
        *(interval(blocks, blocks[:, 1], share, method=m) for m in ("jackknife", "bootstrap")), strict=True
    ):
        assert one == pytest.approx(other, abs=0.02)
    first, again, other = (interval(blocks, blocks[:, 1], share, method="bootstrap", seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_intervals_hold_the_truth_about_95_times_in_100(method: str) -> None:
    """Blocks whose pixels are alike; an interval that took pixels for independent would hold it 40 times in 100."""
    held = []
    for seed in range(300):
        blocks = some_blocks(seed, 40)
        low, high = interval(blocks, blocks[:, 1], share, method=method)
        held.append(low[0] <= 6 / 8 <= high[0])
    assert 0.9 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_what_does_not_vary_has_an_interval_of_no_width(method: str) -> None:
    blocks = np.column_stack([[37, 3, 999], [37, 3, 999]])
    low, high = interval(blocks, blocks[:, 1], share, method=method)
    assert low.tolist() == high.tolist() == [1, 1]


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_one_block_or_a_score_of_one_block_has_no_interval(method: str) -> None:
    one = np.array([[3, 5]])
    assert np.isnan(interval(one, one[:, 1], share, method=method)).all()

    def of_a_class(counts: np.ndarray) -> np.ndarray:
        return share(counts)[..., :1]

    blocks = np.array([[3, 5], [0, 0], [0, 0], [0, 0]])
    assert np.isnan(interval(blocks, np.array([9, 9, 9, 9]), of_a_class, method=method)).all()
