"""Boundary: how well the outlines of a map follow those of its labels, at a distance in metres, as counts that add.

Boundary F1 (Csurka, Larlus & Perronnin 2013): a pixel of an outline counts as right when the other outline of its class is
within the distance. Boundary IoU (Cheng et al. 2021): intersection over union of the pixels of a class that lie within the
distance of what is not that class. Both between the centres of pixels. What is not scored (no label, no data, another part
of the split) is unknown: an edge towards it is no outline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import GeoBox
from geoseg.training.data.labels import IGNORE
from geoseg.training.scoring.confusion import Floats, Ints, ratio

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

SLACK = 1.01
"""Distances count as equal to one percent: two pixels are two pixels everywhere in a UTM zone."""

_EDGE_MASK, _EDGE_MASK_NEAR, _EDGE_LABEL, _EDGE_LABEL_NEAR, _BAND_MASK, _BAND_LABEL, _BAND_BOTH = range(7)


@dataclass(frozen=True, slots=True)
class BoundaryCounts:
    """``counts`` int64 (..., 7, classes), pixels by class.

    Outline of the mask, and of that near the label's; outline of the label, and of that near the mask's; band along the
    outline inside the mask's class, inside the label's, and in both.
    """

    KINDS: ClassVar[int] = 7

    counts: Ints

    @staticmethod
    def of_mask(kind: int) -> bool:
        """Whether pixels of this kind count for the mask's class; else for the label's."""
        return kind in (_EDGE_MASK, _EDGE_MASK_NEAR, _BAND_MASK)

    def without_map(self) -> Ints:
        """The counts of a map that has no outlines."""
        only = np.zeros(self.KINDS, np.int64)
        only[[_EDGE_LABEL, _BAND_LABEL]] = 1
        return self.counts * only[:, None]


def boundary_f1(c: BoundaryCounts) -> Floats:
    """Harmonic mean of the shares of both outlines that are near each other, by class; NaN where neither map has one."""
    mask, near_label, label, near_mask = (c.counts[..., kind, :].astype(np.float64) for kind in range(4))
    precision, recall = np.nan_to_num(ratio(near_label, mask)), np.nan_to_num(ratio(near_mask, label))
    found = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
    return np.where(mask + label > 0, found, np.nan)


def boundary_iou(c: BoundaryCounts) -> Floats:
    """Intersection over union of the bands along the outlines, by class; NaN where neither map has one."""
    mask, label, both = (c.counts[..., kind, :] for kind in (_BAND_MASK, _BAND_LABEL, _BAND_BOTH))
    return ratio(both, mask + label - both)


@dataclass(frozen=True, slots=True)
class Disc:
    """Pixels within a distance of one: ``widths[dy]`` columns to either side in the rows ``dy`` above and below."""

    widths: tuple[int, ...]

    @classmethod
    def of(cls, distance: float, size: tuple[float, float]) -> Disc:
        """All within ``distance`` metres where a pixel is ``size`` (x, y) metres large."""
        x, y = size
        far = distance * SLACK
        rows = range(int(far / y) + 1)
        return cls(tuple(int(math.sqrt(far**2 - (row * y) ** 2) / x) for row in rows))

    @property
    def margin(self) -> int:
        """Rows and columns beyond a window that its counts depend on: the distance, and one pixel to know an outline by."""
        return max(len(self.widths) - 1, self.widths[0]) + 1


CROSS = Disc((1, 0))
"""A pixel and its four neighbours."""


def boundary_kinds(label: Bytes, mask: Bytes, disc: Disc, classes: int) -> Bools:
    """Which pixels count: bool (7, rows, cols), in the order of :class:`BoundaryCounts`.

    ``label`` and ``mask`` are class indices (rows, cols), 255 where unknown, in both where a pixel is not scored. Pixels
    nearer to the arrays' edge than ``disc.margin`` are right only where that is the edge of the scene.
    """
    scored = label != IGNORE
    at_label, at_mask = (_beside_other(of, CROSS, classes) & scored for of in (label, mask))
    near_label = _near(mask, np.where(at_label, label, np.uint8(IGNORE)), disc, classes)
    near_mask = _near(label, np.where(at_mask, mask, np.uint8(IGNORE)), disc, classes)
    in_label, in_mask = (_beside_other(of, disc, classes) & scored for of in (label, mask))
    both = in_label & in_mask & (label == mask)
    return np.stack([at_mask, at_mask & near_label, at_label, at_label & near_mask, in_mask, in_label, both])


def _beside_other(index: Bytes, disc: Disc, classes: int) -> Bools:
    """Pixels of a class that have a pixel of another class within ``disc``."""
    out: Bools = np.zeros(index.shape, bool)
    for bits in _bit_planes(index, classes):
        out |= (_spread(bits, disc) & ~bits) != 0
    out &= index != IGNORE
    return out


def _near(index: Bytes, edges: Bytes, disc: Disc, classes: int) -> Bools:
    """Pixels that have a pixel of their own class in ``edges`` within ``disc``."""
    out = np.zeros(index.shape, bool)
    for own, other in zip(_bit_planes(index, classes), _bit_planes(edges, classes), strict=True):
        out |= (_spread(other, disc) & own) != 0
    return out


def _bit_planes(index: Bytes, classes: int) -> list[npt.NDArray[np.unsignedinteger]]:
    """Sets of classes as bits, up to 64 classes an array: one bit where a pixel is of one of them, none elsewhere."""
    planes = []
    for start in range(0, classes, 64):
        count = min(classes - start, 64)
        kind = next(np.dtype(f"u{size}") for size in (1, 2, 4, 8) if count <= 8 * size)
        table = np.zeros(256, kind)
        table[start : start + count] = kind.type(1) << np.arange(count, dtype=kind)
        planes.append(table[index])
    return planes


def _spread(bits: npt.NDArray[np.unsignedinteger], disc: Disc) -> npt.NDArray[np.unsignedinteger]:
    """The union of the sets within ``disc`` of each pixel."""
    out = np.zeros_like(bits)
    wide, reached = bits.copy(), 0
    for dy in sorted(range(len(disc.widths)), key=lambda dy: disc.widths[dy]):
        for step in range(reached + 1, disc.widths[dy] + 1):
            if step < bits.shape[1]:
                wide[:, step:] |= bits[:, :-step]
                wide[:, :-step] |= bits[:, step:]
        reached = max(reached, disc.widths[dy])
        if dy == 0:
            out |= wide
        elif dy < bits.shape[0]:
            out[dy:] |= wide[:-dy]
            out[:-dy] |= wide[dy:]
    return out


def ground_size(geobox: GeoBox, row: float, col: float) -> tuple[float, float]:
    """Size (x, y) in metres on the ellipsoid of the pixel at (row, col); by the CRS's units where it has no place on Earth."""
    from pyproj import CRS, Geod

    from geoseg.raster.georef import lonlat

    places = lonlat(geobox, [(row, col), (row, col + 1), (row + 1, col)])
    if len(places) == 3:
        here, right, below = places
        earth = Geod(ellps="WGS84")
        x, y = (abs(float(earth.inv(*here, *there)[2])) for there in (right, below))
        if x and y:
            return x, y
    axes = CRS.from_wkt(geobox.crs).axis_info
    factor = axes[0].unit_conversion_factor if axes else 1.0
    return geobox.res[0] * factor, geobox.res[1] * factor
