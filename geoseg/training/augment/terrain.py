"""Terrain: the light that falls on a crop, as a hillshade of hills that are not there and shadows of clouds that are not."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geoseg.model.card import BandSpec
from geoseg.training.augment.surface import Floats, knots, slopes, surface
from geoseg.training.settings.augment import AugmentSettings

Image = NDArray[np.float32]

_NOT_SUNLIT = re.compile(
    r"(?<![a-z])"
    r"(lwir|tir|therm|temp|vv|vh|hh|hv|sar|sigma|coher|dem|dsm|dtm|elev|height|slope|aspect|m?nd[a-z]+i|evi|savi)"
)
"""Names with a word that begins so are no light of the sun: heat, radar, heights, and indices in which the light cancels."""
_HAZE = 2.5
"""Standard deviations below the mean that no shadow is darker than: the darkest pixels of a scene are about there, and what
they still show is light of the air (Chavez 1988, An improved dark-object subtraction technique)."""
_HILLS = (4, 8)
"""Control points of the hills are a quarter to an eighth of a crop apart."""
_STEEPNESS = 0.35
"""Root mean square of the hills' slope (tangent): 19 degrees, as in mountains of middle height."""
_ZENITH = (np.radians(20), np.radians(60))
_BRIGHTEST = 2.0
"""Slopes that face a low sun are at most so much brighter than flat ground."""
_DARKEST, _BRIGHT_SHADOW = 0.4, 0.8
"""Share of the light that is left in a cloud's shadow: that of the sky."""
_RAGGED, _EDGE = 0.5, 0.1
"""Share of its radius by which a shadow's outline wanders at most, and share of a crop by which it is soft."""


def dark_of(bands: Sequence[BandSpec]) -> NDArray[np.float32]:
    """(bands,): how far below its mean a band is where no light falls, in standard deviations; NaN: not lit by the sun."""
    lit_by_sun = [band.mean > 0 and not _NOT_SUNLIT.search(band.name.lower()) for band in bands]
    return np.array(
        [min(band.mean / band.std, _HAZE) if sun else np.nan for band, sun in zip(bands, lit_by_sun, strict=True)],
        np.float32,
    )


def lit(image: Image, light: Floats, dark: NDArray[np.float32]) -> None:
    """Multiply the scene values behind a normalized image (bands, rows, cols) by ``light`` (rows, cols), in place.

    With value = (normalized + dark) * std above what is seen without light, value * light is
    (normalized + dark) * light - dark. Bands that the sun does not light stay.
    """
    factor = light.astype(np.float32)
    for band in np.flatnonzero(~np.isnan(dark)):
        image[band] += dark[band]
        image[band] *= factor
        image[band] -= dark[band]


def draw_light(settings: AugmentSettings, size: int, rng: np.random.Generator) -> Floats | None:
    """Light on each pixel (size, size) as a share of that on flat ground without clouds; None: all is 1."""
    light = None
    if settings.shading:
        light = 1 + rng.uniform(0, settings.shading) * (hillshade(size, rng) - 1)
    if settings.shadow and rng.random() < settings.shadow:
        shaded = cloud_shadow(size, rng)
        light = shaded if light is None else light * shaded
    return light


def hillshade(size: int, rng: np.random.Generator) -> Floats:
    """Light on a random smooth surface over that on flat ground, (size, size), 0 to 2.

    The cosine of the angle to the sun over that of flat ground: the cosine correction of Teillet, Guindon and Goodenough
    1982 (On the slope-aspect correction of multispectral scanner data), the other way round.
    """
    spacing = size / int(rng.integers(_HILLS[0], _HILLS[1] + 1))
    count = knots(size, spacing)
    down, right = slopes(rng.standard_normal((count, count)), size, spacing)
    steep = _STEEPNESS / max(float(np.sqrt(np.mean(down**2 + right**2))), 1e-12)
    down, right = down * steep, right * steep
    azimuth, zenith = rng.uniform(0, 2 * np.pi), rng.uniform(*_ZENITH)
    facing = down * np.cos(azimuth) + right * np.sin(azimuth)
    shade = (1 + np.tan(zenith) * facing) / np.sqrt(1 + down**2 + right**2)
    return np.asarray(np.clip(shade, 0, _BRIGHTEST))


def cloud_shadow(size: int, rng: np.random.Generator) -> Floats:
    """Light under one cloud, (size, size): 1 outside, less inside, soft at the edge."""
    row, col = rng.uniform(0, size, 2)
    radius, left = size * rng.uniform(0.15, 0.45), rng.uniform(_DARKEST, _BRIGHT_SHADOW)
    spacing = size / _HILLS[0]
    count = knots(size, spacing)
    ragged = surface(rng.uniform(-1, 1, (count, count)), size, spacing)
    line = np.arange(size) + 0.5
    away = np.hypot(line[:, None] - row, line[None, :] - col)
    inside = np.clip((radius * (1 + ragged * _RAGGED) - away) / max(size * _EDGE, 2) + 0.5, 0, 1)
    soft = inside * inside * (3 - 2 * inside)
    return np.asarray(1 - (1 - left) * soft)
