"""Readings: which windows the network sees for a block, and the normalized batches cut from the block's image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

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
    """What was read at ``window``: ``image`` (bands, rows, cols) in file values and ``valid`` (rows, cols), bool.

    ``wanted``, bool (rows, cols), limits what is mapped, not what the network sees.
    """

    image: npt.NDArray[np.generic]
    valid: Bools
    window: Window
    wanted: Bools | None = None

    def valid_in(self, window: Window) -> Bools:
        """``valid`` of a window of the scene."""
        return self.valid[window.within(self.window).slices]

    def wanted_in(self, window: Window) -> Bools:
        """The valid pixels of a window of the scene that are to be mapped."""
        valid = self.valid_in(window)
        return valid if self.wanted is None else valid & self.wanted[window.within(self.window).slices]

    def normalized(self, window: Window, norm: Normalization, out: Floats) -> None:
        """Write the normalized pixels of ``window`` into ``out`` (bands, rows, cols), 0 where invalid; it must fit."""
        rows, cols = window.within(self.window).slices
        normalize(self.image[:, rows, cols], self.valid[rows, cols], norm, out)


@dataclass(slots=True)
class Batches:
    """Normalized batches of always the same shape, float32 (batch_size, bands, rows, cols).

    A read smaller than that is padded below and to the right with 0.0, the normalized mean; so is a batch that
    lacks chips, because logits change with the size of a batch.
    """

    pixels: Pixels
    norm: Normalization
    shape: tuple[int, int, int, int]
    _free: list[Floats] = field(default_factory=list)

    @classmethod
    def sized(cls, pixels: Pixels, norm: Normalization, batch_size: int, shape: tuple[int, int]) -> Batches:
        """Batches of ``batch_size`` chips of ``shape`` (rows, cols)."""
        return cls(pixels, norm, (batch_size, len(pixels.image), *shape))

    def parts(self, readings: Sequence[Reading]) -> list[Sequence[Reading]]:
        """The readings of each batch."""
        size = self.shape[0]
        return [readings[start : start + size] for start in range(0, len(readings), size)]

    @contextmanager
    def images(self, part: Sequence[Reading]) -> Iterator[Floats]:
        """The images of a batch, in a buffer that serves another batch afterwards; for several threads."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty(self.shape, np.float32)
        for place, reading in zip(buffer, part, strict=False):
            self._fill(place, reading.read)
        buffer[len(part) :] = 0.0
        yield buffer
        self._free.append(buffer)

    def _fill(self, place: Floats, read: Window) -> None:
        if read.shape != place.shape[1:]:
            place[:] = 0.0
        self.pixels.normalized(read, self.norm, place[:, : read.height, : read.width])
