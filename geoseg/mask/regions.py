"""Regions: the graph of a mask's regions that the sieve works on, gathered tile by tile and joined along the seams.

Kept is what the sieve needs: of each region its class, size and first pixel, and borders where a side may be small.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.mask.labels import find, label, unite
from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Borders:
    """Directed borders: from region ``start`` to ``end``, ``length`` pixel edges (0: they touch at corners only)."""

    start: Ints
    end: Ints
    length: Ints

    @classmethod
    def summed(cls, start: Ints, end: Ints, length: Ints) -> Borders:
        """Equal pairs added up, sorted by start and end."""
        if not len(start):
            return cls(start, end, length)
        pairs = start << 32 | end  # twice as fast to sort as two columns; a mask of 2**31 regions would not fit anyway
        order = np.argsort(pairs)
        pairs = pairs[order]
        first = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]])
        return cls(pairs[first] >> 32, pairs[first] & 0xFFFFFFFF, np.add.reduceat(length[order], first))

    @classmethod
    def joined(cls, parts: list[Borders]) -> Borders:
        """All parts, added up."""
        empty = np.zeros(0, np.int64)
        columns = [[empty, *(getattr(part, name) for part in parts)] for name in ("start", "end", "length")]
        return cls.summed(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """All regions of a mask: ``root[i]`` is the region that piece ``i`` (a region of one tile) belongs to.

    ``value``, ``size`` (pixels) and ``first`` (lowest row-major pixel number) are right at roots; ``borders`` join
    roots and start at regions of fewer than the wanted pixels only.
    """

    root: Ints
    value: Bytes
    size: Ints
    first: Ints
    borders: Borders


@dataclass(slots=True)
class Gatherer:
    """Takes the tiles of a mask, row-major, and makes the graph; holds a row of pixels beside what it returns."""

    shape: tuple[int, int]
    nodata: int
    min_pixels: int
    diagonal: bool
    offsets: list[int] = field(default_factory=lambda: [0])
    _values: list[Bytes] = field(default_factory=list)
    _sizes: list[Ints] = field(default_factory=list)
    _firsts: list[Ints] = field(default_factory=list)
    _borders: list[Borders] = field(default_factory=list)
    _same: list[Ints] = field(default_factory=list)
    _above: tuple[Bytes, Ints] = field(init=False)
    _below: tuple[Bytes, Ints] = field(init=False)
    _left: tuple[Bytes, Ints] = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing above."""
        self._above, self._below = self._line(self.shape[1]), self._line(self.shape[1])

    def _line(self, length: int) -> tuple[Bytes, Ints]:
        return np.full(length, self.nodata, np.uint8), np.full(length, -1, np.int64)

    def add(self, window: Window, mask: Bytes) -> None:
        """Take the tile at ``window``."""
        labels, count = label(mask, self.nodata, self.diagonal)
        offset = self.offsets[-1]
        self.offsets.append(offset + count)
        values, sizes, firsts = _measure(mask, labels, count, window.row, window.col, self.shape[1])
        self._values.append(values)
        self._sizes.append(sizes)
        self._firsts.append(firsts)
        pairs = _inner_pairs(labels, sizes < self.min_pixels, self.diagonal)
        self._borders.append(Borders.summed(pairs[0] + offset, pairs[1] + offset, pairs[2]))
        self._sew(window, mask, np.where(labels > 0, labels.astype(np.int64) + (offset - 1), -1))

    def _sew(self, window: Window, mask: Bytes, pieces: Ints) -> None:
        """Compare the tile's first row and column with what lies above and to the left, and keep its last ones."""
        if window.col == 0:
            self._above, self._below = self._below, self._line(self.shape[1])
        else:
            self._compare(self._left, (mask[:, 0], pieces[:, 0]))
        start, stop = max(window.col - 1, 0), min(window.col + window.width + 1, self.shape[1])
        above = (self._above[0][start:stop], self._above[1][start:stop])
        values, numbers = self._line(stop - start)
        inside = slice(window.col - start, window.col - start + window.width)
        values[inside], numbers[inside] = mask[0], pieces[0]
        self._compare(above, (values, numbers))
        across = slice(window.col, window.col + window.width)
        self._below[0][across], self._below[1][across] = mask[-1], pieces[-1]
        self._left = (mask[:, -1].copy(), pieces[:, -1].copy())

    def _compare(self, one: tuple[Bytes, Ints], other: tuple[Bytes, Ints]) -> None:
        same, start, end, length = _seam_pairs(*one, *other, self.diagonal)
        self._same.append(same)
        self._borders.append(Borders.summed(np.r_[start, end], np.r_[end, start], np.r_[length, length]))

    def graph(self) -> RegionGraph:
        """The graph of all tiles taken."""
        value, size, first = np.concatenate(self._values), np.concatenate(self._sizes), np.concatenate(self._firsts)
        root = np.arange(len(value), dtype=np.int64)
        _unite_all(root, np.concatenate([np.zeros((0, 2), np.int64), *self._same]))
        _add_up(root, size, first)
        borders = Borders.joined(self._borders)
        start, end = root[borders.start], root[borders.end]
        keep = (start != end) & (size[start] < self.min_pixels)
        return RegionGraph(root, value, size, first, Borders.summed(start[keep], end[keep], borders.length[keep]))


@jit
def _measure(mask: Bytes, labels: Labels, count: int, row: int, col: int, cols: int) -> tuple[Bytes, Ints, Ints]:
    """Value, pixels and first pixel of each region of a tile whose corner is at (row, col) of a mask ``cols`` wide."""
    values = np.zeros(count, np.uint8)
    sizes = np.zeros(count, np.int64)
    firsts = np.zeros(count, np.int64)
    for r in range(labels.shape[0]):
        for c in range(labels.shape[1]):
            i = labels[r, c] - 1
            if i >= 0:
                if sizes[i] == 0:
                    values[i] = mask[r, c]
                    firsts[i] = (row + r) * cols + col + c
                sizes[i] += 1
    return values, sizes, firsts


@jit
def _inner_pairs(labels: Labels, small: npt.NDArray[np.bool_], diagonal: bool) -> Ints:
    """Touching pixels of different regions, (start, end, length) x n: once for each side that is small in the tile."""
    rows, cols = labels.shape
    out = np.empty((3, 1024), np.int64)
    n = 0
    for row in range(rows):
        if n + 8 * cols > out.shape[1]:
            longer = np.empty((3, 2 * out.shape[1] + 8 * cols), np.int64)
            longer[:, :n] = out[:, :n]
            out = longer
        n = _compare_rows(labels[row, :-1], labels[row, 1:], 1, small, out, n)
        if row + 1 < rows:
            n = _compare_rows(labels[row], labels[row + 1], 1, small, out, n)
            if diagonal:
                n = _compare_rows(labels[row, :-1], labels[row + 1, 1:], 0, small, out, n)
                n = _compare_rows(labels[row, 1:], labels[row + 1, :-1], 0, small, out, n)
    return out[:, :n].copy()


@jit
def _compare_rows(one: Labels, other: Labels, length: int, small: npt.NDArray[np.bool_], out: Ints, n: int) -> int:
    """Append to ``out`` from ``n`` on each pair of different labels, in each direction that starts at a small region."""
    for i in range(len(one)):
        a = one[i]
        b = other[i]
        if a != b and a > 0 and b > 0:
            if small[a - 1]:
                n = _note(out, n, a - 1, b - 1, length)
            if small[b - 1]:
                n = _note(out, n, b - 1, a - 1, length)
    return n


@jit
def _note(out: Ints, n: int, start: int, end: int, length: int) -> int:
    out[0, n] = start
    out[1, n] = end
    out[2, n] = length
    return n + 1


@jit
def _seam_pairs(
    values: Bytes, pieces: Ints, beyond: Bytes, others: Ints, diagonal: bool
) -> tuple[Ints, Ints, Ints, Ints]:
    """Compare two lines of pixels that lie side by side: pairs of one region, and borders (start, end, length)."""
    count = len(values)
    same = np.empty((3 * count, 2), np.int64)
    border = np.empty((3, 3 * count), np.int64)
    n = 0
    m = 0
    for i in range(count):
        for j in range(max(i - 1, 0) if diagonal else i, min(i + 2, count) if diagonal else i + 1):
            if pieces[i] < 0 or others[j] < 0:
                continue
            if values[i] == beyond[j]:
                if n == 0 or same[n - 1, 0] != pieces[i] or same[n - 1, 1] != others[j]:
                    same[n, 0] = pieces[i]
                    same[n, 1] = others[j]
                    n += 1
            else:
                border[0, m] = pieces[i]
                border[1, m] = others[j]
                border[2, m] = 1 if i == j else 0
                m += 1
    return same[:n].copy(), border[0, :m].copy(), border[1, :m].copy(), border[2, :m].copy()


@jit
def _unite_all(parent: Ints, pairs: Ints) -> None:
    for n in range(len(pairs)):
        unite(parent, pairs[n, 0], pairs[n, 1])


@jit
def _add_up(parent: Ints, size: Ints, first: Ints) -> None:
    """Point each piece at its root, and give the root the sum of sizes and the lowest first pixel."""
    for i in range(len(parent)):
        root = find(parent, i)
        parent[i] = root
        if root != i:
            size[root] += size[i]
            first[root] = min(first[root], first[i])
