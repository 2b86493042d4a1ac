"""Hardness: how badly each cell was learned so far, and cells drawn by it; the same whatever was prefetched.

What is learned takes effect late, and all at once: batches of one period of :data:`PERIOD` steps are drawn by what was
known before the period before it began. So a batch may be made up to a period ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError

PERIOD = 64
"""Steps between changes."""
_UNKNOWN = -1.0
"""Of a cell without a loss, in a state: a checkpoint holds finite numbers only."""
_KEPT = 0.5
"""Of what was known of a cell when something new is learned of it."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Losses (cells,) after ``periods`` periods, NaN where nothing is known, and the sums to draw cells by."""

    periods: int
    losses: Floats
    sums: Floats

    @classmethod
    def of(cls, periods: int, losses: Floats, sizes: Floats) -> _Known:
        seen = np.isfinite(losses)
        mean = losses[seen].mean() if seen.any() else 1.0
        weights = np.where(seen, losses, mean) if mean > 0 else np.ones_like(losses)
        return cls(periods, losses, np.cumsum(weights * sizes))


class Hardness:
    """Mean loss of each cell, learned batch by batch; a cell is drawn by its size times its loss."""

    def __init__(self, sizes: npt.NDArray[np.int64]) -> None:
        """``sizes`` (cells,): how often each is drawn while nothing is known."""
        self._sizes = sizes.astype(np.float64)
        self._sums, self._counts = np.zeros(len(sizes)), np.zeros(len(sizes), np.int64)
        self._learned = 0
        start = _Known.of(0, np.full(len(sizes), np.nan), self._sizes)
        self._known = (start, start)

    def draw(self, step: int, rng: np.random.Generator) -> int:
        """A cell for a batch of ``step``."""
        sums = self._at(step).sums
        return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)

    def learn(self, cells: npt.NDArray[np.int64], losses: npt.NDArray[np.floating]) -> None:
        """Take the losses of a batch's crops; to be called once for each batch, in order. What is not finite is left out."""
        finite = np.isfinite(losses)
        np.add.at(self._sums, cells[finite], np.asarray(losses, np.float64)[finite])
        np.add.at(self._counts, cells[finite], 1)
        self._learned += 1
        if self._learned % PERIOD == 0:
            self._close()

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """All of it, for a checkpoint."""
        losses = np.stack([known.losses for known in self._known])
        return {
            "losses": np.where(np.isfinite(losses), losses, _UNKNOWN), "sums": self._sums.copy(), "counts": self._counts.copy(),
            "learned": np.array(self._learned, np.int64),
        }  # fmt: skip

    def restore(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a checkpoint; ``CHECKPOINT`` when it is of other cells."""
        shapes = {
            "losses": (2, len(self._sizes)),
            "sums": self._sums.shape,
            "counts": self._counts.shape,
            "learned": (),
        }
        if any(name not in state or state[name].shape != shape for name, shape in shapes.items()):
            raise BundleError.of("CHECKPOINT", "samples", "is of other scenes, labels or crops", "Start again")
        self._sums, self._counts = np.array(state["sums"], np.float64), np.array(state["counts"], np.int64)
        self._learned = int(state["learned"])
        closed = self._learned // PERIOD
        losses = np.array(state["losses"], np.float64)
        older, newer = np.where(losses == _UNKNOWN, np.nan, losses)
        self._known = _Known.of(max(closed - 1, 0), older, self._sizes), _Known.of(closed, newer, self._sizes)

    def _at(self, step: int) -> _Known:
        older, newer = self._known
        wanted = max(step // PERIOD - 1, 0)
        if wanted > newer.periods and self._learned:
            raise RuntimeError(f"batch {step} was asked for when the losses of {self._learned} batches are known")
        return newer if wanted >= newer.periods else older

    def _close(self) -> None:
        _, newer = self._known
        new = self._counts > 0
        losses = newer.losses.copy()
        mean = self._sums[new] / self._counts[new]
        losses[new] = np.where(np.isfinite(losses[new]), _KEPT * losses[new] + (1 - _KEPT) * mean, mean)
        self._known = newer, _Known.of(self._learned // PERIOD, losses, self._sizes)
        self._sums, self._counts = np.zeros_like(self._sums), np.zeros_like(self._counts)
