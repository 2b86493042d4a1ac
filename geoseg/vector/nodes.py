"""Nodes: the corners of pixels where outlines branch, and those where they turn, as bits, read off a mask; compiled.

An outline runs between pixels of different classes; nodata, and what lies beyond the raster, are classes like others
here. Where three or four outlines meet is a node; so are the raster's own corners. Outlines between two nodes are the
same for the polygons on both sides, and nodes stay where they are, so whatever is done to such an arc by itself, the
polygons go on touching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geoseg.grid.geobox import Window
from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bits = NDArray[np.uint64]

_STRIP = 1 << 22
"""Pixels read at a time."""
_BEYOND = -1
"""Class of what lies beyond the raster."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Bits of a mask's lattice of pixel corners: 64 columns a word, the lowest bit first.

    Attributes
    ----------
    nodes
        uint64 ``(rows + 1, words)``: 1 where outlines branch.
    vertices
        uint64: 1 wherever an outline may have a vertex. Without smoothing that is at nodes and corners, on the same
        lattice. With it that is at nodes and halfway along the pixel edges beside corners, on a lattice twice as fine.
        Empty when nobody asks.
    """

    nodes: Bits
    vertices: Bits

    @classmethod
    def of(
        cls, read: Callable[[Window], np.ndarray], shape: tuple[int, int], *, smooth: bool, vertices: bool = True
    ) -> Nodes:
        """Find them in one pass over the mask, from top to bottom, in windows of whole rows.

        Memory that stays: 1/4 byte a pixel, with smoothing 5/8, without ``vertices`` 1/8; only where outlines are.
        """
        rows, cols = shape
        factor = 1 + smooth
        nodes = _no_bits(rows + 1, cols + 1)
        places = _no_bits(factor * rows + 1, factor * cols + 1) if vertices else np.empty((0, 0), np.uint64)
        height = max(_STRIP // cols // 512 * 512, min(512, max(_STRIP // cols, 1)))
        last = np.full((2, cols + 2), _BEYOND, np.int32)
        for row in [*range(0, rows, height), rows]:
            strip = np.full((2 + max(min(height, rows - row), 1), cols + 2), _BEYOND, np.int32)
            strip[:2] = last
            if row < rows:
                strip[2:, 1:-1] = read(Window(row, 0, min(height, rows - row), cols))
            _find(strip, row, rows, factor, nodes, places)
            last = strip[-2:].copy()
        return cls(nodes, places)


def _no_bits(height: int, width: int) -> Bits:
    return np.zeros((height, width // 64 + 1), np.uint64)


@jit
def is_set(bits, x, y):  # type: ignore[no-untyped-def]
    """Whether the bit at column ``x`` and row ``y`` is 1."""
    return (bits[y, x >> 6] >> np.uint64(x & 63)) & np.uint64(1) != 0


@jit
def set_bit(bits, x, y):  # type: ignore[no-untyped-def]
    """Make the bit at column ``x`` and row ``y`` 1."""
    bits[y, x >> 6] |= np.uint64(1) << np.uint64(x & 63)


@jit
def clear_bit(bits, x, y):  # type: ignore[no-untyped-def]
    """Make the bit at column ``x`` and row ``y`` 0."""
    bits[y, x >> 6] &= ~(np.uint64(1) << np.uint64(x & 63))


@jit
def any_in_triangle(bits, x, y):  # type: ignore[no-untyped-def]
    """Whether any bit is 1 in a triangle with corners ``x[k], y[k]`` (three each), its edges included."""
    for row in range(min(y), max(y) + 1):
        low, high = np.int64(1 << 40), np.int64(-1)
        for k in range(3):
            x0, y0, x1, y1 = x[k], y[k], x[(k + 1) % 3], y[(k + 1) % 3]
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            if y0 == y1 == row:
                low, high = min(low, x0, x1), max(high, x0, x1)
            elif y0 != y1 and y0 <= row <= y1:
                across = (x1 - x0) * (row - y0)
                low = min(low, x0 - (-across) // (y1 - y0))
                high = max(high, x0 + across // (y1 - y0))
        if low <= high and _any_in_row(bits[row], low, high):
            return True
    return False


@jit
def _any_in_row(words, low, high):  # type: ignore[no-untyped-def]
    first, last = low >> 6, high >> 6
    full = ~np.uint64(0)
    head, tail = full << np.uint64(low & 63), full >> np.uint64(63 - (high & 63))
    if first == last:
        return words[first] & head & tail != 0
    if words[first] & head != 0 or words[last] & tail != 0:
        return True
    for k in range(first + 1, last):
        if words[k] != 0:
            return True
    return False


@jit
def _find(strip, row, rows, factor, nodes, vertices):  # type: ignore[no-untyped-def]
    """Set the bits of the corners above the strip's rows; its first two rows are those before ``row``."""
    cols = strip.shape[1] - 2
    for i in range(2, len(strip)):
        y = row + i - 2
        for x in range(cols + 1):
            nw, ne, sw, se = strip[i - 1, x], strip[i - 1, x + 1], strip[i, x], strip[i, x + 1]
            if (nw == ne and sw == se) or (nw == sw and ne == se):
                continue
            north, south, west, east = nw != ne, sw != se, nw != sw, ne != se
            node = north + south + west + east > 2 or ((x == 0 or x == cols) and (y == 0 or y == rows))
            if node:
                set_bit(nodes, x, y)
            if vertices.size == 0:
                continue
            if node or factor == 1:
                set_bit(vertices, factor * x, factor * y)
            else:
                set_bit(vertices, 2 * x, 2 * y - 1 if north else 2 * y + 1)
                set_bit(vertices, 2 * x - 1 if west else 2 * x + 1, 2 * y)
            if factor == 2 and x < cols and y > 0 and _alone(strip, i - 1, x + 1):
                for k in range(4):
                    set_bit(vertices, 2 * (x + (k & 1)), 2 * (y - (k >> 1)))


@jit
def _alone(strip, i, j):  # type: ignore[no-untyped-def]
    """Whether a pixel differs from the eight around it, and those are equal."""
    around = strip[i - 1, j - 1]
    if strip[i, j] == around:
        return False
    for k in range(9):
        if k != 4 and strip[i - 1 + k // 3, j - 1 + k % 3] != around:
            return False
    return True
