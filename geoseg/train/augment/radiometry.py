"""Radiometry: contrast, brightness, gamma, noise and missing bands, each band by its own, on normalized values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.train.settings.augment import AugmentSettings

Image = NDArray[np.float32]

_RANGE = np.float32(3.0)
"""A band's range, in standard deviations around its mean: constants of the data, never of one crop, so that a value becomes
the same value wherever it stands; what lies beyond (clouds, glint) stays as it is."""


def disturb(image: Image, settings: AugmentSettings, rng: np.random.Generator) -> Image:
    """Gamma, then gain and offset, then noise, then missing bands.

    Parameters
    ----------
    image
        (bands, rows, cols), normalized: in standard deviations from each band's mean.
    settings
        What is 0 is left out.
    rng
        All randomness.

    Returns
    -------
    ndarray
        float32, new unless nothing is on. Nodata is not kept: the caller sets it to 0 again.
    """
    bands = (len(image), 1, 1)
    if settings.gamma:
        exponent = np.exp(rng.uniform(-1, 1, bands) * np.log1p(settings.gamma)).astype(np.float32)
        image = with_gamma(image, exponent)
    if settings.gain:
        image = image * rng.uniform(1 - settings.gain, 1 + settings.gain, bands).astype(np.float32)
    if settings.offset:
        image = image + rng.standard_normal(bands, np.float32) * np.float32(settings.offset)
    if settings.noise:
        noise = rng.standard_normal(image.shape, np.float32)
        noise *= np.float32(settings.noise)
        noise += image
        image = noise
    if settings.drop_bands:
        kept = kept_bands(rng, len(image), settings.drop_bands)
        if not kept.all():
            image = np.where(kept[:, None, None], image, np.float32(0))
    return image


def with_gamma(image: Image, exponent: Image) -> Image:
    """Raise each band to its exponent (bands, 1, 1) on its range, whose ends stay where they are; below 1 is brighter."""
    share = (np.clip(image, -_RANGE, _RANGE) + _RANGE) / (2 * _RANGE)
    changed: Image = image + (np.power(share, exponent) - share) * (2 * _RANGE)
    return changed


def kept_bands(rng: np.random.Generator, count: int, chance: float) -> NDArray[np.bool_]:
    """(count,): False with ``chance``, each by its own; where all would go, one of them stays."""
    kept, spared = rng.random(count) >= chance, rng.integers(count)
    if not kept.any():
        kept[spared] = True
    return kept
