"""Clouds: heaps over a share of the scene, soft at their edges, and their shadows to the north-west; compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth.fields import Lattice
from geoseg.training.synth.noise import noise, salted
from geoseg.training.synth.spectra import CLOUD

_SHADOW = 520.0
"""How far a shadow falls to the west, and as far to the north, metres: the sun stands in the south-east."""
_SOFT, _DARK = 0.07, 0.62
"""In units of the cover, from no cloud to all of it; part of the light that a shadow takes."""
CLOUD_VALUE, SHADOW_VALUE = 9, 10


class Sky(NamedTuple):
    """The clouds of a date: their seed (uint64) and the cover from which on there is one; above 9: none anywhere."""

    seed: Any
    level: float


@jit
def cover(seed: Any, x: float, y: float) -> float:
    """How much of a cloud there is, about -1 to 1."""
    heap = 0.55 * noise(salted(seed, 1), x / 6100, y / 6100) + 0.4 * noise(salted(seed, 2), x / 2100, y / 2100)
    return heap + 0.22 * noise(salted(seed, 3), x / 800, y / 800) + 0.12 * noise(salted(seed, 4), x / 300, y / 300)


@jit
def covers(seed: Any, lattice: Lattice, first: int, out: NDArray[np.float64]) -> None:
    """Fill ``out`` (rows, cols) with the cover on the lattice's points from row ``first`` on."""
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = cover(seed, lattice.x + col * lattice.step, lattice.y - (first + row) * lattice.step)


@jit
def overcast(sky: Sky, lattice: Lattice, per: int, first: int, out: NDArray[np.float32]) -> None:
    """Fill ``out`` (2, rows, cols) with how much of each pixel is cloud, and how much shadow: 0 to 1.

    ``per``: pixels from one point of the lattice to the next; rows begin at ``first``.
    """
    shape = out.shape[1:]
    top = first // per
    points = np.empty(((first + shape[0] - 1) // per + 2 - top, (shape[1] - 1) // per + 2))
    for kind in range(2):
        aside = kind * _SHADOW
        covers(sky.seed, Lattice(lattice.x + aside, lattice.y - aside, lattice.step), top, points)
        for row in range(shape[0]):
            above = (first + row) // per
            part = (first + row - above * per + 0.5) / per
            line = points[above - top] * (1 - part) + points[above - top + 1] * part
            for col in range(shape[1]):
                cell = col // per
                t = (col - cell * per + 0.5) / per
                value = line[cell] + (line[cell + 1] - line[cell]) * t
                out[kind, row, col] = min(max((value - sky.level) / _SOFT + 0.5, 0.0), 1.0)


@jit
def dim(over: NDArray[np.float32], image: NDArray[np.float32]) -> None:
    """Put shadows, then clouds, over pixels (rows, cols, bands)."""
    rows, cols, bands = image.shape
    for row in range(rows):
        for col in range(cols):
            cloud, light = over[0, row, col], np.float32(1) - np.float32(_DARK) * over[1, row, col]
            for band in range(bands):
                image[row, col, band] = image[row, col, band] * light * (np.float32(1) - cloud) + CLOUD[band] * cloud


def hide(over: NDArray[np.float32], truth: NDArray[np.uint8]) -> None:
    """Set the class of pixels that are mostly cloud, or else mostly shadow."""
    truth[over[1] > 0.5] = SHADOW_VALUE
    truth[over[0] > 0.5] = CLOUD_VALUE
