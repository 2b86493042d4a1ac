"""Cells: labelled pixels of each class on a coarse lattice of each scene, in one pass by blocks.

Split, weights and checks need no more of the labels than this. Cells without labels are not kept, so a few polygons on a
scene of any size cost next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.training.data.labels import IGNORE, index_of

if TYPE_CHECKING:
    from geoseg.training.data.labelled import LabelledScene
    from geoseg.training.splits.split import Split

Ints = npt.NDArray[np.int64]

BLOCK = 1024
"""Side of what is read at once, pixels: about; whole cells."""
_FINE = 32
_MOST = 1 << 20
"""Cells of all scenes, about: then they become larger than :data:`_FINE` pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneCells:
    """Labelled pixels of a scene of ``shape`` by cells of ``side`` pixels, anchored at its corner.

    Parameters
    ----------
    at
        Numbers of the cells that have labels, row-major over the lattice, ascending; int64 (n,).
    counts
        Their labelled pixels that are valid in the scene, int64 (n, classes).
    invalid
        Labelled pixels where the scene has no data.
    """

    shape: tuple[int, int]
    side: int
    at: Ints
    counts: Ints
    invalid: int = 0

    @property
    def lattice(self) -> tuple[int, int]:
        """Cells down and across."""
        return -(-self.shape[0] // self.side), -(-self.shape[1] // self.side)

    @property
    def totals(self) -> Ints:
        """Labelled pixels of each class, int64 (classes,)."""
        return np.asarray(self.counts.sum(axis=0, dtype=np.int64))

    @property
    def centres(self) -> tuple[Ints, Ints]:
        """Rows and columns of a pixel in the middle of each cell, inside the scene."""
        down, across = np.divmod(self.at, self.lattice[1])
        found = []
        for number, length in zip((down, across), self.shape, strict=True):
            start = number * self.side
            found.append((start + np.minimum(start + self.side, length)) // 2)
        return found[0], found[1]

    def window(self, i: int) -> Window:
        """The pixels of the ``i``-th cell that has labels."""
        row, col = divmod(int(self.at[i]), self.lattice[1])
        inside = Window(row * self.side, col * self.side, self.side, self.side)
        return inside.intersect(Window(0, 0, *self.shape))

    def blocks(self) -> Iterator[tuple[Window, Ints]]:
        """Windows of about :data:`BLOCK` pixels that have labels, row-major, and the numbers of their cells."""
        step = _step(self.side)
        down, across = np.divmod(self.at, self.lattice[1])
        per_block, width = step // self.side, -(-self.shape[1] // step)
        block = down // per_block * width + across // per_block
        order = np.argsort(block, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(block[order])) + 1) if len(order) else []:
            row, col = divmod(int(block[own[0]]), width)
            yield Window(row * step, col * step, step, step).intersect(Window(0, 0, *self.shape)), own


def cell_side(scenes: Sequence[LabelledScene], block: int) -> int:
    """A side of cells that divides ``block``, where it has a fitting divisor: small, but not too many of them."""
    pixels = sum(scene.shape[0] * scene.shape[1] for scene in scenes)
    wanted = max(_FINE, math.isqrt(pixels // _MOST))
    divisors = [side for side in range(8, min(block, max(wanted, BLOCK)) + 1) if block % side == 0]
    return max((side for side in divisors if side <= wanted), default=min(divisors, default=wanted))


def count_cells(scenes: Sequence[LabelledScene], *, side: int) -> tuple[SceneCells, ...]:
    """Count the labels of each scene by cells of ``side`` pixels, reading each once; image only where there are labels.

    Raises
    ------
    InputRefused
        A scene or its labels cannot be read.
    """
    return tuple(_count(scene, side) for scene in scenes)


def count_parts(scenes: Sequence[LabelledScene], split: Split, cells: Sequence[SceneCells]) -> Ints:
    """Labelled valid pixels by scene, part of a split (its code) and class: int64 (scenes, 4, classes).

    Cells of one part need not be read again.
    """
    counts = np.zeros((len(scenes), 4, cells[0].counts.shape[1]), np.int64)
    for total, scene, parts, of_scene in zip(counts, scenes, split.scenes, cells, strict=True):
        for window, own in of_scene.blocks():
            codes = parts.read(window)
            if codes.min() == codes.max():
                total[codes[0, 0]] += of_scene.counts[own].sum(axis=0)
                continue
            index = read_index(scene, window)
            total += _histogram(codes.astype(np.int64), index, total.shape)
    return counts


def read_index(scene: LabelledScene, window: Window) -> npt.NDArray[np.uint8]:
    """Class indices (rows, cols) of a window, ``IGNORE`` where there is no label or no data."""
    _, valid, label = scene.read(window)
    index = index_of(scene.legend)[label]
    index[~valid] = IGNORE
    return index


def _count(scene: LabelledScene, side: int) -> SceneCells:
    classes = len(scene.legend.classes)
    empty = SceneCells(scene.shape, side, np.zeros(0, np.int64), np.zeros((0, classes), np.int64))
    at, counts, invalid = [], [], 0
    for window in blocks_of(scene.shape, side):
        label = scene.labels.read(window)
        if (label == scene.legend.nodata).all():
            continue
        row, col, inside = by_cells(read_index(scene, window), side, classes)
        at.append((row + window.row // side) * empty.lattice[1] + col + window.col // side)
        counts.append(inside)
        invalid += int((index_of(scene.legend)[label] != IGNORE).sum()) - int(inside.sum())
    if not at:
        return replace(empty, invalid=invalid)
    order = np.argsort(np.concatenate(at))
    return SceneCells(scene.shape, side, np.concatenate(at)[order], np.concatenate(counts)[order], invalid)


def by_cells(index: npt.NDArray[np.uint8], side: int, classes: int) -> tuple[Ints, Ints, Ints]:
    """Rows and columns (n,) of the cells of ``side`` pixels that hold a class index, and their counts (n, classes)."""
    rows, cols = index.shape
    width = -(-cols // side)
    down, across = np.ogrid[:rows, :cols]
    counts = _histogram((down // side) * width + across // side, index, (-(-rows // side) * width, classes))
    there = np.flatnonzero(counts.any(axis=1))
    row, col = np.divmod(there, width)
    return row, col, counts[there]


def _histogram(group: Ints, index: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> Ints:
    """Pixels by group and class index, (groups, classes)."""
    known = index < shape[1]
    pairs = np.broadcast_to(group, index.shape)[known] * shape[1] + index[known]
    return np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)


def blocks_of(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Windows of about :data:`BLOCK` pixels, of whole cells of ``side``, that cover a raster, row-major."""
    step = _step(side)
    for row in range(0, shape[0], step):
        for col in range(0, shape[1], step):
            yield Window(row, col, min(step, shape[0] - row), min(step, shape[1] - col))


def _step(side: int) -> int:
    return max(BLOCK // side, 1) * side
