"""Surface: smooth random fields over a crop, as cubic B-splines of a few control points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_KNOTS = 64
"""Control points of a side, at most: finer than this is noise, not a surface."""


def knots(size: int, spacing: float) -> int:
    """Number of control points along ``size`` pixels, ``spacing`` pixels apart."""
    return 2 * _reach(size, spacing) + 1


def surface(control: Floats, size: int, spacing: float) -> Floats:
    """The spline (..., size, size) of ``control`` (..., knots, knots); never beyond the control points' range."""
    basis = _basis(size, spacing, slope=False)
    return np.asarray(basis @ control @ basis.T)


def slopes(control: Floats, size: int, spacing: float) -> tuple[Floats, Floats]:
    """The spline's derivatives to row and column, per pixel, each (size, size)."""
    basis, slope = _basis(size, spacing, slope=False), _basis(size, spacing, slope=True)
    return np.asarray(slope @ control @ basis.T), np.asarray(basis @ control @ slope.T)


def _reach(size: int, spacing: float) -> int:
    assert size >= 1 and spacing * MOST_KNOTS >= size, (size, spacing)
    return int((size - 1) / 2 / spacing) + 2  # a control point acts on two spacings on either side


@lru_cache(maxsize=64)
def _basis(size: int, spacing: float, *, slope: bool) -> Floats:
    """(size, knots): what each control point adds to each pixel; rows add up to 1 (slope: to 0)."""
    reach = _reach(size, spacing)
    u = ((np.arange(size) - (size - 1) / 2) / spacing)[:, None] - np.arange(-reach, reach + 1)
    away = np.abs(u)
    if slope:
        inner, outer = (1.5 * away - 2) * u, -np.sign(u) * (2 - away) ** 2 / 2
    else:
        inner, outer = 2 / 3 - away**2 + away**3 / 2, (2 - away) ** 3 / 6
    basis = np.where(away < 1, inner, np.where(away < 2, outer, 0.0)) / (spacing if slope else 1.0)
    basis.flags.writeable = False
    return basis
