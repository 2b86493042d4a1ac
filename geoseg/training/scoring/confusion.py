"""Confusion: counts of (label, mask) pairs, which add, and the scores computed from them.

Every function takes counts with any leading axes (blocks, or replicates of a bootstrap) and gives figures with the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """``counts[..., i, j]``: pixels whose label is class ``values[i]`` and whose mask is class ``values[j]``.

    A mask pixel of no class (nodata) counts for its label in ``missed``, so that it is an error and not left out.
    """

    values: tuple[int, ...]
    counts: Ints
    missed: Ints

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
        """Labelled pixels, of all leading axes."""
        return int(self.counts.sum() + self.missed.sum())

    @property
    def labelled(self) -> Floats:
        """Pixels of each class in the labels."""
        return np.asarray(self.counts.sum(axis=-1) + self.missed, np.float64)

    @property
    def mapped(self) -> Floats:
        """Pixels of each class in the mask, where labelled."""
        return np.asarray(self.counts.sum(axis=-2), np.float64)

    @property
    def hits(self) -> Floats:
        """Pixels of each class in both."""
        return np.asarray(np.diagonal(self.counts, axis1=-2, axis2=-1), np.float64)


def overall_accuracy(c: Confusion) -> Floats:
    """Share of labelled pixels whose mask is right."""
    return ratio(c.hits.sum(axis=-1), c.labelled.sum(axis=-1))


def balanced_accuracy(c: Confusion) -> Floats:
    """Mean recall of the classes that occur in the labels (Brodersen et al. 2010)."""
    return mean_of_known(recall(c))


def kappa(c: Confusion) -> Floats:
    """Cohen's kappa (Cohen 1960): agreement beyond what the two margins give by chance; NaN where chance is certain."""
    pixels = c.labelled.sum(axis=-1)
    chance = ratio((c.labelled * c.mapped).sum(axis=-1), pixels**2)
    return ratio(overall_accuracy(c) - chance, 1 - chance)


def iou(c: Confusion) -> Floats:
    """Intersection over union (Jaccard index) of each class; NaN for a class in neither."""
    return ratio(c.hits, c.labelled + c.mapped - c.hits)


def f1(c: Confusion) -> Floats:
    """Harmonic mean of precision and recall (Dice coefficient) of each class; NaN for a class in neither."""
    return ratio(2 * c.hits, c.labelled + c.mapped)


def precision(c: Confusion) -> Floats:
    """Share of a class in the mask that is right (user's accuracy); NaN for a class that is not in the mask."""
    return ratio(c.hits, c.mapped)


def recall(c: Confusion) -> Floats:
    """Share of a class in the labels that is found (producer's accuracy); NaN for a class that is not in the labels."""
    return ratio(c.hits, c.labelled)


def mean_iou(c: Confusion) -> Floats:
    """Mean of :func:`iou` over the classes that occur in labels or mask."""
    return mean_of_known(iou(c))


def macro_f1(c: Confusion) -> Floats:
    """Mean of :func:`f1` over the classes that occur in labels or mask."""
    return mean_of_known(f1(c))


def frequency_weighted_iou(c: Confusion) -> Floats:
    """Mean of :func:`iou`, each class weighted by its share of the labels (Long et al. 2015)."""
    return ratio((c.labelled * np.nan_to_num(iou(c))).sum(axis=-1), c.labelled.sum(axis=-1))


def ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """``above / below``, NaN where that is not above 0."""
    over, under = np.asarray(above, np.float64), np.asarray(below, np.float64)
    out = np.full(np.broadcast_shapes(over.shape, under.shape), np.nan)
    np.divide(over, under, out=out, where=under > 0)
    return out


def mean_of_known(figures: Floats) -> Floats:
    """Mean over the last axis, NaN left out; NaN where there is nothing else."""
    known = ~np.isnan(figures)
    return ratio(np.where(known, figures, 0).sum(axis=-1), known.sum(axis=-1))
