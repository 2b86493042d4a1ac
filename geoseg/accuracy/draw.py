"""Draw: a stratified random sample of a raster's pixels, without replacement, in two passes over strips.

The first pass counts each stratum's pixels strip by strip. Then ranks are drawn: the number of a pixel among those of its
stratum, counted along rows from the raster's corner. The second pass reads the strips that hold drawn ranks and finds
their pixels. So every set of pixels of a stratum is equally likely, and the pixels depend on the seed and the map alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.accuracy.strata import Cells, Part, positions
from geoseg.errors import Conflict
from geoseg.grid.geobox import Window
from geoseg.legend import MOST
from geoseg.vector.lattice import Lattice
from geoseg.vector.threads import in_order

Read = Callable[[Window], npt.NDArray[np.uint8] | npt.NDArray[np.uint16]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_TILE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """What is near a border: pixels within ``limit`` of a pixel of another class, centre to centre.

    Parameters
    ----------
    limit
        In pixels, or with ``metres`` in metres of the pixels' size in the middle of their row.
    around
        bool (65536,): classes whose surroundings are meant; their own pixels are not near. None: all borders.
    reach
        Rows that ``limit`` spans at most.
    """

    limit: float
    metres: bool
    around: Bools | None
    reach: int


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The pixels of a map as samples are drawn from them: ``read`` gives windows, ``nodata`` is no class."""

    read: Read
    lattice: Lattice
    nodata: int
    border: Border | None = None

    def classes(self, row: int, height: int) -> tuple[npt.NDArray[np.uint16], Bools | None]:
        """Class values of some whole rows, and which of them are near a border; None where that does not matter."""
        rows, cols = self.lattice.geobox.shape
        if self.border is None:
            return self.read(Window(row, 0, height, cols)).astype(np.uint16, copy=False), None
        top, stop = max(row - self.border.reach, 0), min(row + height + self.border.reach, rows)
        values = self.read(Window(top, 0, stop - top, cols)).astype(np.uint16, copy=False)
        near = self._near(values, row - top, row, height)
        return values[row - top : row - top + height], near

    def _near(self, values: npt.NDArray[np.uint16], first: int, row: int, height: int) -> Bools:
        from geoseg.accuracy.border import near_another

        assert self.border is not None
        across, down = np.ones((2, height))
        if self.border.metres:
            across, down = pixel_sizes(self.lattice, row, height)
        nodata, asked = self.nodata, values
        if self.border.around is not None:
            asked = np.where(values == self.nodata, 0, np.where(self.border.around[values], 1, 2)).astype(np.uint16)
            nodata = 0
        asked = np.ascontiguousarray(asked)
        near: Bools = near_another(asked, nodata, first, self.border.reach, across, down, self.border.limit)
        if self.border.around is not None:
            near &= asked[first : first + height] == 2
        return near


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """Pixels and area of all cells (:class:`Cells`), and the pixels strip by strip.

    ``strips`` are (first row, rows), ``found`` the cells that occur in each one, as index into ``(2 * 65536)``, and their
    pixels.
    """

    cells: Cells
    strips: tuple[tuple[int, int], ...]
    found: tuple[tuple[Ints, Ints], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Drawn pixels, stratum by stratum in the order of the draw; arrays are int64 (n,).

    ``part`` is the position of the stratum, ``value`` the map's class, ``units`` the area in the lattice's units.
    """

    part: Ints
    row: Ints
    col: Ints
    value: Ints
    units: Ints


def pixel_sizes(lattice: Lattice, row: int, height: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Width and height in metres of a pixel in the middle of each of some rows, float64 (rows,)."""
    nodes, row_step, col_step = lattice.metric
    middle = lattice.geobox.shape[1] / 2 / col_step
    left = min(int(middle), nodes.shape[1] - 2)
    forms = nodes[:, left] + (nodes[:, left + 1] - nodes[:, left]) * (middle - left)
    at = (np.arange(row, row + height) + 0.5) / row_step
    places = np.arange(len(nodes))
    return np.sqrt(np.interp(at, places, forms[:, 0])), np.sqrt(np.interp(at, places, forms[:, 2]))


def widest_reach(lattice: Lattice, metres: float) -> float:
    """Pixels, along rows or columns, that a distance spans at most on a grid."""
    nodes, _, _ = lattice.metric
    least = float(np.sqrt(nodes[..., ::2].min()))
    return metres / least if least else float("inf")


def strips_of(shape: tuple[int, int], block_size: int) -> list[tuple[int, int]]:
    """(First row, rows) of strips with about as many pixels as a block; whole tiles of a file where that is not far more."""
    rows, cols = shape
    high = max(block_size * block_size // cols, 1)
    if high >= _TILE // 4:
        high = -(-high // _TILE) * _TILE
    return [(row, min(high, rows - row)) for row in range(0, rows, high)]


def count(frame: Frame, *, block_size: int, threads: int) -> Census:
    """The first pass: pixels and area of each class, near borders and away from them."""
    strips = strips_of(frame.lattice.geobox.shape, block_size)
    n_pixels, units = np.zeros((2, 2, MOST + 1), np.int64)
    found: list[tuple[Ints, Ints]] = []

    def one(strip: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
        pixels, area = _count_strip(frame, *strip)
        cells = np.flatnonzero(pixels)
        return cells, pixels.reshape(-1)[cells], area.reshape(-1)[cells]

    for cells, pixels, area in in_order(one, strips, threads):
        n_pixels.reshape(-1)[cells] += pixels
        units.reshape(-1)[cells] += area
        found.append((cells, pixels))
    return Census(Cells(n_pixels, units), tuple(strips), tuple(found))


def ranks(n_pixels: int, n: int, seed: Sequence[int]) -> Ints:
    """``n`` different ranks of 0 .. n_pixels - 1, int64, every sequence equally likely (Fisher and Yates' shuffle).

    The first ranks of a longer draw with the same seed are those of a shorter one.
    """
    assert n <= n_pixels
    picks = np.random.default_rng(list(seed)).integers(np.arange(n, dtype=np.int64), n_pixels)
    moved: dict[int, int] = {}
    made = np.empty(n, np.int64)
    for i, pick in enumerate(picks.tolist()):
        made[i] = moved.get(pick, pick)
        moved[pick] = moved.pop(i, i)
    return made


def draw(
    frame: Frame,
    census: Census,
    parts: Sequence[Part],
    samples: Sequence[int],
    *,
    seed: int,
    threads: int,
) -> Drawn:
    """The second pass: draw ``samples[i]`` pixels of stratum ``parts[i]`` and find them.

    A stratum's draw depends on the seed and the stratum's value, not on the other strata.
    """
    where = positions(parts)
    of_cell = where.reshape(-1).astype(np.int64)
    totals = [int(census.cells.n_pixels.reshape(-1)[of_cell == i].sum()) for i in range(len(parts))]
    drawn = [ranks(t, n, (seed, part.value)) for part, t, n in zip(parts, totals, samples, strict=True)]
    pixels = np.zeros((sum(samples), 4), np.int64)
    firsts = np.concatenate([[0], np.cumsum(samples)]).astype(np.int64)

    def one(job: tuple[tuple[int, int], Ints, list[Ints]]) -> tuple[Ints, Ints]:
        strip, before, taken = job
        wanted = [np.sort(drawn[i][at] - before[i]) for i, at in enumerate(taken)]
        order = [firsts[i] + at[np.argsort(drawn[i][at])] for i, at in enumerate(taken)]
        return np.concatenate(order), _find(frame, where, strip, wanted)

    for order, found in in_order(one, _with_samples(census, of_cell, drawn), threads):
        pixels[order] = found
    row, col, value, units = pixels.T
    return Drawn(np.repeat(np.arange(len(parts)), samples), row, col, value, units)


def _with_samples(
    census: Census, of_cell: Ints, drawn: Sequence[Ints]
) -> Iterator[tuple[tuple[int, int], Ints, list[Ints]]]:
    """Strips that hold drawn ranks: the ranks at which each stratum begins there, and which draws lie in it."""
    before = np.zeros(len(drawn), np.int64)
    order = [np.argsort(own) for own in drawn]
    ascending = [own[at] for own, at in zip(drawn, order, strict=True)]
    for strip, (cells, pixels) in zip(census.strips, census.found, strict=True):
        here = np.zeros(len(drawn), np.int64)
        inside = of_cell[cells] < len(drawn)
        np.add.at(here, of_cell[cells][inside], pixels[inside])
        ends = before + here
        taken = [
            at[np.searchsorted(own, low) : np.searchsorted(own, high)]
            for own, at, low, high in zip(ascending, order, before, ends, strict=True)
        ]
        if any(len(at) for at in taken):
            yield strip, before, taken
        before = ends


def _find(frame: Frame, where: npt.NDArray[np.uint16], strip: tuple[int, int], wanted: list[Ints]) -> Ints:
    """Row, column, class and area of the pixels of a strip with ranks ``wanted``, stratum by stratum."""
    from geoseg.accuracy.locate import locate

    row, height = strip
    values, near = frame.classes(row, height)
    strata = where[0][values]
    if near is not None:
        strata[near] = where[1][values[near]]
    strata[values == frame.nodata] = len(wanted)
    starts = np.concatenate([[0], np.cumsum([len(own) for own in wanted])]).astype(np.int64)
    found = np.full((int(starts[-1]), 2), -1, np.int64)
    locate(np.ascontiguousarray(strata), np.concatenate(wanted), starts, np.zeros(len(wanted), np.int64), found)
    if (found < 0).any():
        raise Conflict.of("CHANGED", "mask", "its pixels changed while they were sampled", "Run again")
    at, col = found.T
    table = frame.lattice.table(row, row + height)
    units = table.pixel[(row + at) // table.rows - table.first, col // table.cols]
    return np.stack([row + at, col, values[at, col].astype(np.int64), units], axis=1)


def _count_strip(frame: Frame, row: int, height: int) -> tuple[Ints, Ints]:
    """Pixels and area of the cells of some rows: int64 (2, 65536) each; nodata is counted nowhere."""
    from geoseg.vector.count import count_classes

    values, near = frame.classes(row, height)
    made = np.zeros((2, 2, MOST + 1), np.int64)
    t = frame.lattice.table(row, row + height)
    table = (t.first, t.rows, t.cols, t.pixel, t.before)
    nodata = np.uint16(frame.nodata)
    apart = [values] if near is None else [np.where(near, nodata, values), np.where(near, values, nodata)]
    for i, own in enumerate(apart):
        count_classes(np.ascontiguousarray(own), row, table, made[0, i], made[1, i])
    made[:, :, frame.nodata] = 0
    return made[0], made[1]
