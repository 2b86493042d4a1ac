"""Threshold: from which magnitude on a pixel counts as changed: by the share of false alarms, or between two heaps.

The magnitude is the root of the sum of squared differences. Where nothing has changed and the differences are normal,
that sum is one of chi-squares of one degree of freedom, weighted with the eigenvalues of the differences' correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_EQUAL = 1e-6
_TINY = 1e-12
_POINTS = 600


@dataclass(frozen=True, slots=True)
class Null:
    """How magnitudes are distributed where nothing has changed.

    Parameters
    ----------
    spectrum
        Eigenvalues of the differences' correlation; their sum is how many differences there are.
    """

    spectrum: tuple[float, ...]

    @classmethod
    def of(cls, spectrum: Floats) -> Null:
        """From an array of eigenvalues; those that are 0 do not count."""
        return cls(tuple(float(value) for value in np.sort(spectrum) if value > _TINY))

    def chance(self, magnitude: Floats) -> Floats:
        """P(a pixel without change has a larger magnitude), for an array of them; 0 below about 1e-9.

        Exact where the differences are uncorrelated, else by the saddlepoint of Kuonen (1999, doi:10.1093/biomet/86.4.929),
        within a few percent of itself, on a grid of magnitudes whose logarithms are interpolated.
        """
        from scipy.special import gammaincc

        squared = np.asarray(magnitude, np.float64) ** 2
        scale = self.spectrum[-1]
        if scale - self.spectrum[0] < _EQUAL * scale:
            return np.asarray(gammaincc(len(self.spectrum) / 2, squared / (2 * scale)))
        grid = np.linspace(0, self._far(), _POINTS)[1:]
        known, table = _saddlepoint(grid**2, np.array(self.spectrum))
        table = np.minimum.accumulate(np.minimum(table, 1.0))
        found = np.interp(np.sqrt(squared), np.append(0.0, grid[known]), np.append(0.0, np.log(table)))
        return np.where(np.sqrt(squared) < grid[-1], np.exp(found), 0.0)

    def magnitude(self, chance: float) -> float:
        """The magnitude that a pixel without change passes with this chance."""
        from scipy.optimize import brentq

        return float(brentq(lambda at: self.chance(np.array([at]))[0] - chance, 0.0, self._far(), xtol=1e-4))

    def _far(self) -> float:
        """A magnitude that is hardly ever passed: that of a chi-square with the largest eigenvalue, 1e-9."""
        from scipy.special import gammainccinv

        return float(np.sqrt(2 * self.spectrum[-1] * gammainccinv(len(self.spectrum) / 2, 1e-12)))


@dataclass(frozen=True, slots=True)
class Decision:
    """From which magnitude on pixels count as changed.

    ``rule`` is what chose it, ``code`` the first bin that counts as changed, ``false_alarm`` the share of pixels
    without change that passes all the same, if noise is normal.
    """

    rule: str
    code: int
    magnitude: float
    false_alarm: float


def decide(counts: Counts, step: float, null: Null, rule: str, false_alarm: float) -> Decision:
    """Choose the threshold.

    Parameters
    ----------
    counts
        Pixels by magnitude, in bins of ``step`` whose first is centred at 0.
    rule
        ``false-alarm``: what pixels without change pass with the chance ``false_alarm``. ``otsu``, ``kittler``: between
        two heaps of magnitudes; where there are none, by the false alarms.
    """
    code = {"otsu": otsu, "kittler": kittler}[rule](counts) if rule != "false-alarm" else 0
    if not code:
        rule, code = "false-alarm", math.ceil(null.magnitude(false_alarm) / step)
    code = min(code, len(counts) - 1)
    reached = float(null.chance(np.array([code * step]))[0])
    return Decision(rule, code, round(code * step, 6), float(f"{reached:.6g}"))


def otsu(counts: Counts) -> int:
    """The first bin above the threshold that parts a histogram with the most variance between the parts (Otsu 1979).

    Of equals the first; 0 where all lies in one bin.
    """
    bins = np.arange(len(counts), dtype=np.float64)
    n, first = np.cumsum(counts)[:-1].astype(np.float64), np.cumsum(counts * bins)[:-1]
    total, whole = float(counts.sum()), float((counts * bins).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (whole * n - total * first) ** 2 / (n * (total - n))
    between = np.where(np.isfinite(between), between, 0.0)
    return int(between.argmax()) + 1 if between.any() else 0


def kittler(counts: Counts) -> int:
    """The first bin above the threshold of least error between two normal heaps (Kittler and Illingworth 1986, equation 15).

    Of equals the first; a side needs two bins to have a width. 0 where nothing can be parted.
    """
    bins = np.arange(len(counts), dtype=np.float64)
    sums = [np.cumsum(counts * bins**power)[:-1] for power in (0, 1, 2)]
    rest = [float((counts * bins**power).sum()) - part for power, part in enumerate(sums)]
    total = float(counts.sum())
    cost = np.ones(len(counts) - 1)
    good = np.ones(len(cost), bool)
    for n, first, second in (sums, rest):
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = second / n - (first / n) ** 2
            share = n / total
            good &= (n > 0) & (variance > 1e-3)
            cost += share * np.log(variance) - 2 * share * np.log(share)
    if not good.any():
        return 0
    return int(np.where(good, cost, np.inf).argmin()) + 1


def _saddlepoint(squared: Floats, spectrum: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """P(sum of spectrum times chi-squares > squared) where it is known (not near the mean), and where that is.

    With the cumulant function ``K(s) = -sum(log(1 - 2 l s)) / 2`` and ``K'(s) = x``, ``w`` the signed root of
    ``2 (s x - K)`` and ``v = s sqrt(K'')``, it is ``P(N > w + log(v / w) / w)``.
    """
    from scipy.special import ndtr

    low = np.full(len(squared), -len(spectrum) / squared.min())
    high = np.full(len(squared), (1 - 1e-15) / (2 * spectrum.max()))
    for _ in range(200):
        middle = (low + high) / 2
        slope = (spectrum / (1 - 2 * middle[:, None] * spectrum)).sum(axis=1)
        low, high = np.where(slope < squared, middle, low), np.where(slope < squared, high, middle)
    s = (low + high) / 2
    rest = 1 - 2 * s[:, None] * spectrum
    w = np.sign(s) * np.sqrt(np.maximum(2 * (s * squared + np.log(rest).sum(axis=1) / 2), 0))
    v = s * np.sqrt((2 * (spectrum / rest) ** 2).sum(axis=1))
    known = np.abs(w) > 0.05
    w, v = w[known], v[known]
    return known, np.asarray(ndtr(-(w + np.log(v / w) / w)))
