"""Pairs: label and mask of one scene's scored pixels, kept until its boundaries and its map of errors are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.raster.files import disk_errors
from geoseg.training.data.labels import IGNORE

Bytes = npt.NDArray[np.uint8]

IN_MEMORY = 64 << 20
"""Scenes of up to this many pixels are held in memory; larger ones in a file that takes disk only where pixels are scored."""


class _Store(Protocol):
    """Bytes (2, rows, cols) that are 0 until they are written."""

    def write(self, layer: int, window: Window, values: Bytes) -> None: ...

    def read(self, layer: int, window: Window) -> Bytes: ...


@dataclass(frozen=True, slots=True)
class Pairs:
    """Class indices of label and mask by windows; they are stored as one more than the index, 0: none."""

    shape: tuple[int, int]
    store: _Store

    @classmethod
    @contextmanager
    def blank(cls, shape: tuple[int, int]) -> Iterator[Pairs]:
        """No pixel is scored yet; what is on disk goes with the context, or with the process."""
        if shape[0] * shape[1] <= IN_MEMORY:
            yield cls(shape, _Memory(np.zeros((2, *shape), np.uint8)))
            return
        # No memory map: a full disk would end the process where a write raises an error.
        with disk_errors(tempfile.gettempdir()), tempfile.TemporaryFile(buffering=0, prefix="geoseg-") as file:
            file.truncate(2 * shape[0] * shape[1])
            yield cls(shape, _Disk(file, shape))

    def put(self, window: Window, label: Bytes, mask: Bytes) -> None:
        """Keep the indices of a window; IGNORE in ``label``: not scored, in ``mask``: not mapped."""
        scored = label != IGNORE
        self.store.write(0, window, np.where(scored, label + np.uint8(1), np.uint8(0)))
        self.store.write(1, window, np.where(scored & (mask != IGNORE), mask + np.uint8(1), np.uint8(0)))

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """Indices of label and mask of a window, both IGNORE where a pixel is not scored."""
        label, mask = (self.store.read(layer, window) - np.uint8(1) for layer in (0, 1))  # 0 becomes 255
        return label, mask

    def any_in(self, window: Window) -> bool:
        """Whether a pixel of a window is scored."""
        return bool(self.store.read(0, window).any())

    def windows(self, side: int) -> Iterator[Window]:
        """Squares of ``side`` pixels, row-major."""
        rows, cols = self.shape
        for row in range(0, rows, side):
            for col in range(0, cols, side):
                yield Window(row, col, min(side, rows - row), min(side, cols - col))


@dataclass(frozen=True, slots=True)
class _Memory:
    array: Bytes

    def write(self, layer: int, window: Window, values: Bytes) -> None:
        self.array[layer, *window.slices] = values

    def read(self, layer: int, window: Window) -> Bytes:
        found: Bytes = self.array[layer, *window.slices]
        return found


@dataclass(frozen=True, slots=True)
class _Disk:
    file: FileIO
    shape: tuple[int, int]

    def write(self, layer: int, window: Window, values: Bytes) -> None:
        for row, line in enumerate(np.ascontiguousarray(values)):
            if line.any():
                self._seek(layer, window, row)
                view = line.data
                while view:
                    view = view[self.file.write(view) :]

    def read(self, layer: int, window: Window) -> Bytes:
        out = np.zeros(window.shape, np.uint8)
        for row, line in enumerate(out):
            self._seek(layer, window, row)
            view = line.data
            while view:
                view = view[self.file.readinto(view) :]
        return out

    def _seek(self, layer: int, window: Window, row: int) -> None:
        rows, cols = self.shape
        self.file.seek((layer * rows + window.row + row) * cols + window.col)
