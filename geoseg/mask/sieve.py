"""Sieve: regions below the minimum mapping unit join the neighbour with the longest common border, out of core.

The rule, which knows nothing of tiles: a region is a set of connected pixels of one class. Its size is its number of
pixels, or its area. As long as there is a region smaller than its class's minimum that shares a border with another class,

1. take the smallest of them, of equals the one whose first pixel (row-major) comes first;
2. it takes the class of the neighbour with which it shares the most pixel edges, of equals of the largest, then of
   the one whose first pixel comes first; and is one region with every neighbour of that class from now on.

Sizes and borders are those after all earlier merges. Nodata is neither merged nor a neighbour: what lies alone in it
stays. Pixels are connected over edges (4) or over edges and corners (8); borders are edges in both cases. Sizes are
integers, so nothing depends on the order in which they are added up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.mask.lanes import Lanes

if TYPE_CHECKING:
    from geoseg.mask.regions import Graph, Minimum, Table, TilePieces

Values = npt.NDArray[np.uint8 | np.uint16]
Read = Callable[[Window], Values]


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of ``size`` (rows, cols) pixels over a raster of ``shape``, row-major."""

    shape: tuple[int, int]
    size: tuple[int, int]

    @property
    def across(self) -> int:
        """Number of tiles in a row."""
        return -(-self.shape[1] // self.size[1])

    def __iter__(self) -> Iterator[Window]:
        """All tiles, row-major."""
        return (self.tile(n) for n in range(-(-self.shape[0] // self.size[0]) * self.across))

    def tile(self, n: int) -> Window:
        """Tile number ``n``."""
        row, col = n // self.across * self.size[0], n % self.across * self.size[1]
        return Window(row, col, min(self.size[0], self.shape[0] - row), min(self.size[1], self.shape[1] - col))

    def touching(self, window: Window) -> Iterator[int]:
        """Numbers of the tiles that ``window`` touches."""
        for row in range(window.row // self.size[0], -(-(window.row + window.height) // self.size[0])):
            for col in range(window.col // self.size[1], -(-(window.col + window.width) // self.size[1])):
                yield row * self.across + col


class Total(NamedTuple):
    """Pixels of a class, and their area in the units that the sieve was given."""

    pixels: int
    area: int


@dataclass(slots=True)
class Sieved:
    """A sieved mask, made on reading; picklable where ``source`` is.

    Attributes
    ----------
    tables
        For each tile the new class of its regions, None if none changed.
    merged, pixels
        Regions that changed their class, and their pixels.
    before, after
        By class value, what it had and has.
    """

    tiles: Tiles
    tables: tuple[Values | None, ...]
    nodata: int
    connectivity: int
    source: Read
    threads: int
    merged: int
    pixels: int
    before: dict[int, Total]
    after: dict[int, Total]
    _recent: OrderedDict[int, Values] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _lanes: Lanes | None = field(default=None, repr=False)

    def __reduce__(self) -> tuple[type[Sieved], tuple[object, ...]]:
        """Leave out what lives in this process: finished tiles and threads."""
        return Sieved, (
            self.tiles, self.tables, self.nodata, self.connectivity, self.source, self.threads,
            self.merged, self.pixels, self.before, self.after,
        )  # fmt: skip

    def read(self, window: Window) -> Values:
        """Class values of a window, (rows, cols), in the source's type.

        Finished tiles are kept, as many as two rows of tiles have, so that reading from top to bottom makes each once,
        also where windows overlap the ones before by a few rows.
        """
        touching = list(self.tiles.touching(window))
        if all(self.tables[n] is None for n in touching):
            return self.source(window)
        with self._lock:
            self._lanes = lanes = self._lanes or Lanes(self.threads)
        parts = lanes.map(lambda n: self._part(n, window), touching, ahead=self.threads + 1)
        out: Values | None = None
        for n, part in zip(touching, parts, strict=True):
            if len(touching) == 1:
                return part
            out = np.empty(window.shape, part.dtype) if out is None else out
            out[self.tiles.tile(n).intersect(window).within(window).slices] = part
        assert out is not None
        return out

    def _part(self, n: int, window: Window) -> Values:
        """What ``window`` has of tile ``n``."""
        tile = self.tiles.tile(n)
        common = tile.intersect(window)
        return self.source(common) if self.tables[n] is None else self._tile(n)[common.within(tile).slices]

    def _tile(self, n: int) -> Values:
        from geoseg.mask.labels import label, relabel

        with self._lock:
            if n in self._recent:
                self._recent.move_to_end(n)
                return self._recent[n]
        table = self.tables[n]
        assert table is not None
        mask = self.source(self.tiles.tile(n))
        done = relabel(label(mask, self.nodata, self.connectivity == 8), mask, table)
        with self._lock:
            self._recent[n] = done
            while len(self._recent) > 2 * self.tiles.across + 1:
                self._recent.popitem(last=False)
        return done


def sieve(
    read: Read,
    shape: tuple[int, int],
    *,
    nodata: int,
    minimum: Minimum,
    connectivity: int = 4,
    tile_size: int | tuple[int, int] = 1024,
    threads: int = 1,
) -> Sieved:
    """Sieve the mask that ``read`` gives by windows.

    The mask is read once here, tile by tile, and again where it changes when the result is read. The result depends
    neither on ``tile_size`` (side, or rows and columns) nor on ``threads``. Memory grows with the regions, not with
    the pixels: about 50 bytes for each, and 16 for each side of a border that a small one has, and half as much again
    for a moment; beside it, for each thread, a tile and its runs (20 bytes each). The worst case is a checkerboard of
    single pixels: 210 bytes and a microsecond a pixel were measured.

    Parameters
    ----------
    read
        Window to class values, uint8 or uint16 (rows, cols); it must give the same pixels whenever it is asked, from
        several threads at a time where there are ``threads``.
    minimum
        The smallest region that stays.
    connectivity
        4 or 8.

    Raises
    ------
    UsageError
        ``CONNECTIVITY``: neither 4 nor 8.
    ResourceError
        ``REGIONS``: 2^31 regions or more.
    """
    from geoseg.mask.merge import merge_small
    from geoseg.mask.regions import Gatherer, weights

    if connectivity not in (4, 8):
        raise UsageError.of("CONNECTIVITY", connectivity, "pixels are connected over 4 or 8 neighbours", "Use 4 or 8")
    tiles = Tiles(shape, (tile_size, tile_size) if isinstance(tile_size, int) else tile_size)
    gatherer = Gatherer(shape[1], nodata, connectivity == 8, minimum)

    def weighed() -> Iterator[tuple[Window, Table]]:
        for tile in tiles:
            if tile.col == 0:
                table = weights(minimum.areas, tile)
            yield tile, table

    def describe(item: tuple[Window, Table]) -> tuple[Window, TilePieces]:
        return item[0], gatherer.describe(item[0], read(item[0]), item[1])

    for tile, pieces in Lanes(threads).map(describe, weighed(), ahead=threads + 1):
        gatherer.add(tile, pieces)
    graph = gatherer.graph()
    values, merged = merge_small(graph, minimum)
    changed = values != graph.value
    bounds = list(zip(gatherer.offsets[:-1], gatherer.offsets[1:], strict=True))
    tables = tuple(values[a:b].copy() if changed[a:b].any() else None for a, b in bounds)
    before, after = (_totals(each, graph) for each in (graph.value, values))
    pixels = int(graph.pixels[changed].sum(dtype=np.int64))
    return Sieved(tiles, tables, nodata, connectivity, read, threads, merged, pixels, before, after)


def _totals(values: Values, graph: Graph) -> dict[int, Total]:
    totals = np.zeros((2, 1 << 16), np.int64)
    np.add.at(totals[0], values, graph.pixels)
    np.add.at(totals[1], values, graph.area)
    return {int(value): Total(*(int(part[value]) for part in totals)) for value in np.flatnonzero(totals[0])}
