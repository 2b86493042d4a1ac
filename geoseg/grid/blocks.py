"""Block: whole cores of a chip grid; the unit of work, retry, resume and writing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from geoseg.grid.chips import Chip, ChipGrid
from geoseg.grid.geobox import Window


@dataclass(frozen=True, slots=True)
class Block:
    """Block (row, col) of a :class:`BlockGrid`: the mask pixels ``core`` that it alone writes."""

    row: int
    col: int
    core: Window

    @property
    def name(self) -> str:
        """Stable name for files and messages: ``r00002c00013``."""
        return f"r{self.row:05d}c{self.col:05d}"


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Blocks of ``chips_per_side`` x ``chips_per_side`` cores; lazy, so a million blocks cost nothing to plan."""

    chips: ChipGrid
    chips_per_side: int

    @classmethod
    def sized(cls, chips: ChipGrid, block_size: int) -> BlockGrid:
        """Blocks whose side is the multiple of the chip stride nearest below ``block_size`` pixels (at least one)."""
        return cls(chips, max(block_size // chips.stride, 1))

    @property
    def block_size(self) -> int:
        """Side of a whole block in pixels."""
        return self.chips_per_side * self.chips.stride

    @property
    def counts(self) -> tuple[int, int]:
        """Number of blocks (down, across)."""
        down, across = self.chips.counts
        return math.ceil(down / self.chips_per_side), math.ceil(across / self.chips_per_side)

    def __len__(self) -> int:
        """Number of blocks."""
        down, across = self.counts
        return down * across

    def block(self, row: int, col: int) -> Block:
        """The block at (row, col)."""
        rows, cols = self.chips.shape
        size = self.block_size
        top, left = row * size, col * size
        return Block(row, col, Window(top, left, min(size, rows - top), min(size, cols - left)))

    def __iter__(self) -> Iterator[Block]:
        """Blocks in row-major order."""
        rows, cols = self.chips.shape
        size = self.block_size
        for row, top in enumerate(range(0, rows, size)):
            height = min(size, rows - top)
            for col, left in enumerate(range(0, cols, size)):
                yield Block(row, col, Window(top, left, height, min(size, cols - left)))

    def chips_of(self, block: Block) -> Iterator[Chip]:
        """The chips whose cores make up the block, row-major."""
        down, across = self.chips.counts
        n = self.chips_per_side
        for i in range(block.row * n, min(block.row * n + n, down)):
            for j in range(block.col * n, min(block.col * n + n, across)):
                yield self.chips.chip(i, j)

    def chips_over(self, block: Block) -> Iterator[Chip]:
        """Every chip whose read touches the block's core, row-major: what weighted blending has to run."""
        rows, cols = self.chips.shape
        core = block.core
        for i in self.chips.covering(core.row, core.row + core.height, rows):
            for j in self.chips.covering(core.col, core.col + core.width, cols):
                yield self.chips.chip(i, j)

    def read_of(self, chips: list[Chip]) -> Window:
        """The smallest window that holds the reads of ``chips``."""
        top, left = min(c.read.row for c in chips), min(c.read.col for c in chips)
        bottom = max(c.read.row + c.read.height for c in chips)
        right = max(c.read.col + c.read.width for c in chips)
        return Window(top, left, bottom - top, right - left)

    def blocks_in(self, window: Window) -> Iterator[Block]:
        """Blocks that a window touches, row-major."""
        down, across = self.counts
        size = self.block_size
        for row in range(window.row // size, min((window.row + window.height - 1) // size + 1, down)):
            for col in range(window.col // size, min((window.col + window.width - 1) // size + 1, across)):
                yield self.block(row, col)
