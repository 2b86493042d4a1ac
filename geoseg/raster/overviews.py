"""Overviews: halve an array by the most frequent, the average or the first value of each 2 x 2 pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Resampling = Literal["mode", "average", "nearest"]


def halve(array: Array, nodata: float, resampling: Resampling) -> Array:
    """Return the array at half its size.

    Parameters
    ----------
    array
        ``(rows, cols)``, or ``(rows, cols, bands)``, of integers, rows and cols even.
    nodata
        Pixels of this value count only where a square has no others.
    resampling
        ``mode``: the value that most of the four pixels have; of equals, the first in reading order.
        ``average``: the mean, rounded half up. ``nearest``: the upper left pixel, nodata or not.

    Returns
    -------
    ndarray
        ``(rows / 2, cols / 2)``, or with the bands, same dtype.
    """
    first = array.flat[0]
    if (array == first).all():
        return np.full((array.shape[0] // 2, array.shape[1] // 2, *array.shape[2:]), first, array.dtype)
    return _BY_NAME[resampling](array, nodata)


def _mode(array: Array, nodata: float) -> Array:
    p, q, r, s = _quarters(array)
    has_p, has_q, has_r = p != nodata, q != nodata, r != nodata
    r_twice = (r == s) & has_r
    q_twice = ((q == r) | (q == s)) & has_q
    p_twice = (p == q) | (p == r) | (p == s)
    out: Array = s
    np.copyto(out, r, where=has_r)
    np.copyto(out, q, where=has_q & (q_twice | ~r_twice))
    np.copyto(out, p, where=has_p & (p_twice | ~(q_twice | r_twice)))
    return out


def _average(array: Array, nodata: float) -> Array:
    quarters = _quarters(array)
    if not (array == nodata).any():
        whole: Array = sum((quarter.astype(np.int64) for quarter in quarters[1:]), quarters[0].astype(np.int64)) + 2
        return (whole >> 2).astype(array.dtype)
    total = np.zeros(quarters[0].shape, np.int64)
    count = np.zeros(quarters[0].shape, np.int64)
    for quarter in quarters:
        present = quarter != nodata
        total += np.where(present, quarter, 0)
        count += present
    some = np.maximum(count, 1)
    mean: Array = (2 * total + some) // (2 * some)
    mean[count == 0] = nodata
    halved: Array = mean.astype(array.dtype)
    return halved


def _nearest(array: Array, nodata: float) -> Array:
    return array[::2, ::2].copy()


def _quarters(array: Array) -> tuple[Array, Array, Array, Array]:
    return array[::2, ::2].copy(), array[::2, 1::2].copy(), array[1::2, ::2].copy(), array[1::2, 1::2].copy()


_BY_NAME: dict[str, Callable[[Array, float], Array]] = {"mode": _mode, "average": _average, "nearest": _nearest}
