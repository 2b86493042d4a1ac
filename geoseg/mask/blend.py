"""Blend: the weighted mean of overlapping chips' probabilities, in memory of one row of chips.

Weights are 1 in a chip's middle and fall towards its edge over twice the halo, where chips overlap, but stay above 0
everywhere: the outermost pixel of a scene is seen by the outermost pixels of its chips only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.mask.answer import argmax_of_stack

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

LOWEST = 1e-3
"""The smallest weight along one axis."""


def taper(chip_size: int, halo: int, shape: Literal["hann", "linear"]) -> Floats:
    """Weights along one axis of a chip, float32 (chip_size,), each in (0, 1] and symmetric.

    The flank over ``2 * halo`` pixels is linear, or half a Hann window; opposite flanks of neighbours add up
    to 1 (while the halo is at most a quarter of the chip; the mean is divided by the sum anyway).
    """
    distance = np.minimum(np.arange(chip_size), np.arange(chip_size)[::-1]) + 0.5
    rise = np.minimum(distance / max(2 * halo, 1), 1.0) if halo else np.ones(chip_size)
    if shape == "hann":
        rise = np.sin(0.5 * np.pi * rise) ** 2
    return np.maximum(rise, LOWEST).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Strip:
    """Finished rows at ``window``: class index, largest mean probability, whether a chip saw it, mean probabilities."""

    window: Window
    index: Bytes
    best: Floats
    seen: npt.NDArray[np.bool_]
    means: Floats


@dataclass(slots=True)
class Blend:
    """Running weighted sums over the columns of ``core`` and the rows of one row of chips.

    Chips must come row-major by read window. Each pixel's sum then has the same terms in the same order in every
    block, and rows above the current chips are finished and leave as a :class:`Strip`. Memory: ``classes x chip_size x
    core columns`` float32, and as much again while a strip is handed on.
    """

    core: Window
    classes: int
    weights: Floats
    _top: int = field(init=False)
    _sums: Floats = field(init=False)
    _total: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Start at the core's first row."""
        rows = min(len(self.weights), self.core.height)
        self._top = self.core.row
        self._sums = np.zeros((self.classes, rows, self.core.width), np.float32)
        self._total = np.zeros((rows, self.core.width), np.float32)

    def add(self, read: Window, probabilities: Floats) -> None:
        """Add a chip's probabilities (classes, chip_size, chip_size); :meth:`finish` must have reached its row."""
        common = read.intersect(self.core)
        rows, cols = common.within(read).slices
        inside = common.within(Window(self._top, self.core.col, 0, 0)).slices
        weights = self.weights[rows, None] * self.weights[None, cols]
        self._sums[:, *inside] += probabilities[:, rows, cols] * weights
        self._total[inside] += weights

    def finish(self, row: int) -> Iterator[Strip]:
        """Hand on what lies above ``row`` of the scene; no chip to come reads there."""
        stop = self.core.row + self.core.height
        while self._top < min(row, stop):
            count = min(row - self._top, stop - self._top, len(self._total))
            yield self._strip(count)
            self._shift(count)

    def _strip(self, count: int) -> Strip:
        total = self._total[:count]
        seen = total > 0
        means = np.empty((self.classes, *total.shape), np.float32)
        np.divide(self._sums[:, :count], np.where(seen, total, 1), out=means, casting="same_kind")
        index, best = argmax_of_stack(means)
        return Strip(Window(self._top, self.core.col, count, self.core.width), index, best, seen, means)

    def _shift(self, count: int) -> None:
        self._top += count
        for sums in (*self._sums, self._total):
            sums[: len(sums) - count] = sums[count:]
            sums[len(sums) - count :] = 0.0
