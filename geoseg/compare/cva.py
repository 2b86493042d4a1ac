"""CVA: change vector analysis, the length and direction of the difference of two images, band by band.

Band by band a line is laid through the pixels of the two dates, so that gain and offset of either date do not matter: from
medians and median absolute deviations, then by rounds in which pixels weigh less the further they lie off, which are
those of :mod:`geoseg.compare.irmad` with one band. The distance from the line, in standard deviations of what has not
changed, is one component of the change vector (Malila 1980; Bruzzone and Prieto 2000, doi:10.1109/36.843009).
Its direction is told by the signs of its components,
the sectors of Virag and Colwell (1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.compare.difference import Difference, Moments
from geoseg.compare.irmad import MadFit, fit_irmad
from geoseg.errors import InputRefused

Floats = NDArray[np.float64]

NORMAL = 1.482602218505602
"""Standard deviations in a median absolute deviation of a normal distribution."""
MOST_SECTORS = 15
"""Bands whose signs fit a raster of 16 bits."""
_PIXELS_A_BAND = 10
_LEAST_NOISE = 1e-4
"""Of a band's own deviation: where most pixels are the same but for rounding the rounds begin with this."""


@dataclass(frozen=True, slots=True, eq=False)
class CvaFit:
    """What the robust statistics came to, each ``(bands,)``.

    ``gain`` and ``offset`` bring BEFORE to AFTER's level; ``noise`` is the standard deviation of what then differs where
    nothing has changed, in AFTER's units.
    """

    difference: Difference
    gain: Floats
    offset: Floats
    noise: Floats


def fit_cva(pixels: Floats, *, where: object = "images") -> CvaFit:
    """Robust level, gain and noise of each band, and the correlation of the noise, from (a sample of) the pixels.

    Parameters
    ----------
    pixels
        ``(n, 2 * bands)``.

    Raises
    ------
    InputRefused
        ``PIXELS``: fewer than ten pixels a band. ``FLAT``: a band that has one value at one of the dates.
    """
    bands = pixels.shape[1] // 2
    if len(pixels) < 2 * bands * _PIXELS_A_BAND:
        what = f"{len(pixels)} pixels have data at both dates, too few to compare {bands} bands"
        raise InputRefused.of("PIXELS", where, what, "Name images that share more ground, or fewer --bands")
    fits = [_line(pixels[:, [band, bands + band]], band, where) for band in range(bands)]
    forward = np.zeros((2 * bands, bands))
    for band, fit in enumerate(fits):
        forward[[band, bands + band], band] = -fit.difference.forward[:, 0]  # AFTER less BEFORE
    centre = np.array([-float(fit.difference.centre[0]) for fit in fits])
    spectrum = np.asarray(np.linalg.eigvalsh(_correlation(pixels @ forward - centre)), np.float64)
    before, after = (np.asarray(np.diag(part), np.float64) for part in (forward[:bands], forward[bands:]))
    return CvaFit(Difference(forward, centre, spectrum), -before / after, centre / after, 1 / after)


def sectors(values: Floats) -> NDArray[np.uint16]:
    """Which components of change vectors ``(n, bands)`` are positive: bit 0 the first band, ``(n,)``."""
    bits = (values > 0).astype(np.uint16) << np.arange(values.shape[1], dtype=np.uint16)
    return np.asarray(bits.sum(axis=1), np.uint16)


def grouped_median(values: Floats) -> float:
    """The median of numbers that were rounded: equal ones count as spread evenly to halfway to their neighbours.

    Of whole numbers the plain median, and more so the median deviation, jumps by steps that are as large as the noise.
    """
    found, counts = np.unique(values, return_counts=True)
    if len(found) == 1:
        return float(found[0])
    half = (found[1:] - found[:-1]) / 2
    edges = np.concatenate([found[:1] - half[:1], found[:-1] + half, found[-1:] + half[-1:]])
    if found[0] == 0 and (values >= 0).all():
        edges[0] = 0.0  # a deviation is never negative
    below = np.concatenate([[0], np.cumsum(counts)])
    return float(np.interp(len(values) / 2, below, edges))


def _line(pixels: Floats, band: int, where: object) -> MadFit:
    """One band of both dates, ``(n, 2)``: the line between them and the noise about it, from a robust start."""
    middle = np.array([grouped_median(column) for column in pixels.T])
    spread = np.array([NORMAL * grouped_median(np.abs(column - m)) for column, m in zip(pixels.T, middle, strict=True)])
    if not (spread > 0).all():
        what = f"most pixels have one value in band {band + 1} at one of the dates"
        raise InputRefused.of("FLAT", where, what, "Leave the band out with --bands")
    level = (pixels - middle) / spread
    apart = level[:, 0] - level[:, 1]
    centre = grouped_median(apart)
    noise = max(NORMAL * grouped_median(np.abs(apart - centre)), _LEAST_NOISE)
    forward = np.array([[1.0], [-1.0]]) / spread[:, None] / noise
    start = Difference(forward, middle @ forward + centre / noise, np.ones(1))
    return fit_irmad(lambda difference: Moments.of(pixels, difference), start=start, where=where)


def _correlation(values: Floats) -> Floats:
    """Correlations from the signs, which outliers hardly move, made a matrix without negative eigenvalues.

    Of normal numbers they are ``sin(pi / 2 * mean(sign * sign))`` (quadrant correlation, Blomqvist 1950).
    """
    signs = np.sign(values)
    power = np.sqrt(np.maximum((signs * signs).mean(axis=0), 1e-12))
    found = np.sin(np.pi / 2 * np.clip(signs.T @ signs / len(values) / np.outer(power, power), -1, 1))
    np.fill_diagonal(found, 1.0)
    eigenvalues, vectors = np.linalg.eigh(found)
    fixed = (vectors * np.maximum(eigenvalues, 0)) @ vectors.T
    scale = np.sqrt(np.diag(fixed))
    return np.asarray(fixed / np.outer(scale, scale))
