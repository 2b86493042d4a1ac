"""Select: some of the polygons of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def select_regions(part: Regions, keep: NDArray[np.bool_]) -> Regions:
    """The regions where ``keep`` ``(n,)`` is true, in their order; ``part`` itself where all are."""
    if keep.all():
        return part
    chosen = np.flatnonzero(keep)
    parts, polygons = None, chosen
    if part.parts is not None:
        parts, polygons = children(part.parts, chosen)
    outlines, rings = children(part.polygons, polygons)
    offsets, vertices = children(part.rings, rings)
    return replace(
        part,
        values=part.values[chosen],
        n_pixels=part.n_pixels[chosen],
        area_m2=part.area_m2[chosen],
        perim_m=part.perim_m[chosen],
        confidence=None if part.confidence is None else part.confidence[chosen],
        coords=part.coords[vertices],
        rings=offsets,
        polygons=outlines,
        parts=parts,
    )


def children(offsets: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    """Offsets of the chosen items among their own children, and the indices of those children."""
    lengths = np.diff(offsets)[chosen]
    own = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return own, np.arange(own[-1]) + np.repeat(offsets[:-1][chosen] - own[:-1], lengths)
