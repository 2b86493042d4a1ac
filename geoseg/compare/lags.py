"""Lags: how often two classes stand at a distance of a few pixels from each other, in one map and across two; counts that add.

What noise does to single pixels and what borders do at a distance can be told apart by them: see
:mod:`geoseg.compare.borders`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from geoseg.compare.lag_kernels import count_lags, count_specks
from geoseg.grid.geobox import Window

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
ReadPair = Callable[[Window], tuple[Bytes, Bytes]]

NEAR, FAR = 2, 3
"""Pixels that lags reach, from one map to the other and within one."""
CROSS: Ints = np.array([(r, c) for r in range(-NEAR, NEAR + 1) for c in range(-NEAR, NEAR + 1)])
"""Lags (rows, cols) from BEFORE to AFTER, (25, 2)."""
HERE = len(CROSS) // 2
"""The lag of no distance among them."""
WITHIN: Ints = np.array([(r, c) for r in range(FAR + 1) for c in range(-FAR, FAR + 1) if r > 0 or c > 0])
"""Lags within one map, (24, 2): the opposite ones count the same pairs."""

GROUPS = 16
"""Parts of the windows that are counted apart, for the jackknife."""
_SIDE, _LEAST, _ENOUGH = 256, 32, 64
_PIXELS = 1 << 24
_NUMBERS = 1 << 25


@dataclass(frozen=True, slots=True, eq=False)
class LagCounts:
    """Pairs of classes by lag, for each group of windows.

    Attributes
    ----------
    cross
        int64 (groups, 25, classes, classes): ``[g, l, i, j]`` pixels of class index i in BEFORE with j in AFTER at ``CROSS[l]``.
    within
        int64 (groups, 2, 24, classes, classes): the same within BEFORE, and within AFTER, at ``WITHIN``.
    specks
        int64 (groups, 2, classes, classes): ``[g, m, k, i]`` pixels of class i in map m all of whose eight neighbours in m,
        and all nine pixels in the other map, are of class k.
    whole
        Whether every pixel was looked at, or windows spread over the maps.
    """

    cross: Ints
    within: Ints
    specks: Ints
    whole: bool

    @classmethod
    def count(cls, read: ReadPair, shape: tuple[int, int], values: Sequence[int]) -> Self:
        """Count all pixels of small maps, of larger ones at most 16 million in squares that are spread evenly.

        Parameters
        ----------
        read
            A window to both dates' class values, uint8 (rows, cols), 0 nodata.
        values
            The classes; what is none of them is left out.
        """
        n = len(values)
        rank = np.full(256, 255, np.uint8)
        rank[list(values)] = np.arange(n)
        windows, whole = _windows(shape)
        groups = max(min(GROUPS, len(windows), _NUMBERS // (80 * n * n)), 2)
        made = cls(
            np.zeros((groups, len(CROSS), n, n), np.int64), np.zeros((groups, 2, len(WITHIN), n, n), np.int64),
            np.zeros((groups, 2, n, n), np.int64), whole,
        )  # fmt: skip
        for number, window in enumerate(windows):
            wide = window.buffer(FAR, shape)
            before, after = (rank[date] for date in read(wide))
            made._add(number % groups, before, after, window.within(wide))
        return made

    def _add(self, group: int, before: Bytes, after: Bytes, inner: Window) -> None:
        place = np.array([inner.row, inner.col, inner.height, inner.width])
        count_lags(before, after, place, CROSS, self.cross[group])
        for number, (own, other) in enumerate(((before, after), (after, before))):
            count_lags(own, own, place, WITHIN, self.within[group, number])
            count_specks(own, other, place, self.specks[group, number])

    @property
    def n_pixels(self) -> int:
        """Pixels that have a class at both dates, of those looked at."""
        return int(self.cross[:, HERE].sum())

    def total(self, without: int | None = None) -> LagCounts:
        """All groups in one, or all but one."""
        kept = np.arange(len(self.cross)) != (-1 if without is None else without)
        cross, within, specks = (
            part[kept].sum(axis=0, keepdims=True) for part in (self.cross, self.within, self.specks)
        )
        return LagCounts(cross, within, specks, self.whole)


def _windows(shape: tuple[int, int]) -> tuple[list[Window], bool]:
    """Squares of the raster, in an order that puts neighbours into different groups, and whether they are all."""
    rows, cols = shape
    side = int(min(max(math.sqrt(rows * cols / _ENOUGH), _LEAST), _SIDE))
    high, wide = -(-rows // side), -(-cols // side)
    step = max(math.sqrt(rows * cols / _PIXELS), 1.0)

    def spread(count: int) -> Iterator[int]:
        kept = max(int(count / step), 1)
        yield from ((np.arange(kept) + 0.5) * count / kept).astype(int).tolist()

    places = [(i, j) for i in spread(high) for j in spread(wide)]
    cut = [Window(i * side, j * side, min(side, rows - i * side), min(side, cols - j * side)) for i, j in places]
    return cut, len(places) == high * wide
