"""Statistics: mean and standard deviation of each band over what is trained on, by blocks, whatever the scenes' size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InputRefused
from geoseg.model.card import BandSpec
from geoseg.raster.dated import undated
from geoseg.raster.read import read_window
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.labels import windows_of
from geoseg.training.splits.split import TRAIN, SceneSplit, Split

_CONSTANT = 1e-9
"""A standard deviation below this share of the mean is rounding."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, mean and sum of squared deviations of each band; they add (Chan, Golub, LeVeque 1983)."""

    n: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, bands: int) -> Self:
        """Of no pixel."""
        return cls(0, np.zeros(bands), np.zeros(bands))

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> Self:
        """Of pixels (bands, n) of any type; all of them count."""
        values = pixels.astype(np.float64)
        if not values.shape[1]:
            return cls.none(len(values))
        mean = values.mean(axis=1)
        return cls(values.shape[1], mean, ((values - mean[:, None]) ** 2).sum(axis=1))

    def __add__(self, other: Moments) -> Moments:
        """Of both."""
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.n / n)
        return Moments(n, mean, self.squares + other.squares + apart**2 * (self.n * other.n / n))

    def scaled(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> Moments:
        """Of ``value * scale + offset``."""
        return Moments(self.n, self.mean * scale + offset, self.squares * scale**2)

    def of_both_dates(self) -> Moments:
        """Of the pixels of both dates, the same for each: the earlier one's bands are the first half."""
        earlier, later = (
            Moments(self.n, mean, squares)
            for mean, squares in zip(np.split(self.mean, 2), np.split(self.squares, 2), strict=True)
        )
        both = earlier + later
        return Moments(both.n, np.tile(both.mean, 2), np.tile(both.squares, 2))


def statistics(scenes: Sequence[LabelledScene], split: Split) -> tuple[BandSpec, ...]:
    """Mean and standard deviation of each band, in the scenes' units, over the valid pixels of the training part.

    Labelled or not: the network sees them all. Pixels without data in any band, validation, test and buffers are left out.
    Of two dates a band has one mean and one deviation, of the pixels of both: what differs between them stays to be seen.
    A band that is constant gets its own mean (or 1) as its deviation, so that no other scene's values explode.

    Raises
    ------
    InputRefused
        ``EMPTY``: no valid pixel is trained on.
    """
    names = [band.name for band in scenes[0].scene.bands]
    total = Moments.none(len(names))
    for scene, parts in zip(scenes, split.scenes, strict=True):
        total += _scene_moments(scene, parts)
    if not total.n:
        where = scenes[0].name if len(scenes) == 1 else f"{len(scenes)} scenes"
        raise InputRefused.of("EMPTY", where, "no valid pixel in the training part", "Correct the split, or nodata")
    if undated(names) is not None:
        total = total.of_both_dates()
    std = np.sqrt(total.squares / total.n)
    constant = std <= _CONSTANT * np.abs(total.mean)
    std = np.where(constant, np.where(total.mean != 0, np.abs(total.mean), 1.0), std)
    return tuple(
        BandSpec(name, float(mean), float(deviation))
        for name, mean, deviation in zip(names, total.mean, std, strict=True)
    )


def _scene_moments(scene: LabelledScene, parts: SceneSplit) -> Moments:
    bands = scene.scene.bands
    total = Moments.none(len(bands))
    for window in windows_of(scene.shape):
        wanted = parts.read(window) == TRAIN
        if wanted.any():
            image, valid = read_window(scene.scene, window)
            total += Moments.of(image[:, wanted & valid])
    return total.scaled(np.array([band.scale for band in bands]), np.array([band.offset for band in bands]))
