"""Kernels: sums over pixels, compiled; one thread each, so that they do not depend on how many there are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit

Floats = NDArray[np.float64]

_FAR = 1e6
"""exp of its negative is 0."""


@jit
def squares(pixels: Floats, forward: Floats, centre: Floats) -> Floats:
    """Sum over ``k`` of ``(pixels @ forward - centre) ** 2``, ``(n,)``."""
    n, m = pixels.shape
    out = np.empty(n)
    line = np.empty(len(centre))
    for i in range(n):
        for k in range(len(centre)):
            line[k] = -centre[k]
        for j in range(m):
            value = pixels[i, j]
            for k in range(len(centre)):
                line[k] += value * forward[j, k]
        total = 0.0
        for k in range(len(centre)):
            total += line[k] * line[k]
        out[i] = total
    return out


@jit
def chances(squared: Floats, degrees: int) -> Floats:
    """P(chi-square > value), for whole degrees of freedom (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5), ``(n,)``."""
    out = np.empty(len(squared))
    for i in range(len(squared)):
        half = squared[i] / 2
        if not half < _FAR:
            out[i] = 0.0
            continue
        if degrees % 2 == 0:
            term = math.exp(-half)
            total = term
            first = 2
        else:
            total = math.erfc(math.sqrt(half))
            term = math.exp(-half) * 2 * math.sqrt(half / math.pi)
            if degrees > 1:
                total += term
            first = 3
        for j in range(first, degrees, 2):
            term *= 2 * half / j
            total += term
        out[i] = min(total, 1.0)
    return out


@jit
def weighted_moments(pixels: Floats, weights: Floats) -> tuple[float, Floats, Floats]:
    """Sum of the weights, weighted mean ``(m,)`` and scatter ``(m, m)`` about it."""
    n, m = pixels.shape
    mean = np.zeros(m)
    scatter = np.zeros((m, m))
    weight = 0.0
    for i in range(n):
        weight += weights[i]
        for j in range(m):
            mean[j] += weights[i] * (pixels[i, j] - pixels[0, j])  # about the first: no digits are lost to the level
    if weight <= 0:
        return 0.0, mean, scatter
    for j in range(m):
        mean[j] = mean[j] / weight + pixels[0, j]
    _add_scatter(pixels, weights, mean, scatter)
    return weight, mean, scatter


@jit
def _add_scatter(pixels: Floats, weights: Floats, mean: Floats, scatter: Floats) -> None:
    m = len(mean)
    line = np.empty(m)
    for i in range(len(pixels)):
        for j in range(m):
            line[j] = pixels[i, j] - mean[j]
        for j in range(m):
            value = weights[i] * line[j]
            for k in range(j, m):
                scatter[j, k] += value * line[k]
    for j in range(m):
        for k in range(j):
            scatter[j, k] = scatter[k, j]
