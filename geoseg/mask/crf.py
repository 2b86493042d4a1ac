"""CRF: mean-field smoothing of a mask along the edges of the image, within a window, so that tiles agree.

A fully connected CRF (Kraehenbuehl and Koltun 2011) looks at the whole image; cut to a window, as in ConvCRF (Teichmann
and Cipolla 2018), each iteration reaches ``dilation * (size // 2)`` pixels, and a halo makes tiles exact.

Equal bits in every tile ask for more than a halo: sums have one order, and the exponential is a table with linear
interpolation, because a vectorized ``exp`` may round differently in the remainder of a row than in its body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from geoseg.mask.filter import FilterSettings

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.int64]

TILE = 256
"""Side of what is done at a time: ``3 * classes + size ** 2`` float32 for each pixel of it and its halo are held."""

_STEPS = 64
_REACH = 20
_TABLE: Floats = np.exp(-np.arange(_STEPS * _REACH + 2) / _STEPS).astype(np.float32)

UNSURE = 70
"""Confidence in percent of the mask's class where none is given."""
ALIKE = 0.7
"""Weight of neighbours that look alike; the rest is for neighbours whatever they look like."""


def smooth(index: Bytes, confidence: Bytes | None, image: Floats, *, classes: int, settings: FilterSettings) -> Bytes:
    """Class of the largest mean-field probability after ``settings.crf`` iterations, uint8 (rows, cols).

    Parameters
    ----------
    index
        Class index (rows, cols); values from ``classes`` on take no part and stay.
    confidence
        Percent (rows, cols): the probability of the pixel's class; the rest is shared by the others.
    image
        Normalized pixels (bands, rows, cols).
    """
    out = index.copy()
    halo = settings.crf * settings.crf_dilation * (settings.crf_size // 2)
    rows, cols = index.shape
    for row in range(0, rows, TILE):
        for col in range(0, cols, TILE):
            top, left = max(row - halo, 0), max(col - halo, 0)
            outer = np.s_[top : row + TILE + halo, left : col + TILE + halo]
            sure = None if confidence is None else confidence[outer]
            done = _mean_field(index[outer], sure, image[:, *outer], classes, settings)
            inner = np.s_[row : row + TILE, col : col + TILE]
            out[inner] = done[row - top :, col - left :][:TILE, :TILE]
    return out


def _mean_field(index: Bytes, confidence: Bytes | None, image: Floats, classes: int, settings: FilterSettings) -> Bytes:
    if not (index < classes).any() or classes < 2:
        return index
    offsets, nearness = _window(settings.crf_size, settings.crf_dilation)
    seen = np.ascontiguousarray(np.moveaxis(image, 0, -1), dtype=np.float32)
    sharpness = np.float32(0.5 / settings.crf_contrast**2)
    weights = _weights(index < classes, seen, offsets, nearness, sharpness, _TABLE)
    percents = np.full(index.shape, UNSURE, np.uint8) if confidence is None else np.minimum(confidence, 100)
    unary = _unary(index, percents, classes)
    belief = np.exp(unary).astype(np.float32)
    strength = np.float32(settings.crf_strength / float(nearness.sum()))
    for _ in range(settings.crf):
        belief = _iterate(belief, unary, weights, offsets, strength, _TABLE)
    best: npt.NDArray[np.intp] = belief.argmax(axis=0)
    return np.where(index < classes, best.astype(np.uint8), index)


def _window(size: int, dilation: int) -> tuple[Offsets, Floats]:
    """Offsets (n, 2) of the window's pixels but its centre, row-major, and their weights, a Gaussian."""
    radius = size // 2
    steps = [(r, c) for r in range(-radius, radius + 1) for c in range(-radius, radius + 1) if (r, c) != (0, 0)]
    nearness = [np.exp(-(r * r + c * c) / (2 * (radius / 2 + 0.5) ** 2)) for r, c in steps]
    return np.array(steps, np.int64) * dilation, np.array(nearness, np.float32)


def _unary(index: Bytes, percents: Bytes, classes: int) -> Floats:
    """Log-probability (classes, rows, cols) by the mask and its confidence, from a table of the 101 percents."""
    own = np.clip(np.arange(101) / 100, 1 / classes, 0.995)
    rest = np.log((1 - own) / (classes - 1)).astype(np.float32)
    unary = np.repeat(rest[percents][None], classes, axis=0)
    present = index < classes
    rows, cols = np.nonzero(present)
    unary[index[present], rows, cols] = np.log(own).astype(np.float32)[percents[present]]
    return unary


@jit
def _exp(x: np.float32, table: Floats) -> np.float32:
    """``exp(x)`` for x <= 0 by linear interpolation, within 4e-5 of it relatively; 0 below the table and for NaN."""
    place = x * np.float32(-64.0)
    if not place < np.float32(1280.0):
        return np.float32(0.0)
    step = int(place)
    part = place - np.float32(step)
    return np.float32(table[step] + (table[step + 1] - table[step]) * part)


@jit
def _weights(
    present: Bools, image: Floats, offsets: Offsets, nearness: Floats, sharpness: np.float32, table: Floats
) -> Floats:
    """Weight of each neighbour (neighbours, rows, cols), 0 where it or the pixel takes no part."""
    rows, cols, _ = image.shape
    out = np.zeros((len(offsets), rows, cols), np.float32)
    for n in range(len(offsets)):
        for row in range(max(0, -offsets[n, 0]), min(rows, rows - offsets[n, 0])):
            for col in range(max(0, -offsets[n, 1]), min(cols, cols - offsets[n, 1])):
                r = row + offsets[n, 0]
                c = col + offsets[n, 1]
                if present[row, col] and present[r, c]:
                    like = _exp(-sharpness * _distance(image[row, col], image[r, c]), table)
                    out[n, row, col] = nearness[n] * (np.float32(ALIKE) * like + np.float32(1.0 - ALIKE))
    return out


@jit
def _distance(one: Floats, other: Floats) -> np.float32:
    """Mean over the bands of the squared difference."""
    total = np.float32(0.0)
    for b in range(len(one)):
        step = one[b] - other[b]
        total += step * step
    return np.float32(total / np.float32(len(one)))


@jit
def _iterate(
    belief: Floats, unary: Floats, weights: Floats, offsets: Offsets, strength: np.float32, table: Floats
) -> Floats:
    """One mean-field update of (classes, rows, cols) with Potts' compatibility: neighbours vote for their own class."""
    classes, rows, _ = belief.shape
    out = np.zeros_like(belief)
    for row in range(rows):
        for n in range(len(offsets)):
            r = row + offsets[n, 0]
            if 0 <= r < rows:
                for k in range(classes):
                    _vote(out[k, row], weights[n, row], belief[k, r], offsets[n, 1])
        for k in range(classes):
            out[k, row] = unary[k, row] + strength * out[k, row]
        _softmax(out[:, row], table)
    return out


@jit
def _vote(votes: Floats, weights: Floats, belief: Floats, shift: int) -> None:
    """Add the weighted belief of the pixels ``shift`` columns further: one product and one sum a pixel, so vectorized."""
    cols = len(votes)
    first = max(0, -shift)
    last = min(cols, cols - shift)
    to = votes[first:last]
    by = weights[first:last]
    near = belief[first + shift : last + shift]
    for col in range(len(to)):
        to[col] += by[col] * near[col]


@jit
def _softmax(votes: Floats, table: Floats) -> None:
    """Over the classes of (classes, cols), in place."""
    for col in range(votes.shape[1]):
        top = votes[0, col]
        for k in range(1, votes.shape[0]):
            top = max(top, votes[k, col])
        total = np.float32(0.0)
        for k in range(votes.shape[0]):
            votes[k, col] = _exp(votes[k, col] - top, table)
            total += votes[k, col]
        for k in range(votes.shape[0]):
            votes[k, col] /= total
