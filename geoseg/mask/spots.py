"""Spots: the places of a raster where a share is largest, as squares far from each other; and counts of a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import Window

_CELLS = 128
"""Squares along the longer side, at most."""
_LEAST_SIDE = 16
_APART = 12
"""Spots are at least a twelfth of the longer side apart."""
_LEAST_COVERED = 0.5

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Spot:
    """One square: its pixels, and the mean of what was measured there."""

    window: Window
    mean: float


def find_spots(
    weight: NDArray[Any], counted: Bools, *, most: int = 10, least: float = 0.0, side: int | None = None
) -> list[Spot]:
    """The squares with the largest mean of ``weight``, largest first, none close to another.

    Parameters
    ----------
    weight
        (rows, cols), not negative.
    counted
        bool (rows, cols): what belongs to the mean. A square of which less than half a whole one is counted is left out.
    least
        Spots have a larger mean than this.
    side
        Of a square, in pixels; None: a 128th of the longer side, 16 at least.
    """
    rows, cols = weight.shape
    side = side or max(_LEAST_SIDE, -(-max(rows, cols) // _CELLS))
    n = _sums(counted, side)
    least_counted = _LEAST_COVERED * min(side, rows) * min(side, cols)
    means = np.where(n >= least_counted, _sums(np.where(counted, weight, 0), side) / np.maximum(n, 1), -1.0)
    apart, found = max(2, -(-max(means.shape) // _APART)), list[Spot]()
    while len(found) < most:
        i, j = (int(k) for k in np.unravel_index(int(np.argmax(means)), means.shape))
        if means[i, j] <= least:
            break
        window = Window(i * side, j * side, min(side, rows - i * side), min(side, cols - j * side))
        found.append(Spot(window, float(means[i, j])))
        means[max(i - apart + 1, 0) : i + apart, max(j - apart + 1, 0) : j + apart] = -1
    return found


def most_common(values: NDArray[Any], nodata: int) -> int | None:
    """The value that occurs most, without ``nodata``; the smallest of several; None where there is none."""
    seen, counts = np.unique(values[values != nodata], return_counts=True)
    return int(seen[np.argmax(counts)]) if len(seen) else None


class ConfidenceCounter:
    """Counts confidences by class, and keeps every n-th pixel of them, while strips go by.

    Parameters
    ----------
    shape
        (rows, cols) of the raster.
    nodata
        The mask's value without class.
    most
        Rasters with a longer side are counted on each n-th row and column, so that memory stays bounded.
    """

    def __init__(self, shape: tuple[int, int], nodata: int, most: int = 4096) -> None:
        """Nothing is counted yet."""
        self.each = -(-max(shape) // most)
        self.shape, self.nodata = shape, nodata
        self.counts = np.zeros((256, 101), np.int64)
        self._kept = np.full([-(-n // self.each) for n in shape], 255, np.uint8)

    def add(self, row: int, values: NDArray[np.uint8], percent: NDArray[np.uint8]) -> None:
        """A strip of whole rows from ``row``: the mask and the confidence, uint8 (rows, cols)."""
        first = -row % self.each
        values, percent = (part[first :: self.each, :: self.each] for part in (values, percent))
        there = values != self.nodata
        codes = values[there].astype(np.int64) * 101 + np.minimum(percent[there], 100)
        self.counts += np.bincount(codes, minlength=self.counts.size).reshape(self.counts.shape)
        at = -(-row // self.each)
        self._kept[at : at + len(values)] = np.where(there, np.minimum(percent, 100), 255)

    def spots(self, most: int = 10) -> list[Spot]:
        """The squares that are least sure, less sure than the raster is in the mean; ``mean`` is of the doubt, 0-1."""
        counted, total = self._kept <= 100, int(self.counts.sum())
        if not total:
            return []
        doubt = np.where(counted, 100 - np.minimum(self._kept, 100), 0).astype(np.float64)
        mean = float((self.counts.sum(axis=0) * np.arange(100, -1, -1)).sum()) / total
        found = find_spots(doubt, counted, most=most, least=mean + 0.5)
        return [Spot(scaled(spot.window, self.each, self.shape), spot.mean / 100) for spot in found]


def scaled(window: Window, step: int, shape: tuple[int, int]) -> Window:
    """A window of every ``step``-th pixel, in pixels of the raster of ``shape``."""
    row, col = window.row * step, window.col * step
    return Window(row, col, min(window.height * step, shape[0] - row), min(window.width * step, shape[1] - col))


def _sums(values: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Sums of squares of ``side`` pixels, cut at the far edges."""
    rows, cols = (np.arange(0, n, side) for n in values.shape)
    down = np.add.reduceat(values, rows, axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(down, cols, axis=1, dtype=np.float64))
