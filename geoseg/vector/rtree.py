"""Rtree: the nodes of SQLite's R-tree, packed from boxes batch by batch instead of split box by box.

SQLite keeps an R-tree in three tables: the nodes, the leaf of each row, the parent of each node; node 1 is the root
(https://www.sqlite.org/rtree.html, section 4; rtree.c for the bytes of a node).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Boxes = NDArray[np.float32]

CELLS = 51
"""Boxes of a node; SQLite's own choice where pages are not tiny."""
_CELL = np.dtype([("id", ">i8"), ("box", ">f4", 4)])
NODE_BYTES = 4 + CELLS * _CELL.itemsize


class Leaves(NamedTuple):
    """Leaf nodes uint8 ``(k, NODE_BYTES)``, their boxes, and the leaf of each row int64 ``(n,)``, counted from 0."""

    nodes: NDArray[np.uint8]
    boxes: Boxes
    of_row: Ints


def pack_leaves(boxes: Floats, first: int) -> Leaves:
    """Put rows from id ``first`` on into leaves; boxes ``(n, 4)``: xmin, ymin, xmax, ymax.

    Sort-tile-recursive packing (Leutenegger, Lopez and Edgington 1997): slices by x, in each of them leaves by y.
    """
    count = -(-len(boxes) // CELLS)
    slices = math.ceil(math.sqrt(count))
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    piece = np.empty(len(boxes), np.int64)
    piece[order] = np.arange(len(boxes)) // (CELLS * -(-count // slices))
    order = np.lexsort((boxes[:, 1] + boxes[:, 3], piece))
    of_row = np.empty(len(boxes), np.int64)
    of_row[order] = np.arange(len(boxes)) // CELLS
    nodes, around = _nodes(_outward(boxes[order]), first + order)
    return Leaves(nodes, around, of_row)


class Levels(NamedTuple):
    """What lies above the leaves: the root, the other nodes by number, and the parent of each node by its number."""

    root: bytes
    nodes: list[tuple[int, bytes]]
    parents: list[tuple[int, int]]


def pack_levels(boxes: Boxes, first: int) -> Levels:
    """Nodes above leaves that are numbered from ``first`` on; there is at least one leaf."""
    made: list[tuple[int, bytes]] = []
    parents: list[tuple[int, int]] = []
    number, depth = first, 0
    while True:
        ids = number + np.arange(len(boxes))
        nodes, boxes = _nodes(boxes, ids)
        number, depth = int(ids[-1]) + 1, depth + 1
        above = 1 if len(nodes) == 1 else number
        parents += zip(ids.tolist(), (above + np.arange(len(ids)) // CELLS).tolist(), strict=True)
        if len(nodes) == 1:
            nodes[0, :2] = divmod(depth, 256)
            return Levels(nodes[0].tobytes(), made, parents)
        made += [(number + i, node.tobytes()) for i, node in enumerate(nodes)]


def _nodes(boxes: Boxes, ids: Ints) -> tuple[NDArray[np.uint8], Boxes]:
    """Nodes of :data:`CELLS` boxes each, the last of what is left, and the box around each."""
    starts = np.arange(0, len(boxes), CELLS)
    cells = np.zeros(len(starts) * CELLS, _CELL)
    cells["id"][: len(ids)] = ids
    cells["box"][: len(ids)] = boxes[:, [0, 2, 1, 3]]
    nodes = np.zeros((len(starts), NODE_BYTES), np.uint8)
    nodes[:, 3] = np.diff(np.append(starts, len(boxes)))
    nodes[:, 4:] = cells.view(np.uint8).reshape(len(starts), -1)
    low, high = np.minimum.reduceat(boxes[:, :2], starts), np.maximum.reduceat(boxes[:, 2:], starts)
    return nodes, np.hstack([low, high])


def _outward(boxes: Floats) -> Boxes:
    """Single precision, rounded away from what is inside."""
    near = boxes.astype(np.float32)
    low = np.where(near[:, :2] > boxes[:, :2], np.nextafter(near[:, :2], np.float32(-np.inf)), near[:, :2])
    high = np.where(near[:, 2:] < boxes[:, 2:], np.nextafter(near[:, 2:], np.float32(np.inf)), near[:, 2:])
    return np.hstack([low, high])
