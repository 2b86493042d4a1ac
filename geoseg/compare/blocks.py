"""Blocks: what is done to one tile of a pair of maps, in any thread or process."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.compare.decide import Codes, Decider, Dropped
from geoseg.compare.maps import Bytes, Pair
from geoseg.compare.places import PlaceFinder, SmallPlaces, small_places
from geoseg.compare.transition import TransitionCounter, Transitions
from geoseg.grid.geobox import Window
from geoseg.mask.sieve import Tiles
from geoseg.raster.overview import thin
from geoseg.vector.lattice import lattice_of
from geoseg.vector.threads import InOrder

if TYPE_CHECKING:
    from geoseg.mask.regions import TilePieces

TILE_ROWS = 512
"""Rows of a tile: the side of a tile of the output, and of most inputs."""

Item = tuple[Window, Codes | None]
"""A tile, and the new codes of its places where some are small."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A tile when all is decided: its codes, its counts without and with the rules, and its part of the overview."""

    window: Window
    codes: Codes | bytes
    naive: Transitions
    transitions: Transitions
    dropped: Dropped
    overview: tuple[Bytes, Bytes]

    def unpacked(self) -> Codes:
        """The change codes, uint16 (rows, cols)."""
        if isinstance(self.codes, bytes):
            return np.frombuffer(zlib.decompress(self.codes), np.uint16).reshape(self.window.shape)
        return self.codes


@dataclass(frozen=True, slots=True, eq=False)
class BlockWork:
    """What the tiles of a pair share; picklable, small."""

    decider: Decider
    finder: PlaceFinder
    step: int = 1
    packed: bool = False

    def look(self, window: Window) -> TilePieces:
        """The changed places of a tile."""
        return self.finder.describe(window, self.decider(window).codes)

    def compare(self, item: Item) -> Compared:
        """Decide on a tile, drop its small places, and count."""
        window, table = item
        pair = self.decider.pair
        found = self.decider(window)
        codes = self.finder.settle(found.codes, table)
        naive = self._counter(pair)
        naive.add(window, found.before, found.observed)
        counted = naive.result()
        final = counted
        if self.decider.rules.any or table is not None:
            ruled = self._counter(pair)
            ruled.add_codes(window, codes)
            final = ruled.result()
        small = thin(found.before, window, self.step).copy(), thin(found.observed, window, self.step).copy()
        sent = zlib.compress(np.ascontiguousarray(codes).data, 1) if self.packed else codes
        return Compared(window, sent, counted, final, found.dropped, small)

    @staticmethod
    def _counter(pair: Pair) -> TransitionCounter:
        return TransitionCounter(pair.geobox, pair.legend, lattice_of(pair.geobox))


def tiles_of(shape: tuple[int, int], block_size: int) -> Tiles:
    """Low, wide tiles of about ``block_size ** 2`` pixels, row-major."""
    return Tiles(shape, (TILE_ROWS, max(block_size * block_size // TILE_ROWS, TILE_ROWS)))


def find_small(work: BlockWork, tiles: Tiles, least: Any, run: InOrder[Window, TilePieces]) -> SmallPlaces:
    """Find the changed places of less than ``least`` area units (int64, by code), wherever the tiles cut them."""
    gatherer = work.finder.gatherer()
    for tile, pieces in zip(tiles, run(work.look, tiles), strict=True):
        gatherer.add(tile, pieces)
    return small_places(gatherer, least)
