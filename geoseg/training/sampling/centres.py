"""Centres: where crops may be centred, by cells of the scenes and by class; what samples are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.training.data.cells import blocks_of, by_cells
from geoseg.training.sampling.sources import Source

Ints = npt.NDArray[np.int64]

_CELL = 64
"""Least side of the cells that crops are drawn by, pixels."""
_MOST = 1 << 20
"""Cells, about; they are larger where scenes are."""


@dataclass(frozen=True, slots=True, eq=False)
class Centres:
    """Pixels at which crops may be centred, by cells: which scene, where, and how many of each class.

    Parameters
    ----------
    scene, row, col
        int64 (n,): number of the scene, first row and column of the cell.
    counts
        int64 (n, classes).
    side
        Of a cell, pixels.
    """

    scene: Ints
    row: Ints
    col: Ints
    counts: Ints
    side: int

    @classmethod
    def of(cls, sources: Sequence[Source], classes: int) -> Centres:
        """Find them, in one pass over what may be trained on."""
        pixels = sum(source.shape[0] * source.shape[1] for source in sources)
        side = _CELL * max(1, math.ceil(math.sqrt(pixels / _MOST) / _CELL))
        found: list[tuple[Ints, Ints, Ints, Ints]] = []
        for number, source in enumerate(sources):
            for window in blocks_of(source.shape, side):
                row, col, counts = by_cells(source.centres(window), side, classes)
                found.append((np.full(len(row), number), row * side + window.row, col * side + window.col, counts))
        scene, rows, cols, counts = (np.concatenate(part) for part in zip(*found, strict=True))
        return cls(scene, rows, cols, counts, side)

    def window(self, cell: int, shape: tuple[int, int]) -> Window:
        """The pixels of a cell in a scene of ``shape``."""
        whole = Window(int(self.row[cell]), int(self.col[cell]), self.side, self.side)
        return whole.intersect(Window(0, 0, *shape))
