"""Temperature: one number that makes confidence mean something, fitted on validation logits (Guo et al. 2017, section 4.2).

Logits are divided by it before the softmax; classes stay as they are. It is folded into the network's last layer
(:func:`geoseg.model.scale.scale_logits`), so that every backend and export gives calibrated probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError
from geoseg.training.data.labels import IGNORE
from geoseg.training.scoring.calibration import BINS, CalibrationCounts, expected_calibration_error

LIMITS = (0.05, 20.0)
"""Temperatures outside are no calibration: the sample is too easy, or the network has learned nothing."""

CAPACITY = 200_000
"""Pixels that a sample keeps: the standard error of the mean log-likelihood is then far below what T changes."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LogitSample:
    """Logits of labelled pixels: a uniform random sample of all that were added, the same in whatever order they came.

    Each pixel draws a rank from the seed and its block's key; the lowest ``capacity`` ranks of all blocks are kept.

    ``logits`` float32 (n, classes), ``index`` uint8 (n,), ``ranks`` float64 (n,), ascending; ``seen``: labelled pixels of all.
    """

    logits: Floats
    index: npt.NDArray[np.uint8]
    ranks: npt.NDArray[np.float64]
    seen: int
    capacity: int = CAPACITY

    @classmethod
    def of(
        cls,
        logits: Floats,
        index: npt.NDArray[np.uint8],
        *,
        key: Sequence[int],
        seed: int = 0,
        capacity: int = CAPACITY,
    ) -> LogitSample:
        """Sample one block.

        Parameters
        ----------
        logits
            float32 (classes, rows, cols).
        index
            Class index uint8 (rows, cols); 255 where there is no label or no data.
        key
            Whole numbers that name the block, such as scene, row and column: no two blocks share theirs.

        Raises
        ------
        BundleError
            ``WEIGHTS``: a labelled pixel has NaN or infinite logits.
        """
        known = np.flatnonzero(index.ravel() != IGNORE)
        ranks = np.random.default_rng([seed, *key]).random(known.size)
        kept = _lowest(ranks, capacity)
        pixels = known[kept]
        values = np.ascontiguousarray(logits.reshape(len(logits), -1)[:, pixels].T, dtype=np.float32)
        if not np.isfinite(values).all():
            raise BundleError.of("WEIGHTS", "network", "gives NaN or infinite logits", "Train it again")
        return cls(values, index.ravel()[pixels].astype(np.uint8), ranks[kept], known.size, capacity)

    def __add__(self, other: LogitSample) -> LogitSample:
        """The sample of the blocks of both."""
        ranks = np.concatenate([self.ranks, other.ranks])
        capacity = min(self.capacity, other.capacity)
        kept = _lowest(ranks, capacity)
        logits = np.concatenate([self.logits, other.logits])[kept]
        index = np.concatenate([self.index, other.index])[kept]
        return LogitSample(logits, index, ranks[kept], self.seen + other.seen, capacity)


@dataclass(frozen=True, slots=True)
class Temperature:
    """A fitted temperature, and what it does on the pixels it was fitted on: negative log-likelihood and ECE, before and after.

    ``seen`` are the labelled pixels that the ``pixels`` of the sample stand for.
    """

    value: float
    pixels: int
    seen: int
    likelihood: tuple[float, float]
    error: tuple[float, float]

    def facts(self, fitted_on: str = "validation") -> dict[str, Any]:
        """What the card says of it; ``fitted_on`` are the places."""
        return {
            "temperature": round(self.value, 6), "method": "temperature scaling, folded into the last layer",
            "fitted_on": fitted_on, "pixels": self.pixels, "labelled_pixels": self.seen,
            "ece_before": round(self.error[0], 6), "ece_after": round(self.error[1], 6),
            "nll_before": round(self.likelihood[0], 6), "nll_after": round(self.likelihood[1], 6),
        }  # fmt: skip


def fit_temperature(sample: LogitSample) -> Temperature:
    """Find the temperature of the least negative log-likelihood; 1 where there is nothing to fit on.

    The likelihood is convex in 1/T, so the minimum within :data:`LIMITS` is the only one.
    """
    from scipy.optimize import minimize_scalar

    if not len(sample.index) or sample.logits.shape[1] < 2:
        return Temperature(1.0, len(sample.index), sample.seen, (0.0, 0.0), (0.0, 0.0))
    logits = sample.logits.astype(np.float64)
    low, high = (math.log(limit) for limit in LIMITS)
    found = minimize_scalar(
        lambda t: _likelihood(logits, sample.index, math.exp(t)),
        bounds=(low, high), method="bounded", options={"xatol": 1e-5},
    )  # fmt: skip
    value = math.exp(float(found.x))
    before, after = (_likelihood(logits, sample.index, t) for t in (1.0, value))
    if after >= before:  # at a minimum at 1 the search may end a rounding away from it
        value, after = 1.0, before
    errors = tuple(_calibration_error(logits, sample.index, t) for t in (1.0, value))
    return Temperature(value, len(sample.index), sample.seen, (before, after), (errors[0], errors[1]))


def _likelihood(logits: npt.NDArray[np.float64], index: npt.NDArray[np.uint8], temperature: float) -> float:
    """Mean negative log-likelihood of the labels."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    truth = scaled[np.arange(len(index)), index]
    return float((np.log(np.exp(scaled).sum(axis=1)) - truth).mean())


def _calibration_error(logits: npt.NDArray[np.float64], index: npt.NDArray[np.uint8], temperature: float) -> float:
    scaled = logits / temperature
    best = 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)
    counts = np.zeros(CalibrationCounts.KINDS * BINS, np.int64)
    for slots, weights in CalibrationCounts.slots(best.astype(np.float32), logits.argmax(axis=1) == index):
        counts += np.bincount(slots, weights=weights, minlength=len(counts)).astype(np.int64)
    return float(expected_calibration_error(CalibrationCounts(counts.reshape(CalibrationCounts.KINDS, BINS))))


def _lowest(ranks: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Places of the lowest ``count`` ranks, ascending in rank."""
    order = np.argsort(ranks, kind="stable")
    return order[:count]
