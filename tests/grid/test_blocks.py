"""Blocks partition the chips and the pixels, and a plan of a million of them costs nothing."""

import time
import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.grid.geobox import Window


@st.composite
def block_grids(draw: st.DrawFn, largest: int = 120) -> BlockGrid:
    align = draw(st.integers(1, 8))
    halo = draw(st.integers(0, 3)) * align
    chip_size = 2 * halo + draw(st.integers(1, 4)) * align
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    return BlockGrid(ChipGrid(shape, chip_size, halo, align), draw(st.integers(1, 5)))


@st.composite
def windows_in(draw: st.DrawFn, shape: tuple[int, int]) -> Window:
    row, col = (draw(st.integers(0, length - 1)) for length in shape)
    return Window(row, col, draw(st.integers(1, shape[0] - row)), draw(st.integers(1, shape[1] - col)))


def meet(a: Window, b: Window) -> bool:
    common = a.intersect(b)
    return common.height > 0 and common.width > 0


@given(block_grids())
def test_blocks_cover_every_pixel_once(grid: BlockGrid) -> None:
    count = np.zeros(grid.chips.shape, int)
    for block in grid:
        count[block.core.slices] += 1
    assert (count == 1).all()
    assert len(list(grid)) == len(grid)


@given(block_grids())
def test_blocks_partition_the_chips(grid: BlockGrid) -> None:
    found = [(chip.i, chip.j) for block in grid for chip in grid.chips_of(block)]
    assert sorted(found) == [(chip.i, chip.j) for chip in grid.chips]


@given(block_grids())
def test_the_cores_of_a_blocks_chips_are_the_block(grid: BlockGrid) -> None:
    for block in grid:
        count = np.zeros(grid.chips.shape, int)
        for chip in grid.chips_of(block):
            count[chip.core.slices] += 1
        assert count[block.core.slices].all()
        assert count.sum() == block.core.height * block.core.width


@given(block_grids(largest=40))
def test_the_chips_over_a_block_are_all_whose_read_touches_it(grid: BlockGrid) -> None:
    for block in grid:
        expected = [chip for chip in grid.chips if meet(chip.read, block.core)]
        assert list(grid.chips_over(block)) == expected


@given(block_grids(largest=60))
def test_the_read_of_chips_is_the_smallest_window_that_holds_their_reads(grid: BlockGrid) -> None:
    for block in grid:
        chips = list(grid.chips_of(block))
        read = grid.read_of(chips)
        touched = np.zeros(grid.chips.shape, bool)
        for chip in chips:
            touched[chip.read.slices] = True
        rows, cols = np.nonzero(touched.any(1))[0], np.nonzero(touched.any(0))[0]
        assert read == Window(rows[0], cols[0], rows[-1] + 1 - rows[0], cols[-1] + 1 - cols[0])


@given(block_grids(), st.data())
def test_the_blocks_in_a_window_are_those_it_touches(grid: BlockGrid, data: st.DataObject) -> None:
    window = data.draw(windows_in(grid.chips.shape))
    assert list(grid.blocks_in(window)) == [block for block in grid if meet(block.core, window)]


@given(block_grids())
def test_names_are_unique_and_sort_in_row_major_order(grid: BlockGrid) -> None:
    names = [block.name for block in grid]
    assert names == sorted(set(names))


@given(st.integers(1, 5000), st.integers(0, 3), st.integers(1, 8))
def test_a_block_size_is_met_from_below_by_whole_cores(block_size: int, halo: int, cores: int) -> None:
    chips = ChipGrid((300, 300), 32 * (2 * halo + cores), 32 * halo, 32)
    grid = BlockGrid.sized(chips, block_size)
    assert grid.block_size % chips.stride == 0
    assert grid.block_size <= max(block_size, chips.stride)
    assert grid.block_size + chips.stride > block_size


def test_a_million_blocks_are_planned_lazily() -> None:
    tracemalloc.start()
    start = time.process_time()
    grid = BlockGrid.sized(ChipGrid((384_000, 384_000), 512, 64, 32), 384)
    assert len(grid) == 1_000_000
    assert grid.block(999, 999).core == Window(383_616, 383_616, 384, 384)
    assert next(iter(grid)).name == "r00000c00000"
    assert len(list(grid.blocks_in(Window(100_000, 200_000, 1000, 1000)))) == 4 * 4
    assert time.process_time() - start < 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
