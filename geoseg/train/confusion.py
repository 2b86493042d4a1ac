"""Confusion: counts of (label, mask) pairs, which add, and the scores computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """``counts[i, j]``: pixels whose label is class ``values[i]`` and whose mask is class ``values[j]``.

    A mask pixel of no class (nodata) counts for its label in ``missed``, so that it is an error and not left out.
    """

    values: tuple[int, ...]
    counts: npt.NDArray[np.int64]
    missed: npt.NDArray[np.int64]

    @classmethod
    def count(cls, label: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], values: Sequence[int]) -> Confusion:
        """Count pixels of two arrays of class values; labels outside ``values`` are ignored."""
        n = len(values)
        index = np.full(256, n)
        index[list(values)] = np.arange(n)
        table = np.bincount(index[label].ravel() * (n + 1) + index[mask].ravel(), minlength=(n + 1) ** 2)
        square = table.reshape(n + 1, n + 1)
        return cls(tuple(values), square[:n, :n].copy(), square[:n, n].copy())

    def __add__(self, other: Confusion) -> Confusion:
        """The counts of both."""
        assert self.values == other.values
        return Confusion(self.values, self.counts + other.counts, self.missed + other.missed)

    @property
    def pixels(self) -> int:
        """Labelled pixels."""
        return int(self.counts.sum() + self.missed.sum())

    @property
    def labelled(self) -> Floats:
        """Pixels of each class in the labels."""
        return np.asarray(self.counts.sum(axis=1) + self.missed, np.float64)

    @property
    def mapped(self) -> Floats:
        """Pixels of each class in the mask, where labelled."""
        return np.asarray(self.counts.sum(axis=0), np.float64)


def overall_accuracy(c: Confusion) -> float:
    """Share of labelled pixels whose mask is right."""
    return float(np.trace(c.counts) / c.pixels)


def kappa(c: Confusion) -> float:
    """Cohen's kappa (Cohen 1960): agreement beyond what the two margins give by chance."""
    chance = float(c.labelled @ c.mapped) / c.pixels**2
    return (overall_accuracy(c) - chance) / (1 - chance) if chance < 1 else 0.0


def iou(c: Confusion) -> Floats:
    """Intersection over union of each class; NaN for a class in neither."""
    hits = np.diag(c.counts)
    return _ratio(hits, c.labelled + c.mapped - hits)


def f1(c: Confusion) -> Floats:
    """Harmonic mean of precision and recall of each class; NaN for a class in neither."""
    return _ratio(2 * np.diag(c.counts), c.labelled + c.mapped)


def largest_class_share(c: Confusion) -> float:
    """Overall accuracy of the map that knows only the most frequent class."""
    return float(c.labelled.max() / c.pixels)


def scores(c: Confusion, names: dict[int, str]) -> dict[str, Any]:
    """All scores as JSON: fractions of 1, rounded to 4 digits; None for a class that does not occur."""

    def by_class(figures: Floats) -> dict[str, float | None]:
        pairs = zip(c.values, figures, strict=True)
        return {names[value]: None if np.isnan(figure) else _round(figure) for value, figure in pairs}

    return {
        "overall_accuracy": _round(overall_accuracy(c)),
        "kappa": _round(kappa(c)),
        "macro_f1": _round(np.nanmean(f1(c))),
        "mean_iou": _round(np.nanmean(iou(c))),
        "iou": by_class(iou(c)),
        "f1": by_class(f1(c)),
        "largest_class_share": _round(largest_class_share(c)),
        "pixels": c.pixels,
        "pixels_by_class": {names[value]: int(n) for value, n in zip(c.values, c.labelled, strict=True)},
    }


def _ratio(above: npt.NDArray[Any], below: Floats) -> Floats:
    out = np.full(len(below), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def _round(figure: float | np.floating[Any]) -> float:
    return round(float(figure), 4)
