"""Pairs: label and mask of one scene's scored pixels, kept until its boundaries and its map of errors are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.raster.files import disk_errors
from geoseg.train.labels import IGNORE

Bytes = npt.NDArray[np.uint8]

IN_MEMORY = 64 << 20
"""Scenes of up to this many pixels are held in memory; larger ones in a file that takes disk only where pixels are scored."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Class indices of label and mask by windows; ``stored`` is (2, rows, cols), one more than the index, 0: none."""

    stored: Bytes

    @classmethod
    @contextmanager
    def blank(cls, shape: tuple[int, int]) -> Iterator[Pairs]:
        """No pixel is scored yet; what is on disk goes with the context."""
        if shape[0] * shape[1] <= IN_MEMORY:
            yield cls(np.zeros((2, *shape), np.uint8))
            return
        with tempfile.TemporaryDirectory(prefix="geoseg-") as folder, disk_errors(folder):
            stored = np.memmap(Path(folder, "pairs"), np.uint8, "w+", shape=(2, *shape))
            yield cls(stored)
            del stored

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of the scene."""
        return self.stored.shape[1], self.stored.shape[2]

    def put(self, window: Window, label: Bytes, mask: Bytes) -> None:
        """Keep the indices of a window; IGNORE in ``label``: not scored, in ``mask``: not mapped."""
        scored = label != IGNORE
        self.stored[0, *window.slices] = np.where(scored, label + np.uint8(1), 0)
        self.stored[1, *window.slices] = np.where(scored & (mask != IGNORE), mask + np.uint8(1), 0)

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """Indices of label and mask of a window, both IGNORE where a pixel is not scored."""
        label, mask = np.array(self.stored[:, *window.slices]) - np.uint8(1)  # 0 becomes 255
        return label, mask

    def windows(self, side: int) -> Iterator[Window]:
        """Squares of ``side`` pixels, row-major."""
        rows, cols = self.shape
        for row in range(0, rows, side):
            for col in range(0, cols, side):
                yield Window(row, col, min(side, rows - row), min(side, cols - col))
