"""Parts: which pixels of one scene are trained on, validate or test; known by rectangles, looked up by windows.

It costs no memory however large the scene is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window

NONE, TRAIN, VALIDATION, TEST = 0, 1, 2, 3
"""Codes of the parts; a pixel of none is not used: it lies in a buffer, or in a square without any label."""
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SceneSplit:
    """The parts of one scene of ``shape`` (rows, cols).

    Parameters
    ----------
    rows, cols
        Where rectangles of one code begin and end, pixels, ascending, from 0 to the scene's side.
    given
        Codes of the rectangles, row-major, as they were dealt: held-out pixels and all others.
    used
        The same with the buffer: a training pixel at most ``buffer`` pixels (rows or columns, the larger) away from a
        validation or test pixel is of no part, nor is a validation pixel so near to a test pixel.
    buffer
        Pixels.
    """

    shape: tuple[int, int]
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    given: bytes
    used: bytes
    buffer: int

    @classmethod
    def of(cls, shape: tuple[int, int], rows: Sequence[int], cols: Sequence[int], *, codes: Codes, buffer: int) -> Self:
        """Split by rectangles between ``rows`` and ``cols``, of which ``codes`` (rectangles down, across) says the part."""
        down, across = _steps(rows, buffer, shape[0]), _steps(cols, buffer, shape[1])
        given = codes[np.ix_(_number(rows, down[:-1]), _number(cols, across[:-1]))]
        used = given.copy()
        for part, losers in ((VALIDATION, (TRAIN,)), (TEST, (TRAIN, VALIDATION))):
            near = _near(codes == part, (rows, cols), (down, across), buffer)
            used[near & np.isin(given, losers)] = NONE
        return cls(shape, tuple(down.tolist()), tuple(across.tolist()), given.tobytes(), used.tobytes(), buffer)

    @classmethod
    def all_of(cls, shape: tuple[int, int], part: int) -> Self:
        """A scene that is of one part as a whole."""
        return cls.of(shape, (0, shape[0]), (0, shape[1]), codes=np.full((1, 1), part, np.uint8), buffer=0)

    def read(self, window: Window) -> Codes:
        """Codes (rows, cols) of a window, with the buffer: NONE, TRAIN, VALIDATION, TEST."""
        return self._look_up(self.used, window)

    def thinned(self, step: int) -> Codes:
        """Codes of every ``step``-th pixel from the corner, with the buffer."""
        down, across = (np.arange(0, length, step) for length in self.shape)
        return self.table()[np.ix_(_number(self.rows, down), _number(self.cols, across))]

    def held_out(self, window: Window, part: int = TRAIN) -> npt.NDArray[np.bool_]:
        """(rows, cols), True on validation and test pixels that are not of ``part``, with those that the buffer took."""
        codes = self._look_up(self.given, window)
        held: npt.NDArray[np.bool_] = (codes >= VALIDATION) & (codes != part)
        return held

    def sees_other(self, window: Window, part: int = TRAIN) -> bool:
        """Whether a window holds a validation or test pixel that is not of ``part``."""
        seen = np.unique(self._rectangles(self.given, window))
        return bool(((seen >= VALIDATION) & (seen != part)).any())

    def pixels(self, part: int) -> int:
        """Number of pixels of a part."""
        table = self.table()
        return int((np.diff(self.rows)[:, None] * np.diff(self.cols) * (table == part)).sum())

    def table(self, *, buffered: bool = True) -> Codes:
        """Codes of the rectangles between ``rows`` and ``cols``; without the buffer, as they were dealt."""
        codes = self.used if buffered else self.given
        return np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)

    def _look_up(self, codes: bytes, window: Window) -> Codes:
        across = np.arange(window.col, window.col + window.width)
        down = np.arange(window.row, window.row + window.height)
        table = np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)
        return table[np.ix_(_number(self.rows, down), _number(self.cols, across))]

    def _rectangles(self, codes: bytes, window: Window) -> Codes:
        inside = window.intersect(Window(0, 0, *self.shape))
        if not (inside.height and inside.width):
            return np.zeros((0, 0), np.uint8)
        top, bottom = _number(self.rows, np.array([inside.row, inside.row + inside.height - 1]))
        left, right = _number(self.cols, np.array([inside.col, inside.col + inside.width - 1]))
        table = np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)
        return table[top : bottom + 1, left : right + 1]


def _steps(edges: Sequence[int], buffer: int, length: int) -> npt.NDArray[np.int64]:
    """Between these positions the part with the buffer is one: an edge, and the buffer's width before and after it."""
    at = np.asarray(edges, np.int64)
    return np.unique(np.clip(np.concatenate([at, at - buffer, at + buffer]), 0, length))


def _number(edges: Sequence[int], at: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """In which interval positions lie."""
    return np.searchsorted(np.asarray(edges), at, side="right") - 1


def _near(
    held: npt.NDArray[np.bool_],
    edges: tuple[Sequence[int], Sequence[int]],
    steps: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    buffer: int,
) -> npt.NDArray[np.bool_]:
    """For the rectangles between ``steps``: whether one between ``edges`` that is held lies within the buffer."""
    table = np.pad(held.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    spans = []
    for line, at in zip(edges, steps, strict=True):
        first = _number(line, np.maximum(at[:-1] - buffer, 0))
        last = _number(line, np.minimum(at[1:] - 1 + buffer, line[-1] - 1)) + 1
        spans.append((first, last))
    (top, bottom), (left, right) = spans
    inside = table[np.ix_(bottom, right)] - table[np.ix_(top, right)] - table[np.ix_(bottom, left)]
    return np.asarray(inside + table[np.ix_(top, left)] > 0)
