"""Districts: cells around random sites; fields lie in them, roads run between them, towns grow where three meet.

Compiled. Cells are those of Voronoi; a site lies near the middle of each square of a lattice, and the nine around a place
are looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth.noise import hashed, share

_SPREAD = 0.84
"""Part of a square in which its site may lie."""
_FAR = 1e30


@jit
def site(seed: Any, i: int, j: int, size: float) -> tuple[float, float]:
    """Where the site of a lattice's square lies, metres."""
    bits = hashed(seed, i, j)
    x = (i + 0.5 + (share(bits, 0) - 0.5) * _SPREAD) * size
    return x, (j + 0.5 + (share(bits, 1) - 0.5) * _SPREAD) * size


@jit
def three(seed: Any, x: float, y: float, size: float) -> tuple[Any, Any, Any, float, float, float]:
    """The three nearest sites, as hashes (uint64) of their squares, and how far they are, metres."""
    a = b = c = np.uint64(0)
    first = second = third = _FAR
    i, j = int(np.floor(x / size)), int(np.floor(y / size))
    for n in range(j - 1, j + 2):
        for m in range(i - 1, i + 2):
            sx, sy = site(seed, m, n, size)
            far = (x - sx) * (x - sx) + (y - sy) * (y - sy)
            if far < first:
                third, second, first = second, first, far
                c, b, a = b, a, hashed(seed, m, n)
            elif far < second:
                third, second = second, far
                c, b = b, hashed(seed, m, n)
            elif far < third:
                third, c = far, hashed(seed, m, n)
    return a, b, c, np.sqrt(first), np.sqrt(second), np.sqrt(third)


@jit
def around(seed: Any, x: float, y: float, size: float, sites: NDArray[np.float64]) -> tuple[int, int]:
    """Fill ``sites`` (9, 2) with those around a place; return the lattice's square (i, j) of the first."""
    i, j = int(np.floor(x / size)) - 1, int(np.floor(y / size)) - 1
    for n in range(9):
        sites[n, 0], sites[n, 1] = site(seed, i + n % 3, j + n // 3, size)
    return i, j


@jit
def border(x: float, y: float, sites: NDArray[np.float64]) -> tuple[int, int, float]:
    """Which of nine sites is the nearest and which the next, and how far the border between them is, metres."""
    a = b = 0
    first = second = _FAR
    for n in range(9):
        dx, dy = x - sites[n, 0], y - sites[n, 1]
        far = dx * dx + dy * dy
        if far < first:
            second, b = first, a
            first, a = far, n
        elif far < second:
            second, b = far, n
    dx, dy = sites[b, 0] - sites[a, 0], sites[b, 1] - sites[a, 1]
    return a, b, (second - first) / (2 * np.sqrt(dx * dx + dy * dy))
