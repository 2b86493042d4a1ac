"""Image pairs: pixels of two dates whose noise and change are known, and IR-MAD the slow and obvious way."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import integrate, stats

Floats = NDArray[np.float64]


def two_dates(n: int, bands: int, *, seed: int, changed: float = 0.0) -> tuple[Floats, NDArray[np.bool_]]:
    """Pixels ``(n, 2 * bands)`` of land whose bands go together, other sun and noise at each date; and which changed."""
    draw = np.random.default_rng([seed, n, bands])
    mix = draw.standard_normal((bands, bands)) * 20
    land = 200 + draw.standard_normal((n, bands)) @ mix
    other = 200 + draw.standard_normal((n, bands)) @ mix
    where = draw.random(n) < changed
    before = land + draw.standard_normal((n, bands))
    gain = draw.uniform(0.5, 2, bands)
    after = np.where(where[:, None], other, land) * gain + 7 + 1.5 * gain * draw.standard_normal((n, bands))
    return np.concatenate([before, after], axis=1), where


def slow_irmad(pixels: Floats, rounds: int) -> tuple[Floats, Floats]:
    """Sums of squares and correlations by the textbook: generalised eigenvectors, scipy's chi-square, NumPy's covariance."""
    bands = pixels.shape[1] // 2
    x, y = pixels[:, :bands], pixels[:, bands:]
    weights = np.ones(len(pixels))
    law = stats.chi2(bands)  # the share that weighting leaves of the variance, by its integrals
    above = integrate.quad(lambda z: law.sf(z) * z * law.pdf(z), 0, np.inf)[0]
    share = above / (bands * integrate.quad(lambda z: law.sf(z) * law.pdf(z), 0, np.inf)[0])
    for step in range(rounds + 1):
        s = np.cov(pixels.T, aweights=weights, ddof=0)
        sxx, sxy, syy = s[:bands, :bands], s[:bands, bands:], s[bands:, bands:]
        squared, a = scipy.linalg.eigh(sxy @ np.linalg.solve(syy, sxy.T), sxx)
        b = np.linalg.solve(syy, sxy.T @ a)
        b /= np.sqrt(np.diag(b.T @ syy @ b))
        rho = np.sqrt(squared)
        mad = (x - np.average(x, axis=0, weights=weights)) @ a - (y - np.average(y, axis=0, weights=weights)) @ b
        z = (mad**2 / (2 * (1 - rho) / (share if step else 1))).sum(axis=1)
        weights = stats.chi2.sf(z, bands)
    return z, rho
