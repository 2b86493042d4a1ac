"""Borders: what part of the pixels differs because a map is moved by less than a pixel; from how a map differs from itself.

A map that is moved by u differs from itself in a share e(u) of its pixels, its indicator variogram. Between whole pixels it
is not seen, but it is no arbitrary function: for borders that are straight over a few pixels and strips of width w between
them it is a sum of min(abs(u . n), w) over their directions n and widths w with weights that are not negative (a zonoid
norm with strips; Serra 1982, *Image Analysis and Mathematical Morphology*, chapter 9, has the rose of directions and the
linear covariogram of strips). Such a sum fitted to the shares at whole lags gives e between them, and the least and the
largest sum that fits as well bounds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_DIRECTIONS = np.pi * np.arange(16) / 16
_WIDTHS = (2 / 3, 1.0, 1.5, 2.0, 3.0, 5.0, 50.0)
"""Of strips, pixels. Narrower ones hardly reach a map: a pixel takes the class of the most of it."""
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """Weights of strips by direction and width; ``misfit`` is the largest distance of the fit from a share."""

    weights: Floats
    misfit: float
    lags: Floats
    shares: Floats

    @classmethod
    def fit(cls, lags: npt.NDArray[Any], shares: Floats) -> Self:
        """Fit the shares (n,) of pixels that differ at lags (n, 2) by non-negative least squares."""
        from scipy.optimize import nnls

        table = _strips(lags)
        scale = _RIDGE * float(np.linalg.norm(table, axis=0).mean())
        known = np.concatenate([np.maximum(shares, 0), np.zeros(table.shape[1])])
        weights, _ = nnls(np.concatenate([table, scale * np.eye(table.shape[1])]), known, maxiter=50 * len(known))
        return cls(weights, float(np.abs(table @ weights - shares).max()), np.asarray(lags, np.float64), shares)

    def share(self, moves: npt.ArrayLike) -> Floats:
        """Share of pixels that differ at moves (..., 2) in pixels."""
        at = np.asarray(moves, np.float64)
        return np.asarray(_strips(at.reshape(-1, 2)) @ self.weights).reshape(at.shape[:-1])

    def bounds(self, move: npt.ArrayLike) -> tuple[float, float]:
        """The least and the largest share at one move of all sums of strips that fit as well (linear programs)."""
        from scipy.optimize import linprog

        goal, table = _strips(np.asarray(move, np.float64)[None])[0], _strips(self.lags)
        slack = 1.01 * self.misfit + 1e-6
        within = np.concatenate([table, -table])
        limits = np.concatenate([self.shares + slack, slack - self.shares])
        middle, ends = float(self.share(move)), []
        for sign in (1, -1):
            found = linprog(sign * goal, A_ub=within, b_ub=limits, method="highs")
            ends.append(sign * found.fun if found.status == 0 else middle)
        return min(ends[0], middle), max(ends[1], middle)


def _strips(lags: npt.NDArray[Any]) -> Floats:
    """Share of pixels that each strip of unit weight changes: (lags, directions * widths)."""
    across = np.abs(np.outer(lags[:, 0], np.sin(_DIRECTIONS)) + np.outer(lags[:, 1], np.cos(_DIRECTIONS)))
    return np.concatenate([np.minimum(across, width) for width in _WIDTHS], axis=1)
