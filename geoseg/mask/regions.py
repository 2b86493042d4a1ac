"""Regions: what the sieve knows of a mask's regions, gathered tile by tile and laid together along the seams.

A piece is a region of one tile. Of each piece are kept its class, pixels, area and first pixel, and its borders where it
is small; pieces that a seam cuts are pairs to be joined. Nothing else of the pixels is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from geoseg.errors import ResourceError
from geoseg.grid.geobox import Window
from geoseg.mask.labels import Ints, Longs, Runs, Values, end_of, label
from geoseg.raster.jit import jit

Bools = npt.NDArray[np.bool_]


class AreaTable(Protocol):
    """Areas of the pixels of some rows as integers; see :class:`geoseg.vector.lattice.AreaTable`."""

    @property
    def first(self) -> int: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def cols(self) -> int: ...  # noqa: D102
    @property
    def pixel(self) -> Longs: ...  # noqa: D102
    @property
    def before(self) -> Longs: ...  # noqa: D102


Areas = Callable[[int, int], AreaTable]
"""First row and the row after the last, to the areas of the pixels between them."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """The smallest region that stays, by class.

    Attributes
    ----------
    least
        int64 (65536,), by class value: regions of less are small; 0: never. In pixels or, with ``by_area``, in units of
        ``areas``.
    areas
        What pixels weigh; None: each 1.
    """

    least: Longs
    areas: Areas | None = None
    by_area: bool = False

    @classmethod
    def of(
        cls, others: int, classes: dict[int, int] | None = None, *, areas: Areas | None = None, by_area: bool = False
    ) -> Minimum:
        """One number for ``classes`` each, by value, and one for all others."""
        least = np.full(1 << 16, others, np.int64)
        for value, number in (classes or {}).items():
            least[value] = number
        return cls(least, areas, by_area)

    @property
    def any(self) -> bool:
        """False when nothing can be small."""
        return bool((self.least > (0 if self.by_area else 1)).any())


class Line(NamedTuple):
    """Pixels along a seam: number of the piece (-1: nodata), its class, and whether it is small in its tile."""

    piece: Longs
    value: Values
    small: Bools

    def between(self, start: int, stop: int) -> Line:
        """Pixels ``start .. stop``."""
        return Line(self.piece[start:stop], self.value[start:stop], self.small[start:stop])


class Borders(NamedTuple):
    """Directed borders: from piece ``start`` to ``end``, ``length`` pixel edges (0: they touch at corners only)."""

    start: Ints
    end: Ints
    length: Ints


@dataclass(frozen=True, slots=True)
class TilePieces:
    """The pieces of one tile, numbered from 0: one entry each, borders that start at small ones, and the tile's edges."""

    value: Values
    pixels: Ints
    area: Longs
    first: Longs
    borders: Borders
    top: Line
    bottom: Line
    left: Line
    right: Line


@dataclass(frozen=True, slots=True)
class Graph:
    """All pieces of a mask.

    ``same`` (n, 2) are pieces that are one region, ``first`` is the lowest row-major number of a piece's pixels.
    """

    value: Values
    pixels: Ints
    area: Longs
    first: Longs
    same: Ints
    borders: Borders


Table = tuple[int, int, int, Longs, Longs]
_EACH_ONE: Table = (0, 1 << 62, 1 << 62, np.ones((1, 1), np.int64), np.zeros((1, 1), np.int64))


def weights(areas: Areas | None, window: Window) -> Table:
    """What the pixels in the rows of a window weigh, as compiled code takes it."""
    if areas is None:
        return _EACH_ONE
    table = areas(window.row, window.row + window.height)
    return (table.first, table.rows, table.cols, table.pixel, table.before)


def _expanded(runs: Runs, row: int, width: int) -> Ints:
    """The piece of each pixel of a row."""
    inside = slice(runs.rows[row], runs.rows[row + 1])
    return np.repeat(runs.piece[inside], np.diff(runs.col[inside], append=width))


@dataclass(slots=True)
class Gatherer:
    """Takes the pieces of the tiles of a mask, row-major, and lays them together; holds a row of pixels beside them."""

    cols: int
    nodata: int
    diagonal: bool
    minimum: Minimum
    offsets: list[int] = field(default_factory=lambda: [0])
    _tiles: list[tuple[Values, Ints, Longs, Longs]] = field(default_factory=list)
    _borders: list[Borders] = field(default_factory=list)
    _same: list[Ints] = field(default_factory=list)
    _above: Line = field(init=False)
    _below: Line = field(init=False)
    _left: Line = field(init=False)

    def describe(self, window: Window, mask: Values, table: Table) -> TilePieces:
        """Label the tile at ``window``, measure its pieces and their borders; any tiles, at the same time too."""
        height, width = mask.shape
        runs = label(mask, self.nodata, self.diagonal)
        value, pixels, area, first = _measure(runs, width, table, (window.row, window.col, self.cols))
        small = (area if self.minimum.by_area else pixels) < self.minimum.least[value]
        borders = Borders(*_summed(*_borders(runs, width, small, self.diagonal), len(value)))

        def line(pieces: Ints) -> Line:
            """Along an edge; the last entry, which -1 takes, is nodata's."""
            values = np.append(value, np.array(self.nodata, value.dtype))
            return Line(pieces.astype(np.int64), values[pieces], np.append(small, False)[pieces])

        top, bottom = _expanded(runs, 0, width), _expanded(runs, height - 1, width)
        left, right = runs.piece[runs.rows[:-1]], runs.piece[runs.rows[1:] - 1]
        return TilePieces(value, pixels, area, first, borders, *map(line, (top, bottom, left, right)))

    def add(self, window: Window, tile: TilePieces) -> None:
        """Take the tile at ``window``."""
        offset = self.offsets[-1]
        self.offsets.append(offset + len(tile.value))
        if self.offsets[-1] >= 1 << 31:
            raise ResourceError.of(
                "REGIONS", "mask", "2^31 regions or more", "Sieve parts of the mask, or filter it first"
            )
        if window.row == 0 and window.col == 0:
            self._below = self._nothing(self.cols, tile.value.dtype)
        self._tiles.append((tile.value, tile.pixels, tile.area, tile.first))
        start, end, length = tile.borders
        self._borders.append(Borders(start + np.int32(offset), end + np.int32(offset), length))
        self._sew(window, *(_shifted(line, offset) for line in (tile.top, tile.bottom, tile.left, tile.right)))

    def _nothing(self, length: int, dtype: np.dtype[np.uint8 | np.uint16]) -> Line:
        value = np.full(length, self.nodata, dtype)
        return Line(np.full(length, -1, np.int64), value, np.zeros(length, np.bool_))

    def _sew(self, window: Window, top: Line, bottom: Line, left: Line, right: Line) -> None:
        """Compare the tile's first row and column with what lies above and to the left, and keep its last ones."""
        if window.col == 0:
            self._above, self._below = self._below, self._nothing(self.cols, top.value.dtype)
        else:
            self._compare(self._left, left)
        start, stop = max(window.col - 1, 0), min(window.col + window.width + 1, self.cols)
        padded = self._nothing(stop - start, top.value.dtype)
        for whole, part in zip(padded, top, strict=True):
            whole[window.col - start :][: window.width] = part
        self._compare(self._above.between(start, stop), padded)
        for whole, part in zip(self._below, bottom, strict=True):
            whole[window.col :][: window.width] = part
        self._left = right

    def _compare(self, one: Line, other: Line) -> None:
        same, borders = _seam(one, other, self.diagonal)
        self._same.append(same)
        self._borders.append(Borders(*borders))

    def graph(self) -> Graph:
        """The pieces of all tiles taken; what the gatherer held is gone then."""
        value, pixels, area, first = (np.concatenate(part) for part in zip(*self._tiles, strict=True))
        self._tiles.clear()
        borders = Borders(*(np.concatenate(part) for part in zip(*self._borders, strict=True)))
        self._borders.clear()
        return Graph(value, pixels, area, first, np.concatenate(self._same), borders)


def _shifted(line: Line, offset: int) -> Line:
    return line._replace(piece=np.where(line.piece >= 0, line.piece + offset, -1))


@jit
def _measure(runs: Runs, width: int, table: Table, place: tuple[int, int, int]) -> tuple[Values, Ints, Longs, Longs]:
    """Class, pixels, area and first pixel of each piece of a tile at (row, col) of a mask ``cols`` wide."""
    col, values, rows, piece, count = runs
    first_cell, cell_rows, cell_cols, pixel, before = table
    row, left, cols = place
    value = np.empty(count, values.dtype)
    pixels = np.zeros(count, np.int32)
    area = np.zeros(count, np.int64)
    first = np.zeros(count, np.int64)
    for r in range(len(rows) - 1):
        line = (row + r) // cell_rows - first_cell
        for i in range(rows[r], rows[r + 1]):
            p = piece[i]
            if p < 0:
                continue
            start, stop = col[i], end_of(col, rows, r, i, width)
            if pixels[p] == 0:
                value[p] = values[i]
                first[p] = (row + r) * cols + left + start
            pixels[p] += stop - start
            a, b = (left + start) // cell_cols, (left + stop) // cell_cols
            area[p] += before[line, b] + pixel[line, b] * (left + stop - b * cell_cols)
            area[p] -= before[line, a] + pixel[line, a] * (left + start - a * cell_cols)
    return value, pixels, area, first


@jit
def _borders(runs: Runs, width: int, small: Bools, diagonal: bool) -> tuple[Ints, Ints, Ints, int]:
    """Start, end and length of every contact of two runs of different pieces, once for each side that is small."""
    col, _, rows, piece, _ = runs
    reach = 1 if diagonal else 0
    out = np.empty((3, 1024), np.int32)
    n = 0
    for r in range(len(rows) - 1):
        above = rows[max(r - 1, 0)]
        most = 8 * (rows[r + 1] - above)
        if n + most > out.shape[1]:
            longer = np.empty((3, 2 * out.shape[1] + most), np.int32)
            longer[:, :n] = out[:, :n]
            out = longer
        for i in range(rows[r], rows[r + 1] - 1):
            n = _note(out, n, piece[i], piece[i + 1], 1, small)
        i = above
        for j in range(rows[r], rows[r + 1] if r > 0 else 0):
            start, stop = col[j], end_of(col, rows, r, j, width)
            while end_of(col, rows, r - 1, i, width) <= start - reach:
                i += 1
            k = i
            while k < rows[r] and col[k] < stop + reach:
                shared = min(stop, end_of(col, rows, r - 1, k, width)) - max(start, col[k])
                n = _note(out, n, piece[k], piece[j], max(shared, 0), small)
                k += 1
    return out[0], out[1], out[2], n


@jit
def _note(out: Ints, n: int, a: int, b: int, length: int, small: Bools) -> int:
    """Append a contact of pieces ``a`` and ``b`` to ``out`` from ``n`` on, in each direction that starts at a small one."""
    if a == b or a < 0 or b < 0:
        return n
    if small[a]:
        out[0, n] = a
        out[1, n] = b
        out[2, n] = length
        n += 1
    if small[b]:
        out[0, n] = b
        out[1, n] = a
        out[2, n] = length
        n += 1
    return n


@jit
def _summed(start: Ints, end: Ints, length: Ints, n: int, pieces: int) -> tuple[Ints, Ints, Ints]:
    """The first ``n`` contacts grouped by ``start`` (a counting sort), those of equal ends added up."""
    at = np.zeros(pieces + 1, np.int64)
    for i in range(n):
        at[start[i] + 1] += 1
    for p in range(pieces):
        at[p + 1] += at[p]
    order = np.empty(n, np.int32)
    for i in range(n):
        order[at[start[i]]] = i
        at[start[i]] += 1
    out = np.empty((3, n), np.int32)
    seen = np.full(pieces, -1, np.int32)  # of an end, the entry that has it, if that is of the same start
    m = 0
    for at_i in range(n):
        i = order[at_i]
        old = seen[end[i]]
        if old >= 0 and out[0, old] == start[i]:
            out[2, old] += length[i]
            continue
        seen[end[i]] = m
        out[0, m] = start[i]
        out[1, m] = end[i]
        out[2, m] = length[i]
        m += 1
    return out[0, :m].copy(), out[1, :m].copy(), out[2, :m].copy()


@jit
def _seam(one: Line, other: Line, diagonal: bool) -> tuple[Ints, tuple[Ints, Ints, Ints]]:
    """Compare two lines of pixels that lie side by side: pairs of one region, and borders that start at small pieces."""
    count = len(one.piece)
    same = np.empty((3 * count, 2), np.int32)
    out = np.empty((3, 6 * count), np.int32)
    n = 0
    m = 0
    for i in range(count):
        for j in range(max(i - 1, 0) if diagonal else i, min(i + 2, count) if diagonal else i + 1):
            a, b = one.piece[i], other.piece[j]
            if a < 0 or b < 0:
                continue
            if one.value[i] == other.value[j]:
                if n == 0 or same[n - 1, 0] != a or same[n - 1, 1] != b:
                    same[n, 0] = a
                    same[n, 1] = b
                    n += 1
                continue
            length = 1 if i == j else 0
            if one.small[i]:
                m = _add(out, m, a, b, length)
            if other.small[j]:
                m = _add(out, m, b, a, length)
    return same[:n].copy(), (out[0, :m].copy(), out[1, :m].copy(), out[2, :m].copy())


@jit
def _add(out: Ints, n: int, start: int, end: int, length: int) -> int:
    """Append a border, or add to one of the last two if it is the same."""
    for i in range(max(n - 2, 0), n):
        if out[0, i] == start and out[1, i] == end:
            out[2, i] += length
            return n
    out[0, n] = start
    out[1, n] = end
    out[2, n] = length
    return n + 1
