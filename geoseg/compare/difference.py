"""Difference: the standardised differences of two images, their length, and the sums that they are made of.

Both methods are one linear map of a pixel's bands at both dates to ``k`` differences of mean 0 and variance 1 where
nothing has changed: pairs of canonical variates (IR-MAD) or the bands themselves (change vector analysis). The sum of
their squares says how far a pixel has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """``pixels @ forward - centre``: the standardised differences of a pixel.

    Parameters
    ----------
    forward, centre
        ``(2 * bands, k)`` and ``(k,)``.
    spectrum
        Eigenvalues of the differences' correlation where nothing has changed, ``(k,)``: all 1 where they are
        uncorrelated. They say how the sum of squares is distributed there (:mod:`geoseg.compare.threshold`).
    """

    forward: Floats
    centre: Floats
    spectrum: Floats

    def values(self, pixels: Floats) -> Floats:
        """The differences, ``(n, k)``."""
        return pixels @ self.forward - self.centre

    def squares(self, pixels: Floats) -> Floats:
        """The sum of squared differences, ``(n,)``."""
        from geoseg.compare.difference_kernels import squares

        return squares(np.ascontiguousarray(pixels), self.forward, self.centre)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Weighted mean and scatter of pixels; parts add up (Chan, Golub and LeVeque 1979, equations 2.1).

    The sums are of floats: the same pixels in the same parts in the same order give the same bits, and another order
    differs by rounding (relative 1e-13 of the scatter's diagonal). :func:`geoseg.compare.images.gather` fixes both.
    """

    n: int
    weight: float
    mean: Floats
    scatter: Floats

    @classmethod
    def of(cls, pixels: Floats, difference: Difference | None = None) -> Self:
        """Of pixels ``(n, m)``, each weighted with the chance that one without change is further off; 1 without one."""
        from geoseg.compare.difference_kernels import chances, weighted_moments

        if difference is None:
            weights = np.ones(len(pixels))
        else:
            weights = chances(difference.squares(pixels), difference.forward.shape[1])
        weight, mean, scatter = weighted_moments(np.ascontiguousarray(pixels), weights)
        return cls(len(pixels), weight, mean, scatter)

    def __add__(self, other: Moments) -> Moments:
        """Both together."""
        weight = self.weight + other.weight
        if weight == 0:
            return Moments(self.n + other.n, 0.0, self.mean, self.scatter)
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.weight / weight)
        scatter = self.scatter + other.scatter + np.outer(apart, apart) * (self.weight * other.weight / weight)
        return Moments(self.n + other.n, weight, mean, scatter)

    @property
    def covariance(self) -> Floats:
        """``(m, m)``."""
        return self.scatter / self.weight
