"""Mixing: give a crop a part of another crop of its batch, pixels, labels and validity together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.training.data.labels import IGNORE

Image = NDArray[np.float32]
Bools = NDArray[np.bool_]
Index = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Crops of one batch: images (N, bands, size, size), valid and index (N, size, size)."""

    images: Image
    valid: Bools
    index: Index

    def copy(self) -> Crops:
        """A copy that may be written to."""
        return Crops(self.images.copy(), self.valid.copy(), self.index.copy())

    def take(self, other: Crops, pair: tuple[int, int], where: tuple[Any, ...], to: tuple[Any, ...]) -> None:
        """Write crop ``pair[1]`` of ``other`` at ``where`` (rows, cols) over crop ``pair[0]`` at ``to``."""
        into, out_of = pair
        self.images[into][:, *to] = other.images[out_of][:, *where]
        self.valid[into][to] = other.valid[out_of][where]
        self.index[into][to] = other.index[out_of][where]


def cutmix(crops: Crops, chance: float, rng: np.random.Generator) -> Crops:
    """Give each crop, with ``chance``, a rectangle of another, at the same place.

    The rectangle's share of the crop is uniform, its centre anywhere; what sticks out is cut off (Yun et al. 2019, CutMix:
    Regularization Strategy to Train Strong Classifiers with Localizable Features).
    """
    count, size = len(crops.index), crops.index.shape[-1]
    mixed = crops.copy()
    for into in range(count if count > 1 else 0):
        if rng.random() >= chance:
            continue
        out_of = _other(into, count, rng)
        half = size * np.sqrt(rng.random()) / 2
        centre = rng.uniform(0, size, 2)
        top, left = np.maximum(np.rint(centre - half), 0).astype(int)
        bottom, right = np.minimum(np.rint(centre + half), size).astype(int)
        where = slice(top, bottom), slice(left, right)
        mixed.take(crops, (into, out_of), where, where)
    return mixed


def copy_paste(crops: Crops, chance: float, rarity: NDArray[np.float64], rng: np.random.Generator) -> Crops:
    """Give each crop, with ``chance``, a region of a rare class of another, anywhere where it fits.

    A class is chosen by its ``rarity`` among those that other crops hold, then one of its pixels, then the whole
    connected region of this pixel (Ghiasi et al. 2021, Simple Copy-Paste is a Strong Data Augmentation Method for Instance
    Segmentation). Whole pixels are moved, none is blended. Without a rare class in the batch nothing happens.

    Parameters
    ----------
    rarity
        (classes,): how often each class is wanted; 0: never.
    """
    pasted = crops.copy()
    held = _held(crops, len(rarity))
    for into in range(len(held)):
        if rng.random() >= chance:
            continue
        others = held.copy()
        others[into] = 0
        weights = rarity * others.any(axis=0)
        if not weights.any():
            continue
        wanted = int(rng.choice(len(weights), p=weights / weights.sum()))
        nth = int(rng.integers(others[:, wanted].sum()))
        out_of = int(np.searchsorted(others[:, wanted].cumsum(), nth, side="right"))
        where = _region(crops, out_of, wanted, nth - int(others[:out_of, wanted].sum()))
        size = crops.index.shape[-1]
        to = tuple(line - line.min() + rng.integers(size - np.ptp(line)) for line in where)
        pasted.take(crops, (into, out_of), where, to)
    return pasted


def rarity_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(classes,): inverse of the number of pixels for classes that have no more than an equal share of them, else 0."""
    rare = (counts > 0) & (counts * len(counts) <= counts.sum())
    return np.where(rare, 1.0 / np.maximum(counts, 1), 0.0)


def _held(crops: Crops, classes: int) -> NDArray[np.int64]:
    """(N, classes): number of valid pixels of each class in each crop."""
    held = np.zeros((len(crops.index), classes), np.int64)
    for i, (index, valid) in enumerate(zip(crops.index, crops.valid, strict=True)):
        held[i] = np.bincount(index[valid & (index != IGNORE)], minlength=classes)
    return held


def _region(crops: Crops, crop: int, wanted: int, nth: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the 4-connected region of class ``wanted`` that holds its ``nth`` valid pixel."""
    from scipy import ndimage

    there = crops.valid[crop] & (crops.index[crop] == wanted)
    regions, _ = ndimage.label(there)
    rows, cols = np.nonzero(regions == regions[there][nth])
    return rows, cols


def _other(into: int, count: int, rng: np.random.Generator) -> int:
    """A number below ``count`` that is not ``into``."""
    return int((into + rng.integers(1, count)) % count)
