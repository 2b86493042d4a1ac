"""Normalize kernels: the compiled loop of :mod:`geoseg.raster.normalize`; imported on first use only."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Strides = tuple[int, int, int]


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def affine_rows(  # noqa: PLR0913 - numba knows no structures
    image: Array,
    image_at: Strides,
    valid: Array,
    valid_at: int,
    out: Array,
    out_at: Strides,
    gain: Array,
    bias: Array,
    shape: tuple[int, int],
) -> None:
    """Write ``image * gain + bias``, 0 where not valid, row by row so that a row of ``valid`` stays in the cache.

    The arrays are flat memory; ``*_at`` are strides in elements (bands, rows, cols), those of cols 1 for ``image`` and
    ``valid``: only so does the compiler know that neighbours are neighbours, and uses the wide registers.
    """
    zero = np.float32(0)
    bands = gain.size
    rows, cols = shape
    for row in range(rows):
        flags = valid[row * valid_at : row * valid_at + cols]
        for band in range(bands):
            a, b = gain[band], bias[band]
            start = band * image_at[0] + row * image_at[1]
            values = image[start : start + cols]
            start = band * out_at[0] + row * out_at[1]
            if out_at[2] == 1:
                target = out[start : start + cols]
                for col in range(cols):
                    target[col] = np.float32(values[col]) * a + b if flags[col] else zero
            else:
                for col in range(cols):
                    out[start + col * out_at[2]] = np.float32(values[col]) * a + b if flags[col] else zero
