"""ChipGrid: overlapping chips over a scene.

Cores tile the scene; reads carry the halo and start at multiples of ``align``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip: place ``(i, j)``, the ``core`` that is kept, the ``read`` that the network sees (cut to the scene)."""

    i: int
    j: int
    core: Window
    read: Window


@dataclass(frozen=True, slots=True)
class ChipGrid:
    """A plan of overlapping chips over a raster of ``shape`` (rows, cols).

    ``chip_size``, ``halo`` and so ``stride`` are multiples of ``align``, the network's total stride: a network that
    downsamples by 32 is equivariant to shifts by 32 only, so reads that start elsewhere differ at the seams.
    """

    shape: tuple[int, int]
    chip_size: int
    halo: int = 0
    align: int = 32
    fixed: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that cannot tile a scene."""
        rows, cols = self.shape
        if rows < 1 or cols < 1:
            raise UsageError.of("PLAN", f"{rows}x{cols}", "the scene has no pixels", "Check the scene's size")
        if self.align < 1 or self.chip_size < 1 or self.halo < 0:
            what = "chip size and align must be positive, halo 0 or more"
            raise UsageError.of("PLAN", "chip grid", what, "Check --chip-size and --halo")
        if self.chip_size % self.align or self.halo % self.align:
            what = f"chip {self.chip_size} or halo {self.halo} is off the network's stride"
            raise UsageError.of("PLAN", "chip grid", what, f"Use multiples of {self.align}, the network's stride")
        if 2 * self.halo >= self.chip_size:
            what = f"a halo of {self.halo} leaves no core in a chip of {self.chip_size}"
            raise UsageError.of("PLAN", "chip grid", what, "Use a smaller --halo")

    @property
    def stride(self) -> int:
        """Distance between neighbouring cores: chip minus both halos."""
        return self.chip_size - 2 * self.halo

    def input_of(self, size: int) -> tuple[int, int]:
        """(rows, cols) of what a network is given for chips of ``size``.

        Where the scene is smaller than a chip it is padded to the next multiple of ``align`` only: more invented pixels
        would change the real ones. A network that accepts one size (``fixed``) is given that.
        """
        if self.fixed:
            return size, size
        rows, cols = (min(size, math.ceil(length / self.align) * self.align) for length in self.shape)
        return rows, cols

    @property
    def counts(self) -> tuple[int, int]:
        """Number of chips (down, across)."""
        rows, cols = self.shape
        return math.ceil(rows / self.stride), math.ceil(cols / self.stride)

    def __len__(self) -> int:
        """Number of chips."""
        down, across = self.counts
        return down * across

    def chip(self, i: int, j: int) -> Chip:
        """The chip at grid position (i, j)."""
        (r0, r1), (r2, r3) = self.span(i, self.shape[0])
        (c0, c1), (c2, c3) = self.span(j, self.shape[1])
        return Chip(i, j, Window(r0, c0, r1 - r0, c1 - c0), Window(r2, c2, r3 - r2, c3 - c2))

    def __iter__(self) -> Iterator[Chip]:
        """Chips in row-major order."""
        down, across = self.counts
        return (self.chip(i, j) for i in range(down) for j in range(across))

    def span(self, i: int, length: int) -> tuple[Span, Span]:
        """The (start, stop) of core and read along one axis.

        At the far edge the read slides inward, still aligned; a read shorter than a chip is padded by the reader.
        """
        start = i * self.stride
        stop = min(start + self.stride, length)
        last = math.ceil(max(length - self.chip_size, 0) / self.align) * self.align
        first = min(max(start - self.halo, 0), last)
        return (start, stop), (first, min(first + self.chip_size, length))

    def covering(self, start: int, stop: int, length: int) -> range:
        """Indices along one axis of the chips whose read meets ``start .. stop``."""
        count = math.ceil(length / self.stride)
        low = max((start - self.chip_size) // self.stride - 1, 0)
        high = min(math.ceil((stop + self.chip_size) / self.stride) + 1, count)
        hits = [i for i in range(low, high) if self.span(i, length)[1][0] < stop and self.span(i, length)[1][1] > start]
        return range(hits[0], hits[-1] + 1)
