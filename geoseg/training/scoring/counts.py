"""Counts: everything that is counted of a map against its labels, as one row of whole numbers that add in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.training.data.labels import IGNORE
from geoseg.training.scoring.boundary import BoundaryCounts
from geoseg.training.scoring.calibration import BINS, CalibrationCounts
from geoseg.training.scoring.confusion import Confusion, Ints

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """What pixels (flat positions in a window, rising) add: one, or ``weights``, in the ``slots`` of a row of :class:`Counts`."""

    pixels: Ints
    slots: Ints
    weights: Ints | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Confusion, boundaries and calibration of a map side by side in ``flat``, int64 (..., :meth:`width`).

    Leading axes are blocks, or replicates of a bootstrap.
    """

    values: tuple[int, ...]
    flat: Ints

    @staticmethod
    def width(classes: int) -> int:
        """Numbers in a row."""
        return classes * (classes + 1) + BoundaryCounts.KINDS * classes + CalibrationCounts.KINDS * BINS

    @property
    def confusion(self) -> Confusion:
        """Pairs of label and mask."""
        n = len(self.values)
        square = self.flat[..., : n * (n + 1)].reshape(*self.flat.shape[:-1], n, n + 1)
        return Confusion(self.values, square[..., :n], square[..., n])

    @property
    def boundary(self) -> BoundaryCounts:
        """Pixels of edges and bands; all 0 where boundaries were not counted."""
        n = len(self.values)
        start = n * (n + 1)
        part = self.flat[..., start : start + BoundaryCounts.KINDS * n]
        return BoundaryCounts(part.reshape(*part.shape[:-1], BoundaryCounts.KINDS, n))

    @property
    def calibration(self) -> CalibrationCounts:
        """Pixels by confidence; all 0 where confidences were not counted."""
        part = self.flat[..., -CalibrationCounts.KINDS * BINS :]
        return CalibrationCounts(part.reshape(*part.shape[:-1], CalibrationCounts.KINDS, BINS))

    def of_largest_class(self) -> Counts:
        """The counts of the map that has the most frequent class of the labels everywhere; its confidence is not known."""
        c, n = self.confusion, len(self.values)
        assert self.flat.ndim == 1
        square = np.zeros((n, n + 1), np.int64)
        square[:, int(c.labelled.argmax())] = c.labelled.astype(np.int64)
        flat = np.concatenate(
            [square.ravel(), self.boundary.without_map().ravel(), 0 * self.calibration.counts.ravel()]
        )
        return Counts(self.values, flat)


def pair_marks(label: Bytes, mask: Bytes, classes: int) -> Marks:
    """Marks of the confusion: class indices (rows, cols); IGNORE in ``label`` is left out, in ``mask`` missed."""
    pixels = np.flatnonzero(label != IGNORE)
    found = np.minimum(mask.ravel()[pixels], classes).astype(np.int64)
    return Marks(pixels, label.ravel()[pixels] * np.int64(classes + 1) + found)


def confidence_marks(label: Bytes, mask: Bytes, best: npt.NDArray[np.float32], classes: int) -> Iterator[Marks]:
    """Marks of the calibration: ``best`` is the probability of the mask's class, float32 (rows, cols)."""
    start = Counts.width(classes) - CalibrationCounts.KINDS * BINS
    pixels = np.flatnonzero((label != IGNORE) & (mask != IGNORE))
    right = (label == mask).ravel()[pixels]
    for slots, weights in CalibrationCounts.slots(best.ravel()[pixels], right):
        yield Marks(pixels, start + slots, weights)


def boundary_marks(kinds: npt.NDArray[np.bool_], label: Bytes, mask: Bytes, classes: int) -> Iterator[Marks]:
    """Marks of the boundaries: ``kinds`` as :func:`geoseg.training.scoring.boundary.boundary_kinds` gives them."""
    start = classes * (classes + 1)
    for kind, there in enumerate(kinds):
        pixels = np.flatnonzero(there)
        of = mask if BoundaryCounts.of_mask(kind) else label
        yield Marks(pixels, start + kind * classes + of.ravel()[pixels].astype(np.int64))
