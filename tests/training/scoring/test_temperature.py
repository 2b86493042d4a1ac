"""The temperature is the one that the labels were drawn with, in whatever pieces and order the logits come."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from geoseg.errors import BundleError
from geoseg.training.scoring.temperature import LIMITS, LogitSample, fit_temperature


def block(rng: np.random.Generator, temperature: float, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Logits float32 (4, side, side), and labels drawn from their softmax at ``temperature``."""
    logits = rng.normal(0, 3, (4, side, side)).astype(np.float32)
    scaled = np.exp(logits / temperature)
    bounds = (scaled / scaled.sum(0)).cumsum(0)
    index = np.minimum((rng.random((side, side)) > bounds).sum(0), 3).astype(np.uint8)
    return logits, index


def sampled(count: int, temperature: float = 2.0, capacity: int = 100_000) -> list[LogitSample]:
    rng = np.random.default_rng(5)
    return [LogitSample.of(*block(rng, temperature), key=[0, i], capacity=capacity) for i in range(count)]


def total(samples: list[LogitSample]) -> LogitSample:
    return sum(samples[1:], start=samples[0])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_the_labels_is_found_and_confidence_means_something_then(temperature: float) -> None:
    found = fit_temperature(total(sampled(8, temperature)))
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.likelihood[1] <= found.likelihood[0] and found.error[1] < 0.015
    if temperature != 1.0:
        assert found.error[1] < found.error[0]
    assert found.pixels == found.seen == 8 * 64 * 64
    assert found.facts()["ece_before"] == round(found.error[0], 6)


def test_no_other_temperature_is_better() -> None:
    sample = total(sampled(2))
    best = fit_temperature(sample)

    def likelihood(temperature: float) -> float:
        scaled = sample.logits.astype(np.float64) / temperature
        chosen = np.exp(scaled)[np.arange(len(scaled)), sample.index] / np.exp(scaled).sum(1)
        return float(-np.log(chosen).mean())

    assert best.likelihood[1] == pytest.approx(likelihood(best.value), rel=1e-9)
    assert all(best.likelihood[1] <= likelihood(t) + 1e-9 for t in np.geomspace(0.1, 10, 200))


def test_a_sample_is_the_same_in_any_order_and_bounded() -> None:
    parts = sampled(4, capacity=3000)
    whole = total(parts)
    assert len(whole.index) == 3000 and whole.seen == 4 * 64 * 64
    for order in itertools.permutations(parts):
        other = total(list(order))
        assert np.array_equal(other.logits, whole.logits) and np.array_equal(other.index, whole.index)
    nested = (parts[3] + parts[1]) + (parts[0] + parts[2])
    assert np.array_equal(nested.ranks, whole.ranks)
    rows = {tuple(row) for part in sampled(4) for row in part.logits.tolist()}
    assert all(tuple(row) in rows for row in whole.logits.tolist())


def test_what_is_not_labelled_is_left_out_even_when_not_finite() -> None:
    logits, index = block(np.random.default_rng(0), 2.0)
    index[:32] = 255
    holes = logits.copy()
    holes[:, :32] = np.nan
    sample = LogitSample.of(holes, index, key=[0])
    assert sample.seen == 32 * 64 and np.isfinite(sample.logits).all()
    holes[0, 40, 3] = np.inf
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        LogitSample.of(holes, index, key=[0])


def test_nothing_to_fit_on_leaves_logits_as_they_are() -> None:
    logits, index = block(np.random.default_rng(0), 2.0)
    empty = LogitSample.of(logits, np.full_like(index, 255), key=[0])
    assert fit_temperature(empty).value == 1.0 and empty.seen == 0
    one = LogitSample.of(logits[:1], np.zeros_like(index), key=[0])
    assert fit_temperature(one).value == 1.0


def test_a_sample_that_is_always_right_or_noise_ends_within_the_limits() -> None:
    logits, _ = block(np.random.default_rng(0), 2.0)
    right = fit_temperature(LogitSample.of(logits, logits.argmax(0).astype(np.uint8), key=[0]))
    assert LIMITS[0] <= right.value < 0.2
    noise = np.random.default_rng(1).integers(0, 4, logits.shape[1:]).astype(np.uint8)
    assert 5 < fit_temperature(LogitSample.of(logits, noise, key=[0])).value <= LIMITS[1]
