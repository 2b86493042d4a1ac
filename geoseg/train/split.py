"""Split: which pixels of a scene are trained on, and which are held out; by place, with a buffer between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """A held-out window of a scene of ``shape``; pixels at most ``buffer`` away from it belong to neither part."""

    shape: tuple[int, int]
    held_out: Window
    buffer: int

    @classmethod
    def of(
        cls, shape: tuple[int, int], rows: tuple[int, int] | None, cols: tuple[int, int] | None, *, buffer: int
    ) -> Split:
        """Split by ``[start, stop)`` in rows and columns; None takes all of an axis. ``SPLIT`` when a part is empty."""
        (top, bottom), (left, right) = rows or (0, shape[0]), cols or (0, shape[1])
        inside = 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]
        if not inside:
            what = f"rows {top}-{bottom}, columns {left}-{right} do not lie in a scene of {shape[0]} x {shape[1]}"
            raise UsageError.of("SPLIT", "held_out", what, "Correct the job")
        split = cls(shape, Window(top, left, bottom - top, right - left), buffer)
        if not split.train.any():
            raise UsageError.of(
                "SPLIT", "held_out", "nothing is left to train on", "Hold out less, or use a smaller buffer"
            )
        return split

    @property
    def train(self) -> Bools:
        """(rows, cols), True where labels may be trained on."""
        near = np.zeros(self.shape, bool)
        near[self.held_out.buffer(self.buffer, self.shape).slices] = True
        return ~near

    @property
    def held(self) -> Bools:
        """(rows, cols), True in the held-out window."""
        mask = np.zeros(self.shape, bool)
        mask[self.held_out.slices] = True
        return mask

    def touches(self, row: int, col: int, size: int) -> bool:
        """Whether a square crop at (row, col) sees a pixel of the held-out window."""
        w = self.held_out
        return row < w.row + w.height and w.row < row + size and col < w.col + w.width and w.col < col + size
