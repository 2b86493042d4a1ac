"""Places: connected pixels of one transition; those below a minimum count as unchanged, also where seams cut them.

Only changed pixels are labelled, tile by tile; pieces that a seam cuts are joined; a place is small when all its pieces
together are. Its pixels then keep the class of BEFORE.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.compare.decide import Codes, changed_only
from geoseg.grid.geobox import GeoBox, Window
from geoseg.mask.labels import label, relabel
from geoseg.mask.regions import Gatherer, Minimum, weights
from geoseg.raster.jit import jit
from geoseg.raster.sets import find, unite
from geoseg.vector.lattice import lattice_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoseg.mask.regions import TilePieces

Longs = npt.NDArray[np.int64]
_KEEP_ALL = np.zeros(1 << 16, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PlaceFinder:
    """What describing the changed places of a tile needs; picklable."""

    geobox: GeoBox
    connectivity: int

    def describe(self, window: Window, codes: Codes) -> TilePieces:
        """The pieces of a tile's changed places: code, pixels, area, first pixel, and what touches its sides."""
        areas = lattice_of(self.geobox).table
        return self.gatherer().describe(window, changed_only(codes), weights(areas, window))

    def gatherer(self) -> Gatherer:
        """What takes the pieces of all tiles, row-major. No piece is small to it: borders are of no interest here."""
        return Gatherer(self.geobox.shape[1], 0, self.connectivity == 8, Minimum(_KEEP_ALL))

    def settle(self, codes: Codes, table: Codes | None) -> Codes:
        """A tile's codes without its small places; ``table`` is the new code of each of its pieces, None: all stay."""
        if table is None:
            return codes
        return np.asarray(relabel(label(changed_only(codes), 0, self.connectivity == 8), codes, table), np.uint16)


@dataclass(frozen=True, slots=True)
class SmallPlaces:
    """The new codes of each tile's pieces (None: all stay), and how many places and pixels were small."""

    tables: tuple[Codes | None, ...]
    places: int
    n_pixels: int


def small_places(gatherer: Gatherer, least: Longs) -> SmallPlaces:
    """Join the pieces along the seams and find the places whose area is less than ``least`` (int64, by code)."""
    offsets: Sequence[int] = gatherer.offsets.copy()
    graph = gatherer.graph()
    root = _roots(len(graph.value), graph.same)
    area = np.zeros(len(root), np.int64)
    np.add.at(area, root, graph.area)
    small = area[root] < least[graph.value]
    places = int(np.count_nonzero(small & (root == np.arange(len(root)))))
    bounds = pairwise(offsets)
    codes = np.where(small, (graph.value >> 8) * 257, graph.value).astype(np.uint16)
    tables = tuple(codes[a:b].copy() if small[a:b].any() else None for a, b in bounds)
    return SmallPlaces(tables, places, int(graph.pixels[small].sum(dtype=np.int64)))


@jit
def _roots(count: int, same: npt.NDArray[np.int32]) -> Longs:
    """The lowest piece of each piece's place."""
    parent = np.arange(count)
    for n in range(len(same)):
        unite(parent, same[n, 0], same[n, 1])
    for i in range(count):
        parent[i] = find(parent, i)
    return parent
