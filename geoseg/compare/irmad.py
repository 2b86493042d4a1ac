"""IR-MAD: differences of canonical variates of two images, pixels without change weighing most.

Multivariate alteration detection (Nielsen, Conradsen and Simpson 1998, doi:10.1016/S0034-4257(97)00162-4) finds the
combinations of bands that the two dates have most in common; their differences are uncorrelated and do not depend on
any linear transformation of either image's bands, so neither sun, haze nor the sensor's gain matters. It is repeated,
each pixel weighted with the chance that one without change lies further off (Nielsen 2007, doi:10.1109/TIP.2006.888195).

One thing differs from the paper. Weighted variances are too small, also where nothing has changed: pixels far off count
less. There the differences are normal, the sum of their squares ``Z`` is chi-square with ``k`` degrees of freedom and
the weight is its survival function ``S``, so the weighted variance is ``E[S(Z) Z] / (k E[S(Z)])`` of the true one.
``S(Z)`` is the chance that an independent ``U`` like ``Z`` exceeds it, ``E[S(Z) Z]`` so is ``k`` times the chance that
``U`` exceeds a chi-square with ``k + 2``, and their quotient has a beta distribution:
the factor is ``2 I(1/2; k/2 + 1, k/2)`` (0.69 for six bands, 0.36 for one). Variances are divided by it; without, p-values
would promise a share of false alarms that is passed many times over, and with one band the variance would shrink to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.compare.difference import Difference, Moments
from geoseg.errors import InputRefused

Floats = NDArray[np.float64]
Sum = Callable[[Difference | None], Moments]
"""The moments of all pixels, weighted by a difference or not."""

MOST_ROUNDS = 60
_CLOSE = 1e-3
"""Relative change of the variances, which scale ``Z``, at which the rounds end."""
_LEAST_VARIANCE = 1e-9
"""Of a difference of two variates of variance 1: where images are the same but for rounding it counts as this much."""
_RANK = 1e-10
"""Least share of a combination of standardised bands in the largest one's variance; what has less is left out."""
_PIXELS_A_BAND = 10


@dataclass(frozen=True, slots=True, eq=False)
class MadFit:
    """What the rounds came to.

    Parameters
    ----------
    difference
        From a pixel's bands to its standardised MAD variates, the most alike pair last.
    correlations
        Canonical correlations, ascending, as the last round had them (weighted).
    rounds, settled
        How many, and whether they ended because nothing moved any more.
    no_change
        Mean weight of the pixels: 0.5 where nothing has changed.
    """

    difference: Difference
    correlations: Floats
    rounds: int
    settled: bool
    no_change: float


def fit_irmad(add_up: Sum, *, start: Difference | None = None, where: object = "images") -> MadFit:
    """Find the differences by rounds of weighting and canonical correlation.

    Parameters
    ----------
    add_up
        Called once a round.
    start
        What the first round weighs by; all pixels alike when not given.

    Raises
    ------
    InputRefused
        ``PIXELS``: fewer than ten valid pixels a band. ``FLAT``: a date has one colour only.
    """
    moments = add_up(start)
    bands = len(moments.mean) // 2
    if moments.n < 2 * bands * _PIXELS_A_BAND:
        what = f"{moments.n} pixels have data at both dates, too few to compare {bands} bands"
        raise InputRefused.of("PIXELS", where, what, "Name images that share more ground, or fewer --bands")
    fit = canonical(moments, weighted=start is not None, where=where)
    before = np.zeros(0)
    rounds, settled, weight = 0, False, 1.0
    while rounds < MOST_ROUNDS and not settled:
        moments = add_up(fit.difference)
        rounds += 1
        weight = moments.weight / moments.n
        if moments.weight < 2 * bands * _PIXELS_A_BAND / 2:
            break
        fit = canonical(moments, weighted=True, where=where)
        variances = np.maximum(1 - fit.correlations, _LEAST_VARIANCE / 2)
        settled = before.shape == variances.shape and bool(np.abs(np.log(variances / before)).max() < _CLOSE)
        before = variances
    return MadFit(fit.difference, fit.correlations, rounds, settled, weight)


def canonical(moments: Moments, *, weighted: bool = False, where: object = "images") -> MadFit:
    """Canonical correlation analysis of pixels' moments: the standardised differences of the variates.

    Bands that are constant or combinations of others leave fewer variates than there are bands.
    """
    bands = len(moments.mean) // 2
    covariance = moments.covariance
    one, two = _white(covariance[:bands, :bands]), _white(covariance[bands:, bands:])
    if not one.shape[1] or not two.shape[1]:
        raise InputRefused.of("FLAT", where, "the pixels of one date all look the same", "Name other bands or images")
    left, found, right = np.linalg.svd(one.T @ covariance[:bands, bands:] @ two, full_matrices=False)
    correlations = np.clip(found[::-1], 0.0, 1.0)
    a, b = one @ left[:, ::-1], two @ right.T[:, ::-1]
    turn = np.where((covariance[:bands, :bands] @ a / _deviations(covariance, slice(bands))).sum(axis=0) < 0, -1.0, 1.0)
    variances = np.maximum(2 * (1 - correlations), _LEAST_VARIANCE)
    if weighted:
        variances = variances / weighted_share(len(correlations))
    forward = np.concatenate([a, -b]) * (turn / np.sqrt(variances))
    difference = Difference(np.ascontiguousarray(forward), moments.mean @ forward, np.ones(len(correlations)))
    return MadFit(difference, correlations, 0, False, 1.0)


def weighted_share(degrees: int) -> float:
    """The weighted variance as a share of the true one, where nothing has changed: see the module's text."""
    from scipy.special import betainc

    return 2 * float(betainc(degrees / 2 + 1, degrees / 2, 0.5))


def _deviations(covariance: Floats, part: slice) -> Floats:
    """Standard deviations as a column, 1 where there is none."""
    found = np.sqrt(np.diag(covariance)[part])
    return np.where(found > 0, found, 1.0)[:, None]


def _white(covariance: Floats) -> Floats:
    """Combinations of bands that are uncorrelated and of variance 1, ``(bands, rank)``."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    there = deviations > 0
    scale = np.where(there, 1 / np.where(there, deviations, 1.0), 0.0)
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    kept = values > max(_RANK * values[-1], 1e-300)
    return np.asarray(scale[:, None] * vectors[:, kept] / np.sqrt(values[kept]))
