"""Design: how many samples each stratum gets, and how many are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ADVISED_MINIMUM = 50
"""Samples that a rare stratum gets at least, where the total suffices (Olofsson et al. 2014, table 5: 50, 75 or 100)."""

_NO_SHARE = 1e-100
"""Smaller than this, beside the largest share, is none."""


def shares_of(allocation: str, area: Sequence[float], accuracy: Sequence[float] | None = None) -> Floats:
    """What samples are shared out by, a number of 0 or more for each stratum, not scaled.

    Parameters
    ----------
    allocation
        ``equal``; ``proportional`` to area; ``neyman``: by ``W_h * sqrt(U_h (1 - U_h))``, which makes the overall
        accuracy most precise (Cochran 1977, equation 5.26).
    area
        Of each stratum, in any unit.
    accuracy
        Stated user's accuracy of each, 0-1, for ``neyman``.
    """
    sizes = np.asarray(area, np.float64)
    if allocation == "equal":
        return np.ones(len(sizes))
    if allocation == "proportional":
        return sizes
    assert allocation == "neyman" and accuracy is not None, allocation
    return sizes * spreads(accuracy)


def spreads(accuracy: Sequence[float]) -> Floats:
    """Standard deviation of right or wrong in each stratum, ``sqrt(U (1 - U))``."""
    right = np.asarray(accuracy, np.float64)
    made: Floats = np.sqrt(right * (1 - right))
    return made


def samples_needed(area: Sequence[float], accuracy: Sequence[float], standard_error: float) -> float:
    """Samples for a standard error of the overall accuracy: ``(sum W_h S_h / SE)²``, rounded up, at least 1.

    A whole number, or infinity where it is too large for one.

    Olofsson et al. 2014, equation 13 (Cochran 1977, equation 5.25), where the map is much larger than the sample.
    """
    weights = np.asarray(area, np.float64) / max(math.fsum(area), np.finfo(float).tiny)
    needed = float(weights @ spreads(accuracy)) / standard_error
    needed *= needed * (1 - 1e-12)
    return float(max(np.ceil(needed), 1.0))


def expected_error(area: Sequence[float], accuracy: Sequence[float], samples: Sequence[int]) -> float:
    """Standard error of the overall accuracy to expect where the stated user's accuracies are right; NaN if unknown.

    Olofsson et al. 2014, equation 5, with the stated accuracies in the place of estimated ones.
    """
    weights = np.asarray(area, np.float64) / max(math.fsum(area), np.finfo(float).tiny)
    drawn = np.asarray(samples, np.float64)
    parts = (weights * spreads(accuracy)) ** 2
    if ((drawn < 2) & (parts > 0)).any():
        return math.nan
    return math.sqrt(float((parts / np.maximum(drawn - 1, 1)).sum()))


def allocate(total: int, n_pixels: Sequence[int], shares: Floats, *, minimum: int = 0) -> list[int]:
    """Share ``total`` samples out among strata: by ``shares``, ``minimum`` each at least, all of a stratum at most.

    What a stratum cannot take goes to the others, by their shares. Strata whose share is 0 get the minimum, and more
    only when all others are exhausted. Fractions go to the largest remainders, of equals to the earlier stratum.

    Returns
    -------
    list of int
        As many as asked in all, or every pixel where there are not that many. None is negative, so where the minimum
        does not fit it is lowered for all alike.
    """
    most = np.asarray(n_pixels, np.int64)
    total = min(total, int(most.sum()))
    least = np.minimum(most, min(minimum, total // max(len(most), 1)))
    by = np.asarray(shares, np.float64) / max(float(np.max(shares)), np.finfo(float).tiny)
    by[by < _NO_SHARE] = 0.0
    real = _fill(float(total), least.astype(np.float64), most.astype(np.float64), by)
    return _whole(total, real, most)


def _fill(total: float, least: Floats, most: Floats, shares: Floats) -> Floats:
    """Real numbers that sum to ``total``: shares times one factor, no less than ``least`` and no more than ``most``."""
    for by in (shares, most * (shares <= 0)):  # the second: only when strata with a share are exhausted
        free = by > 0
        rest = total - float(least[~free].sum())
        if not free.any():
            continue
        got = np.clip(_factor(rest, least[free], most[free], by[free]) * by[free], least[free], most[free])
        least = least.copy()
        least[free] = got
    return least


def _factor(total: float, least: Floats, most: Floats, by: Floats) -> float:
    """The factor f for which ``clip(f * by, least, most)`` sums to ``total``, as nearly as the bounds allow.

    The sum grows with f and is straight between the points where a stratum meets a bound.
    """
    bends = np.unique(np.concatenate([least / by, most / by]))
    sums = np.array([np.clip(f * by, least, most).sum() for f in bends])
    at = int(np.searchsorted(sums, total))
    if at == 0 or at == len(bends):
        return float(bends[min(at, len(bends) - 1)])
    low, high = sums[at - 1], sums[at]
    return float(bends[at - 1] + (bends[at] - bends[at - 1]) * (total - low) / (high - low))


def _whole(total: int, real: Floats, most: npt.NDArray[np.int64]) -> list[int]:
    """Whole numbers near ``real`` that sum to ``total``, by largest remainders."""
    near = np.rint(real)
    real = np.where(np.abs(real - near) < 1e-9 * np.maximum(near, 1), near, real)
    made = np.minimum(np.floor(real).astype(np.int64), most)
    order = np.argsort(-(real - made), kind="stable")
    left = total - int(made.sum())
    while left > 0:
        for i in order[made[order] < most[order]][:left].tolist():
            made[i] += 1
            left -= 1
    return [int(n) for n in made]
