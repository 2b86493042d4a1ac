"""Noise: hashes of places and smooth random fields made of them; no state, so that any pixel is made alone; compiled.

Only sums, products, divisions and square roots: IEEE arithmetic gives the same bits on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit

_I, _J, _SALT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)
_LOW = np.uint64(0xFFFF)
_SIXTEEN = np.uint64(15)
# Sixteen unit vectors, exact in thirds of a right angle and a bit: (3, 4, 5) and (5, 12, 13).
_GX = np.array([3 / 5, 4 / 5, 5 / 13, 12 / 13] * 4) * np.repeat([1.0, -1.0], 8)
_GY = np.array([4 / 5, 3 / 5, 12 / 13, 5 / 13] * 4) * np.tile(np.repeat([1.0, -1.0], 4), 2)


@jit
def mixed(value: Any) -> Any:
    """Scatter 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    value = (value ^ (value >> _30)) * _A
    value = (value ^ (value >> _27)) * _B
    return value ^ (value >> _31)


@jit
def hashed(seed: Any, i: Any, j: Any) -> Any:
    """64 random bits (uint64) of an integer place."""
    return mixed(seed + np.uint64(i) * _I + np.uint64(j) * _J)


@jit
def salted(seed: Any, number: int) -> Any:
    """Another seed, for another field."""
    return mixed(seed ^ (np.uint64(number) * _SALT))


@jit
def share(bits: Any, word: int) -> float:
    """A number in [0, 1) of 16 of the bits; ``word`` 0 to 3 says of which."""
    return float((bits >> np.uint64(16 * word)) & _LOW) / 65536.0


@jit
def gauss(bits: Any) -> float:
    """A nearly normal number, mean 0 and deviation 1: the sum of four uniform ones, which ends at 3.46."""
    return (share(bits, 0) + share(bits, 1) + share(bits, 2) + share(bits, 3) - 1.99997) * 1.7320508


@jit
def smooth(t: float) -> float:
    """From 0 to 1 with two flat derivatives at both ends (Perlin, 2002)."""
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


@jit
def noise(seed: Any, x: float, y: float) -> float:
    """Gradient noise (Perlin, 1985), mean 0, about -0.7 to 0.7, deviation about 0.25; the lattice's step is 1."""
    i, j = int(np.floor(x)), int(np.floor(y))
    u, v = x - i, y - j
    down = smooth(v)
    low = _slope(seed, i, j, u, v) * (1 - down) + _slope(seed, i, j + 1, u, v - 1) * down
    high = _slope(seed, i + 1, j, u - 1, v) * (1 - down) + _slope(seed, i + 1, j + 1, u - 1, v - 1) * down
    return low + (high - low) * smooth(u)


@jit
def ridged(seed: Any, x: float, y: float) -> float:
    """Noise folded at 0, so that it has sharp crests: 0 to 1."""
    return 1.0 - min(abs(noise(seed, x, y)) * 2.5, 1.0)


@jit
def _slope(seed: Any, i: int, j: int, u: float, v: float) -> float:
    k = hashed(seed, i, j) & _SIXTEEN
    return float(_GX[k] * u + _GY[k] * v)


@jit
def noise_row(out: NDArray[np.float64], seed: Any, x0: float, dx: float, y: float) -> None:
    """Fill ``out`` with :func:`noise` at ``x0 + k dx``, cell by cell: what lies in one shares its corners."""
    j = int(np.floor(y))
    v = y - j
    down = smooth(v)
    first, i = 0, int(np.floor(x0))
    while first < len(out):
        stop = min(max(int(np.ceil((i + 1 - x0) / dx)), first), len(out))
        low, low_slope = _side(seed, i, j, v, down)
        high, high_slope = _side(seed, i + 1, j, v, down)
        part, start = out[first:stop], x0 + first * dx - i
        for k in range(len(part)):
            u = start + k * dx
            below = low + low_slope * u
            part[k] = below + (high + high_slope * (u - 1) - below) * smooth(u)
        first, i = stop, i + 1


@jit
def _side(seed: Any, i: int, j: int, v: float, down: float) -> tuple[float, float]:
    """Value and slope along the row, of one side of a cell."""
    top, bottom = hashed(seed, i, j) & _SIXTEEN, hashed(seed, i, j + 1) & _SIXTEEN
    value = _GY[top] * v * (1 - down) + _GY[bottom] * (v - 1) * down
    return value, _GX[top] * (1 - down) + _GX[bottom] * down
