"""Calibration: whether confidences are what they claim: pixels by confidence, which add, and the expected calibration error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from geoseg.training.scoring.confusion import Floats, Ints, ratio

BINS = 15
"""Bins of equal width, as Guo et al. 2017 have them; a bin holds its upper end."""

_ONE = 1 << 24
"""Confidences are summed as whole numbers of 2^-24, a float32's own steps below 1: sums are the same in any order."""


@dataclass(frozen=True, slots=True)
class CalibrationCounts:
    """``counts`` int64 (..., 3, :data:`BINS`): pixels, those that are right, and the sum of confidences in steps of 2^-24."""

    KINDS: ClassVar[int] = 3

    counts: Ints

    @staticmethod
    def slots(best: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints | None]]:
        """For pixels of confidence ``best`` (n,): where each counts in the flattened counts, and how much (None: 1)."""
        sure = np.clip(best.astype(np.float64), 0, 1)
        found = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        yield found, None
        yield BINS + found, right.astype(np.int64)
        yield 2 * BINS + found, np.rint(sure * _ONE).astype(np.int64)

    @property
    def accuracy(self) -> Floats:
        """Share of right pixels in each bin; NaN in an empty one."""
        return ratio(self.counts[..., 1, :], self.counts[..., 0, :])

    @property
    def confidence(self) -> Floats:
        """Mean confidence in each bin; NaN in an empty one."""
        return ratio(self.counts[..., 2, :] / _ONE, self.counts[..., 0, :])

    def table(self) -> list[dict[str, Any]]:
        """The bins as JSON (no leading axes): ends, pixels, accuracy and mean confidence."""
        rows = zip(self.counts[0].tolist(), self.accuracy.tolist(), self.confidence.tolist(), strict=True)
        return [
            {
                "low": round(i / BINS, 4), "high": round((i + 1) / BINS, 4), "pixels": pixels,
                "accuracy": round(accuracy, 6) if pixels else None,
                "confidence": round(confidence, 6) if pixels else None,
            }
            for i, (pixels, accuracy, confidence) in enumerate(rows)
        ]  # fmt: skip


def expected_calibration_error(c: CalibrationCounts) -> Floats:
    """Mean distance of accuracy and confidence over the bins, weighted by pixels (Naeini et al. 2015; Guo et al. 2017, eq. 3)."""
    pixels, right, sure = (c.counts[..., kind, :] for kind in range(3))
    return ratio(np.abs(right - sure / _ONE).sum(axis=-1), pixels.sum(axis=-1))
