"""Normalize: raw values of the file -> what the network sees, by constants of the bundle, never of the tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from geoseg.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoseg.raster.scene import Scene

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Normalization:
    """``normalized = raw * gain + bias``, per band."""

    gain: tuple[float, ...]
    bias: tuple[float, ...]

    @classmethod
    def of(cls, scene: Scene, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Fold the scene's scale and offset with a bundle's mean and standard deviation, both in the scene's units.

        ``((raw * scale + offset) - mean) / std``, one of each for every band of the scene, in its order.
        """
        if not len(mean) == len(std) == len(scene.bands):
            what = f"{len(mean)} means and {len(std)} standard deviations for {len(scene.bands)} bands"
            raise BundleError.of("NORMALIZATION", scene.name, what, "Select the bundle's bands first")
        if not np.isfinite([*mean, *std]).all() or min(std) <= 0:
            what = "means must be finite and standard deviations above 0"
            raise BundleError.of("NORMALIZATION", scene.name, what, "Correct the bundle's card")
        gain = tuple(band.scale / s for band, s in zip(scene.bands, std, strict=True))
        bias = tuple((band.offset - m) / s for band, m, s in zip(scene.bands, mean, std, strict=True))
        return cls(gain, bias)


def normalize(
    image: NDArray[np.generic],
    valid: NDArray[np.bool_],
    norm: Normalization,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return ``image * gain + bias``, and 0 where not valid.

    Parameters
    ----------
    image
        ``(bands, rows, cols)`` of any integer or real dtype.
    valid
        ``(rows, cols)``.
    norm
        One gain and bias a band.
    out
        float32 ``(bands, rows, cols)`` in any memory layout, a channels-last one too; a new one when not given.

    Returns
    -------
    ndarray
        ``out``. Every pixel is computed alone in float32: a part's result is the part of the result.
    """
    assert image.ndim == 3 and image.shape[1:] == valid.shape and len(norm.gain) == image.shape[0], (
        image.shape,
        valid.shape,
    )
    out = np.empty(image.shape, np.float32) if out is None else out
    assert out.shape == image.shape and out.dtype == np.float32, (out.shape, out.dtype)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused where it is valid
        image = _rows_in_memory(image if image.dtype.itemsize <= 4 and image.dtype.isnative else image.astype("f4"))
        gain, bias = np.asarray(norm.gain, np.float32), np.asarray(norm.bias, np.float32)
    valid = _rows_in_memory(valid)
    _kernel()(
        _flat(image), _steps(image), _flat(valid), _steps(valid)[0], _flat(out), _steps(out), gain, bias, valid.shape
    )
    return out


@cache
def _kernel() -> Callable[..., None]:
    """The compiled loop, loaded on first use: numba takes a second that ``geoseg info`` need not spend."""
    from geoseg.raster.normalize_kernels import affine_rows

    return affine_rows


def _rows_in_memory(array: NDArray[T]) -> NDArray[T]:
    """The array with neighbours in a row side by side in memory; a copy only where they are not."""
    return array if array.strides[-1] == array.itemsize and min(array.strides) > 0 else np.ascontiguousarray(array)


def _flat(array: NDArray[T]) -> NDArray[T]:
    """The memory from an array's first element to its last, one-dimensional."""
    length = 1 + sum((n - 1) * step for n, step in zip(array.shape, _steps(array), strict=True))
    return as_strided(array, (length,), (array.itemsize,))


def _steps(array: NDArray[np.generic]) -> tuple[int, ...]:
    return tuple(step // array.itemsize for step in array.strides)
