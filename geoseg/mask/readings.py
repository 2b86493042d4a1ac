"""Readings: which windows the network sees for a block, and the normalized batches cut from the block's image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.grid.chips import Chip
from geoseg.grid.geobox import Window
from geoseg.raster.normalize import Normalization, normalize

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of the network: the window that it reads and the cores that are kept of it."""

    read: Window
    cores: tuple[Window, ...]

    @property
    def name(self) -> str:
        """Where the chip is, for messages and reports; the same whatever block it is run for."""
        return f"chip at row {self.read.row}, column {self.read.col}"


def readings_of(chips: Iterable[Chip]) -> list[Reading]:
    """The chips as readings, row-major by read window.

    Near the far edges of a scene reads slide inward until several chips may see the same pixels; they share a reading.
    """
    cores: dict[tuple[int, int], list[Chip]] = {}
    for chip in chips:
        cores.setdefault((chip.read.row, chip.read.col), []).append(chip)
    return [Reading(same[0].read, tuple(c.core for c in same)) for _, same in sorted(cores.items())]


@dataclass(frozen=True, slots=True)
class Pixels:
    """What was read at ``window``: ``image`` (bands, rows, cols) in file values and ``valid`` (rows, cols), bool."""

    image: npt.NDArray[np.generic]
    valid: Bools
    window: Window

    def valid_in(self, window: Window) -> Bools:
        """``valid`` of a window of the scene."""
        return self.valid[window.within(self.window).slices]

    def normalized(self, window: Window, norm: Normalization, out: Floats) -> None:
        """Write the normalized pixels of ``window`` into ``out`` (bands, rows, cols), 0 where invalid; it must fit."""
        rows, cols = window.within(self.window).slices
        normalize(self.image[:, rows, cols], self.valid[rows, cols], norm, out)


@dataclass(slots=True)
class Batches:
    """Normalized batches of always the same shape, in one buffer of float32 (batch_size, bands, chip_size, chip_size).

    A read smaller than a chip is padded below and to the right with 0.0, the normalized mean; so is a batch that
    lacks chips, because logits change with the size of a batch.
    """

    pixels: Pixels
    norm: Normalization
    buffer: Floats

    @classmethod
    def sized(cls, pixels: Pixels, norm: Normalization, batch_size: int, chip_size: int) -> Batches:
        """Batches of ``batch_size`` chips of ``chip_size``."""
        return cls(pixels, norm, np.zeros((batch_size, len(pixels.image), chip_size, chip_size), np.float32))

    def of(self, readings: Sequence[Reading]) -> Iterator[tuple[Sequence[Reading], Floats]]:
        """The readings of each batch and the buffer with their images; it is overwritten by the next batch."""
        size = len(self.buffer)
        for start in range(0, len(readings), size):
            part = readings[start : start + size]
            for place, reading in zip(self.buffer, part, strict=False):
                self._fill(place, reading.read)
            self.buffer[len(part) :] = 0.0
            yield part, self.buffer

    def _fill(self, place: Floats, read: Window) -> None:
        if read.shape != place.shape[1:]:
            place[:] = 0.0
        self.pixels.normalized(read, self.norm, place[:, : read.height, : read.width])
