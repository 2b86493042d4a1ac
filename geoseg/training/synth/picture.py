"""Picture: from spots to pixels: the sensor mixes spots, sees sun and slope, and adds its noise; compiled.

A pixel sees its nine spots and the sixteen around them, nearer ones more (1, 2, 3, 2, 1 in both directions): pixels at
borders are mixed. Its true class is what most of its own nine spots are; of equals, that of the middle one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth import fields
from geoseg.training.synth.land import SPOTS, VARIATION, Spots
from geoseg.training.synth.noise import gauss, hashed
from geoseg.training.synth.spectra import CLASS, GREENING, REFLECTANCE, SCALE

_CLASSES = 16
_SEES = np.array([1, 2, 3, 2, 1], np.float32) / 9


@jit
def true_classes(material: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Fill ``out`` (rows, cols) from spots that begin one row and one column before it."""
    rows, cols = out.shape
    count = np.zeros(_CLASSES, np.uint8)
    for row in range(rows):
        for col in range(cols):
            top, left = row * SPOTS + 1, col * SPOTS + 1
            middle = CLASS[material[top + 1, left + 1]]
            count[:] = 0
            for i in range(SPOTS):
                for j in range(SPOTS):
                    count[CLASS[material[top + i, left + j]]] += 1
            best = middle
            for value in range(_CLASSES):
                if count[value] > count[best]:
                    best = np.uint8(value)
            out[row, col] = best


@jit
def reflectance(spots: Spots, out: NDArray[np.float32]) -> None:
    """Fill ``out`` (rows, cols, bands) with what the sensor mixes, without sun and noise."""
    rows, cols, bands = out.shape
    out[:] = 0
    line = np.empty((spots.material.shape[1], bands), np.float32)
    mixed = np.empty((cols, bands), np.float32)
    for at in range(spots.material.shape[0]):
        _colour(spots.material[at], spots.light[at], spots.green[at], line)
        for col in range(cols):
            left = col * SPOTS
            for band in range(bands):
                near = _SEES[1] * (line[left + 1, band] + line[left + 3, band]) + _SEES[2] * line[left + 2, band]
                mixed[col, band] = near + _SEES[0] * (line[left, band] + line[left + 4, band])
        for row in range(max((at - 2) // SPOTS, 0), min(at // SPOTS + 1, rows)):
            weight = _SEES[at - row * SPOTS]
            target = out[row]
            for col in range(cols):
                for band in range(bands):
                    target[col, band] += weight * mixed[col, band]


@jit
def _colour(
    material: NDArray[np.uint8], light: NDArray[np.int8], green: NDArray[np.int8], out: NDArray[np.float32]
) -> None:
    """The reflectance (cols, bands) of a row of spots."""
    for k in range(len(material)):
        made = material[k]
        lighter = np.float32(1) + np.float32(light[k]) * np.float32(1 / VARIATION)
        greener = np.float32(green[k]) * np.float32(1 / VARIATION)
        for band in range(out.shape[1]):
            out[k, band] = REFLECTANCE[made, band] * lighter * (np.float32(1) + GREENING[band] * greener)


@jit
def sun(ground: fields.Ground, first: int, out: NDArray[np.float32]) -> None:
    """Multiply pixels (rows, cols, bands) from row ``first`` on by how their slope is lit."""
    per, top = ground.per, ground.top
    shade = ground.points[:, :, fields.SHADE]
    rows, cols, bands = out.shape
    for row in range(rows):
        at = (first + row) * SPOTS + 1
        above = at // per
        part = (at - above * per + 0.5) / per
        line = shade[above - top] * (1 - part) + shade[above - top + 1] * part
        for col in range(cols):
            cell = (col * SPOTS + 1) // per
            t = (col * SPOTS + 1 - cell * per + 0.5) / per
            lit = np.float32(line[cell + 1] * (1 - t) + line[cell + 2] * t)
            for band in range(bands):
                out[row, col, band] *= lit


@jit
def digital(seed: Any, first: int, haze: float, image: NDArray[np.float32], out: NDArray[np.uint16]) -> None:
    """Add haze (more in the short waves) and the sensor's noise, and count in steps of SCALE, 1 at least."""
    rows, cols, bands = image.shape
    for row in range(rows):
        for col in range(cols):
            bits = hashed(seed, first + row, col)
            for band in range(bands):
                value = image[row, col, band] + haze / (1 + band * band)
                value += (0.0012 + 0.012 * value) * gauss(hashed(bits, band, 0))
                out[row, col, band] = int(min(max(value / SCALE + 0.5, 1.0), 65535.0))
