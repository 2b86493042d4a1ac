"""Chips: cores cover every pixel once, reads carry the halo and start on the network's stride."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import UsageError
from geoseg.grid.chips import ChipGrid


@st.composite
def chip_grids(draw: st.DrawFn, largest: int = 150) -> ChipGrid:
    """Plans of every kind: 1x1 to odd sizes, smaller than a chip or many chips wide."""
    align = draw(st.integers(1, 12))
    halo = draw(st.integers(0, 3)) * align
    chip_size = 2 * halo + draw(st.integers(1, 4)) * align
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    return ChipGrid(shape, chip_size, halo, align)


@given(chip_grids())
def test_cores_cover_every_pixel_once(chips: ChipGrid) -> None:
    count = np.zeros(chips.shape, int)
    for chip in chips:
        count[chip.core.slices] += 1
    assert (count == 1).all()


@given(chip_grids())
def test_there_are_as_many_chips_as_the_plan_says(chips: ChipGrid) -> None:
    found = list(chips)
    assert len(found) == len(chips) == chips.counts[0] * chips.counts[1]
    assert [(chip.i, chip.j) for chip in found] == sorted((chip.i, chip.j) for chip in found)
    assert all(chips.chip(chip.i, chip.j) == chip for chip in found)


@given(chip_grids())
def test_reads_start_on_the_stride_and_lie_in_the_scene(chips: ChipGrid) -> None:
    rows, cols = chips.shape
    for chip in chips:
        read = chip.read
        assert read.row % chips.align == 0
        assert read.col % chips.align == 0
        assert 0 <= read.row < read.row + read.height <= rows
        assert 0 <= read.col < read.col + read.width <= cols


@given(chip_grids())
def test_reads_are_a_chip_wide_or_reach_the_scenes_far_edge(chips: ChipGrid) -> None:
    for chip in chips:
        for start, length, whole in (
            (chip.read.row, chip.read.height, chips.shape[0]),
            (chip.read.col, chip.read.width, chips.shape[1]),
        ):
            assert length == chips.chip_size or (length < chips.chip_size and start + length == whole)


@given(chip_grids())
def test_padding_is_less_than_one_stride_of_the_network_where_the_scene_is_as_large_as_a_chip(chips: ChipGrid) -> None:
    for chip in chips:
        for length, whole in zip(chip.read.shape, chips.shape, strict=True):
            if whole >= chips.chip_size:
                assert chips.chip_size - length < chips.align


@given(chip_grids())
def test_a_core_has_its_halo_wherever_the_scene_has_pixels(chips: ChipGrid) -> None:
    for chip in chips:
        wanted = chip.core.buffer(chips.halo, chips.shape)
        assert wanted.intersect(chip.read) == wanted


@given(chip_grids(), st.data())
def test_covering_is_every_chip_whose_read_meets_the_span(chips: ChipGrid, data: st.DataObject) -> None:
    length = chips.shape[0]
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    spans = {i: chips.span(i, length)[1] for i in range(chips.counts[0])}
    expected = [i for i, (first, last) in spans.items() if first < stop and last > start]
    assert list(chips.covering(start, stop, length)) == expected


@pytest.mark.parametrize(
    ("shape", "chip_size", "halo", "align"),
    [
        ((0, 5), 64, 0, 32),
        ((5, 0), 64, 0, 32),
        ((5, 5), 0, 0, 32),
        ((5, 5), 64, -32, 32),
        ((5, 5), 64, 0, 0),
        ((5, 5), 65, 0, 32),
        ((5, 5), 128, 16, 32),
        ((5, 5), 64, 32, 32),
    ],
)
def test_sizes_that_cannot_tile_a_scene_are_refused(
    shape: tuple[int, int], chip_size: int, halo: int, align: int
) -> None:
    with pytest.raises(UsageError, match="PLAN"):
        ChipGrid(shape, chip_size, halo, align)


@given(rows=st.integers(1, 300), cols=st.integers(1, 300), fixed=st.booleans())
def test_a_network_is_given_a_chip_or_the_whole_of_a_smaller_scene(rows, cols, fixed):
    grid = ChipGrid((rows, cols), 128, 32, 32, fixed)
    for given_size, length in zip(grid.input_of(128), (rows, cols), strict=True):
        assert given_size % 32 == 0
        assert given_size == 128 if fixed or length > 96 else given_size - 32 < length <= given_size
    assert all(chip.read.height <= grid.input_of(128)[0] and chip.read.width <= grid.input_of(128)[1] for chip in grid)
