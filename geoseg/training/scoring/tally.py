"""Tally: counts by square cells of scenes, few and large enough to stand for independent places, in any order of adding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.training.scoring.confusion import Ints
from geoseg.training.scoring.counts import Counts, Marks

SIDE = 32
"""Side of the smallest cells, pixels; windows that are added start at multiples of it, or cells are shared."""

MOST = 100
"""Cells are merged four to one until there are no more than this, or each is a whole scene."""

Key = tuple[str, int, int]


@dataclass(slots=True)
class Tally:
    """Counts of the cells that hold a scored pixel. The side of the cells follows from what was added, not from its order.

    A block jackknife wants blocks larger than the reach of spatial correlation, and enough of them: 25 to 100 where the
    scene is large enough, scenes as wholes where there are many.
    """

    values: tuple[int, ...]
    side: int = SIDE
    cells: dict[Key, Ints] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Scored pixels."""
        return self.total.confusion.pixels

    @property
    def total(self) -> Counts:
        """The counts of all cells."""
        return Counts(self.values, self.rows.sum(axis=0))

    @property
    def rows(self) -> Ints:
        """Counts by cell, int64 (cells, numbers), in the cells' order by scene and place."""
        found = [self.cells[key] for key in sorted(self.cells)]
        return np.stack(found) if found else np.zeros((0, Counts.width(len(self.values))), np.int64)

    def add(
        self, scene: str, window: Window, marks: Iterable[Marks], inside: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """Count the pixels of a window of a scene; of those only the ones where ``inside`` (rows, cols) is True."""
        width = Counts.width(len(self.values))
        left = window.col // SIDE
        across = (window.col + window.width - 1) // SIDE - left + 1
        made = list(marks)
        for row in range(window.row // SIDE, (window.row + window.height - 1) // SIDE + 1):  # of cells
            counted = np.zeros(across * width, np.int64)
            ends = (
                np.clip([row * SIDE, (row + 1) * SIDE], window.row, window.row + window.height) - window.row
            ) * window.width
            for mark in made:
                part = slice(*np.searchsorted(mark.pixels, ends).tolist())
                pixels, slots = mark.pixels[part], mark.slots[part]
                weights = None if mark.weights is None else mark.weights[part]
                if inside is not None:
                    chosen = inside.ravel()[pixels]
                    pixels, slots = pixels[chosen], slots[chosen]
                    weights = None if weights is None else weights[chosen]
                cell = (pixels % window.width + window.col) // SIDE - left
                # Sums of weights are exact below 2^53: 2^29 pixels.
                counted += np.bincount(cell * width + slots, weights, across * width).astype(np.int64)
            by_cell = counted.reshape(across, width)
            for i in np.flatnonzero(by_cell.any(axis=1)).tolist():
                self._put((scene, row * SIDE // self.side, (left + i) * SIDE // self.side), by_cell[i])
        self._merge()

    def join(self, other: Tally) -> None:
        """Add the cells of another tally."""
        self.raise_to(other.side)
        times = self.side // other.side
        for (scene, row, col), counts in other.cells.items():
            self._put((scene, row // times, col // times), counts)
        self._merge()

    def raise_to(self, side: int) -> None:
        """Merge cells until they are at least ``side`` pixels large."""
        while self.side < side:
            self._double()

    def _put(self, key: Key, counts: Ints) -> None:
        self.cells[key] = self.cells[key] + counts if key in self.cells else counts.copy()

    def _merge(self) -> None:
        while len(self.cells) > MOST and any(row or col for _, row, col in self.cells):
            self._double()

    def _double(self) -> None:
        small, self.cells = self.cells, {}
        self.side *= 2
        for (scene, row, col), counts in small.items():
            self._put((scene, row // 2, col // 2), counts)


def paired(one: Tally, other: Tally) -> Ints:
    """Counts of two maps of the same pixels by cell, side by side: int64 (cells, twice the numbers)."""
    first, second = Tally(one.values), Tally(other.values)
    first.join(one)
    second.join(other)
    first.raise_to(second.side)
    second.raise_to(first.side)
    assert first.cells.keys() == second.cells.keys(), "the two maps are not of the same pixels"
    return np.concatenate([first.rows, second.rows], axis=1)
