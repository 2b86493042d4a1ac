"""Radiometry: contrast, brightness, gamma, noise and missing bands, each band by its own, on normalized values."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from geoseg.training.settings.augment import AugmentSettings

Image = NDArray[np.float32]

_RANGE = np.float32(3.0)
"""A band's range, in standard deviations around its mean: constants of the data, never of one crop, so that a value becomes
the same value wherever it stands; what lies beyond (clouds, glint) stays as it is."""


def disturb(image: Image, settings: AugmentSettings, rng: np.random.Generator, *, dates: int = 1) -> None:
    """Gamma, then gain and offset, then noise, then missing bands, in place.

    Parameters
    ----------
    image
        (bands, rows, cols), normalized: in standard deviations from each band's mean. Nodata does not stay 0: the caller
        sets it again.
    settings
        What is 0 is left out.
    rng
        All randomness.
    dates
        The bands are those of so many dates: each band has its own contrast at each, and is missing at all of them or none.
    """
    bands = (len(image), 1, 1)
    if settings.gamma:
        exponent = np.exp(rng.uniform(-1, 1, bands) * np.log1p(settings.gamma)).astype(np.float32)
        bend(image, exponent)
    if settings.gain:
        image *= rng.uniform(1 - settings.gain, 1 + settings.gain, bands).astype(np.float32)
    if settings.offset:
        image += rng.standard_normal(bands, np.float32) * np.float32(settings.offset)
    if settings.noise:
        image += normals(image.shape, rng) * np.float32(settings.noise)
    if settings.drop_bands:
        image[~np.tile(kept_bands(rng, len(image) // dates, settings.drop_bands), dates)] = 0


def normals(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Normal numbers to 16 bits: quantiles picked by random integers, four times as fast as the exact ones."""
    return _quantiles().take(rng.integers(0, 1 << 16, shape, np.uint16), mode="clip")


def bend(image: Image, exponent: Image) -> None:
    """Raise each band to its exponent (bands, 1, 1) on its range, whose ends stay where they are; below 1 is brighter."""
    share = np.clip(image, -_RANGE, _RANGE)
    share += _RANGE
    share /= 2 * _RANGE
    bent = share**exponent
    bent -= share
    bent *= 2 * _RANGE
    image += bent


def kept_bands(rng: np.random.Generator, count: int, chance: float) -> NDArray[np.bool_]:
    """(count,): False with ``chance``, each by its own; where all would go, one of them stays."""
    kept, spared = rng.random(count) >= chance, rng.integers(count)
    if not kept.any():
        kept[spared] = True
    return kept


@cache
def _quantiles() -> Image:
    from scipy.special import ndtri

    table: Image = ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.float32)
    table.flags.writeable = False
    return table
