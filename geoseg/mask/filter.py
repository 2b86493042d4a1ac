"""Filter: majority, opening, closing and CRF on a mask, window by window, with enough context that no edge shows.

Nodata stays nodata and is never counted, nor is what lies outside the scene. Every filter is a function of a pixel's
neighbourhood of a known radius, so filtering windows grown by :func:`halo_of` equals filtering the whole, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError

if TYPE_CHECKING:
    from geoseg.legend import Legend

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

ABSENT = 255
"""Class index of pixels that take no part: nodata, and values that the legend does not know."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """Filters after stitching, in the order in which they run: CRF, majority, opening, closing. 0 is off.

    ``majority``, ``opening`` and ``closing`` are radii in pixels: the window is a square of ``2 * radius + 1``. ``crf``
    is the number of mean-field iterations over a window of ``crf_size`` pixels (odd) that are ``crf_dilation`` apart;
    ``crf_strength`` is how much wholly agreeing neighbours add to the log-odds of their class, ``crf_contrast`` the
    difference of normalized pixels beyond which neighbours stop counting as alike.
    """

    majority: int = 0
    opening: int = 0
    closing: int = 0
    crf: int = 0
    crf_size: int = 5
    crf_dilation: int = 2
    crf_strength: float = 3.0
    crf_contrast: float = 0.5

    def __post_init__(self) -> None:
        """Refuse radii and sizes that mean nothing."""
        if min(self.majority, self.opening, self.closing, self.crf) < 0:
            raise UsageError.of("FILTER", "filters", "radii and iterations must be 0 or more", "0 turns a filter off")
        if self.crf_size < 3 or self.crf_size % 2 == 0 or self.crf_dilation < 1:
            what = "the window's size must be odd and at least 3, its dilation at least 1"
            raise UsageError.of("FILTER", "CRF", what, "5 and 2 are a good start")
        if not (self.crf_strength >= 0 and self.crf_contrast > 0):
            what = "the strength must be 0 or more, the contrast above 0"
            raise UsageError.of("FILTER", "CRF", what, "3 and 0.5 are a good start")

    @property
    def any(self) -> bool:
        """True when a filter is on."""
        return bool(self.majority or self.opening or self.closing or self.crf)

    @property
    def needs_image(self) -> bool:
        """True when a filter looks at the image."""
        return self.crf > 0


def halo_of(settings: FilterSettings) -> int:
    """Pixels of context per side that the filters look at."""
    crf = settings.crf * settings.crf_dilation * (settings.crf_size // 2)
    return crf + settings.majority + 3 * settings.opening + 2 * settings.closing


def apply_filters(
    mask: Bytes, confidence: Bytes | None, image: Floats | None, *, legend: Legend, settings: FilterSettings
) -> Bytes:
    """Filter a window of a mask.

    Parameters
    ----------
    mask
        Class values (rows, cols).
    confidence
        Percent, (rows, cols); the CRF then weighs each pixel by it, and takes all for equally sure without.
    image
        Normalized pixels (bands, rows, cols), finite where the mask has a class; needed by the CRF only.

    Returns
    -------
    numpy.ndarray
        The filtered mask. At edges of the window that are not the scene's, ``halo_of(settings)`` pixels are wrong.
    """
    values = np.array(legend.values, dtype=np.uint8)
    table = np.full(256, ABSENT, np.uint8)
    table[values] = np.arange(len(values), dtype=np.uint8)
    index = table[mask]
    if settings.crf:
        index = _crf(index, confidence, image, len(values), settings)
    if settings.majority:
        index = majority(index, settings.majority, len(values))
    if settings.opening:
        index = opening(index, settings.opening, len(values))
    if settings.closing:
        index = closing(index, settings.closing, len(values))
    return np.where(index == ABSENT, mask, np.append(values, np.zeros(256 - len(values), np.uint8))[index])


def majority(index: Bytes, radius: int, classes: int) -> Bytes:
    """The most frequent class of the window; of equals the pixel's own, else the first of the legend."""
    from geoseg.mask.windows import window_mode

    return np.where(index == ABSENT, index, window_mode(index, index, radius, classes))


def opening(index: Bytes, radius: int, classes: int) -> Bytes:
    """Remove what is narrower than the window.

    A pixel keeps its class where it lies in a window, centred on a present pixel, whose present pixels all have this
    class. Others take the most frequent class among the kept pixels of their own window, of equals their own, else the
    first of the legend; where there are none they keep their class. Looks ``3 * radius`` far.
    """
    from geoseg.mask.windows import window_mode

    present = index != ABSENT
    low = _extreme(index, radius, largest=False)
    high = _extreme(np.where(present, index + np.uint8(1), np.uint8(0)), radius, largest=True)
    uniform = present & (low + np.uint8(1) == high)
    kept = present & (_extreme(uniform.view(np.uint8), radius, largest=True) > 0)
    fill = window_mode(np.where(kept, index, np.uint8(ABSENT)), index, radius, classes)
    return np.where(kept | (fill == ABSENT), index, np.where(present, fill, np.uint8(ABSENT)))


def closing(index: Bytes, radius: int, classes: int) -> Bytes:
    """Close what is narrower than the window.

    A pixel takes the first class of the legend whose closing (dilation, then erosion) holds it; its own always does. So
    classes early in the legend grow over gaps filled by later ones, never the other way. Looks ``2 * radius`` far.
    """
    present = index != ABSENT
    out = index.copy()
    for c in range(classes - 1, -1, -1):
        here = index == c
        if here.any():
            grown = _extreme(here.view(np.uint8), radius, largest=True)
            closed = _extreme(np.where(present, grown, np.uint8(1)), radius, largest=False)
            out[present & (closed > 0) & (index > c)] = c
    return out


def _extreme(array: Bytes, radius: int, *, largest: bool) -> Bytes:
    """Largest or smallest of the window; what lies outside the array never is."""
    from scipy import ndimage

    one = ndimage.maximum_filter1d if largest else ndimage.minimum_filter1d
    outside = 0 if largest else 255
    for axis in (0, 1):
        array = one(array, 2 * radius + 1, axis=axis, mode="constant", cval=outside)
    return array


def _crf(index: Bytes, confidence: Bytes | None, image: Floats | None, classes: int, settings: FilterSettings) -> Bytes:
    from geoseg.mask.crf import smooth

    if image is None:
        raise UsageError.of("FILTER", "CRF", "it needs the image beside the mask", "Give the normalized image")
    return smooth(index, confidence, image, classes=classes, settings=settings)
