"""Normalize: raw values of the file -> what the network sees, by constants of the bundle, never of the tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.scene import Scene


@dataclass(frozen=True, slots=True)
class Normalization:
    """``normalized = raw * gain + bias``, per band."""

    gain: tuple[float, ...]
    bias: tuple[float, ...]

    @classmethod
    def of(cls, scene: Scene, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Fold the scene's scale and offset with a bundle's mean and standard deviation (in the scene's units)."""
        gain = tuple(band.scale / s for band, s in zip(scene.bands, std, strict=True))
        bias = tuple((band.offset - m) / s for band, m, s in zip(scene.bands, mean, std, strict=True))
        return cls(gain, bias)


def normalize(
    image: NDArray[np.generic],
    valid: NDArray[np.bool_],
    norm: Normalization,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return float32 (bands, rows, cols), 0.0 where invalid."""
    out = np.empty(image.shape, np.float32) if out is None else out
    gain, bias = (np.asarray(x, np.float32)[:, None, None] for x in (norm.gain, norm.bias))
    np.copyto(out, image * gain + bias)
    out[:, ~valid] = 0.0
    return out
