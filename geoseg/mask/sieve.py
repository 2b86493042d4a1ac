"""Sieve: regions below the minimum mapping unit join the neighbour with the longest common border, out of core.

The rule, which knows nothing of tiles: a region is a set of connected pixels of one class. As long as there is a region
of fewer than ``min_pixels`` pixels that shares a border with another class,

1. take the one with the fewest pixels, of equals the one whose first pixel (row-major) comes first;
2. it takes the class of the neighbour with which it shares the most pixel edges, of equals of the one with the most
   pixels, then of the one whose first pixel comes first; and is one region with every neighbour of that class from now on.

Sizes and borders are those after all earlier merges. Nodata is neither merged nor a neighbour: what lies alone in it
stays. Pixels are connected over edges (4) or over edges and corners (8); borders are edges in both cases.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window

Bytes = npt.NDArray[np.uint8]
Read = Callable[[Window], Bytes]


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of ``size`` pixels over a raster of ``shape``, row-major."""

    shape: tuple[int, int]
    size: int

    @property
    def across(self) -> int:
        """Number of tiles in a row."""
        return -(-self.shape[1] // self.size)

    def __iter__(self) -> Iterator[Window]:
        """All tiles, row-major."""
        return (self.tile(n) for n in range(-(-self.shape[0] // self.size) * self.across))

    def tile(self, n: int) -> Window:
        """Tile number ``n``."""
        row, col = n // self.across * self.size, n % self.across * self.size
        return Window(row, col, min(self.size, self.shape[0] - row), min(self.size, self.shape[1] - col))

    def touching(self, window: Window) -> Iterator[int]:
        """Numbers of the tiles that ``window`` touches."""
        for row in range(window.row // self.size, -(-(window.row + window.height) // self.size)):
            for col in range(window.col // self.size, -(-(window.col + window.width) // self.size)):
                yield row * self.across + col


@dataclass(slots=True)
class Sieved:
    """A sieved mask, made on reading; ``tables``: for each tile the new class of its regions, None if none changed.

    Finished tiles are kept, as many as a row of tiles has, so that reading from top to bottom makes each tile once.
    """

    tiles: Tiles
    tables: tuple[Bytes | None, ...]
    nodata: int
    connectivity: int
    source: Read
    merged: int
    _recent: OrderedDict[int, Bytes] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, window: Window) -> Bytes:
        """Class values of a window, uint8 (rows, cols)."""
        return self.relabel(window, self.source(window))

    def relabel(self, window: Window, mask: Bytes) -> Bytes:
        """``mask``, the unsieved pixels of ``window``, with the sieve's changes; a copy where there are any."""
        changed = [n for n in self.tiles.touching(window) if self.tables[n] is not None]
        if not changed:
            return mask
        out = mask.copy()
        for n in changed:
            tile = self.tiles.tile(n)
            common = tile.intersect(window)
            out[common.within(window).slices] = self._tile(n)[common.within(tile).slices]
        return out

    def _tile(self, n: int) -> Bytes:
        from geoseg.mask.labels import label

        with self._lock:
            if n in self._recent:
                self._recent.move_to_end(n)
                return self._recent[n]
        table = self.tables[n]
        assert table is not None
        mask = self.source(self.tiles.tile(n))
        labels, _ = label(mask, self.nodata, self.connectivity == 8)
        done = np.append(np.uint8(self.nodata), table)[labels]
        with self._lock:
            self._recent[n] = done
            while len(self._recent) > self.tiles.across + 1:
                self._recent.popitem(last=False)
        return done


def sieve(
    read: Read, shape: tuple[int, int], *, nodata: int, min_pixels: int, connectivity: int = 4, tile_size: int = 1024
) -> Sieved:
    """Sieve the mask that ``read`` gives by windows.

    The mask is read once here, tile by tile, and again where it changes when the result is read. Memory grows with the
    number of regions (about 60 bytes each, and as much for each border of a small one), not with that of pixels; the
    result does not depend on ``tile_size``.

    Parameters
    ----------
    read
        Window to class values, uint8 (rows, cols); it must give the same pixels whenever it is asked.
    min_pixels
        The smallest region that stays.
    connectivity
        4 or 8.
    """
    from geoseg.mask.merge import merge_small
    from geoseg.mask.regions import Gatherer

    if connectivity not in (4, 8):
        raise UsageError.of("CONNECTIVITY", connectivity, "pixels are connected over 4 or 8 neighbours", "Use 4 or 8")
    tiles = Tiles(shape, tile_size)
    gatherer = Gatherer(shape, nodata, min_pixels, connectivity == 8)
    for tile in tiles:
        gatherer.add(tile, read(tile))
    graph = gatherer.graph()
    values = merge_small(graph, min_pixels)
    changed = values != graph.value
    bounds = list(zip(gatherer.offsets[:-1], gatherer.offsets[1:], strict=True))
    tables = tuple(values[a:b].copy() if changed[a:b].any() else None for a, b in bounds)
    merged = int((changed & (graph.root == np.arange(len(values)))).sum())
    return Sieved(tiles, tables, nodata, connectivity, read, merged)
