"""Series: what is done to one window of maps of several dates, in any thread or process."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geoseg.compare.blocks import TILE_ROWS
from geoseg.compare.hmm import FlickerFilter
from geoseg.compare.maps import Maps
from geoseg.compare.trajectory import Filtered, Trajectories, sequences_of
from geoseg.compare.transition import TransitionCounter, Transitions
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.mask.sieve import Tiles
from geoseg.vector.lattice import lattice_of


class Numbered(NamedTuple):
    """A window's numbers of trajectories, int32 (rows, cols), packed where they travel."""

    window: Window
    numbers: npt.NDArray[np.int32] | bytes

    def unpacked(self) -> npt.NDArray[np.int32]:
        """The numbers."""
        if isinstance(self.numbers, bytes):
            return np.frombuffer(zlib.decompress(self.numbers), np.int32).reshape(self.window.shape)
        return self.numbers


@dataclass(frozen=True, slots=True, eq=False)
class SeriesWork:
    """What the windows of a series of maps share; picklable. ``packed``: results travel to another process."""

    maps: Maps
    flicker: FlickerFilter | None = None
    trajectories: Trajectories | None = None
    packed: bool = False

    def survey(self, window: Window) -> list[Transitions]:
        """The transitions that the maps show from each date to the next, and at last from the first to the last."""
        found = self.maps.read(window)
        counted = []
        for before, after in (*pairwise(found), (found[0], found[-1])):
            counter = TransitionCounter(self.maps.geobox, self.maps.legend, lattice_of(self.maps.geobox))
            counter.add(window, before, after)
            counted.append(counter.result())
        return counted

    def gather(self, window: Window) -> Filtered:
        """The sequences of a window."""
        return Filtered.of(sequences_of(self.maps.read(window), window, lattice_of(self.maps.geobox)), self.flicker)

    def number(self, window: Window) -> Numbered:
        """The number of each pixel's trajectory."""
        assert self.trajectories is not None
        numbers = self.trajectories.number(self.maps.read(window), self.flicker)
        return Numbered(window, zlib.compress(np.ascontiguousarray(numbers).data, 1) if self.packed else numbers)


def windows_of(shape: tuple[int, int], block_size: int, dates: int) -> Sequence[Window]:
    """Low, wide windows, row-major: over two dates about ``block_size ** 2`` pixels, over more as many in all."""
    pixels = 2 * block_size * block_size // max(dates, 2)
    return list(Tiles(shape, (TILE_ROWS, max(pixels // TILE_ROWS, TILE_ROWS))))


def transitions_of(found: Trajectories, before: int, after: int, legend: Legend, geobox: GeoBox) -> Transitions:
    """The transitions of trajectories from one date to another, by index."""
    lattice = lattice_of(geobox)
    n_pixels, area = found.transitions(before, after)
    own = np.ix_(np.array(legend.values, np.intp), np.array(legend.values, np.intp))
    inner, units = n_pixels[own], area[own]
    strays = int(n_pixels[1:, 1:].sum() - inner.sum())
    return Transitions(legend, inner, units, lattice.unit_m2, lattice.method, strays)
