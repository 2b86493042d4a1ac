"""Transition: how many pixels, and what area, went from each class to each: counted by windows, added in any order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.vector.lattice import AreaTable, Lattice

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


def code_of(before: int, after: int) -> int:
    """The change code of a transition: ``before * 256 + after``; 0 is nodata."""
    return before * 256 + after


class ClassChange(NamedTuple):
    """What one class had and has, in the unit of what it was made from; ``net`` is gain - loss."""

    class_id: int
    class_name: str
    before: float
    after: float
    gain: float
    loss: float
    net: float
    persistence: float


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Counts of pairs of classes; rows are BEFORE, columns are AFTER, in the legend's order.

    Attributes
    ----------
    n_pixels
        int64 (classes, classes); pixels that are nodata at either date are in none.
    area_units
        Areas in units of ``unit_m2`` square metres on the ellipsoid, int64 (classes, classes).
    area_method
        How areas were measured.
    strays
        Pixels whose value is in no legend, by (before, after) joined value.
    """

    legend: Legend
    n_pixels: Longs
    area_units: Longs
    unit_m2: float
    area_method: str
    strays: int = 0

    def __add__(self, other: Self) -> Self:
        """The counts of both; of one grid and one legend."""
        assert self.legend == other.legend and self.unit_m2 == other.unit_m2
        return replace(
            self,
            n_pixels=self.n_pixels + other.n_pixels,
            area_units=self.area_units + other.area_units,
            strays=self.strays + other.strays,
        )

    @property
    def area_m2(self) -> Floats:
        """Areas in m², float64 (classes, classes)."""
        return self.area_units.astype(np.float64) * self.unit_m2

    @property
    def swapped(self) -> Self:
        """AFTER before BEFORE: the transposed matrix."""
        return replace(self, n_pixels=self.n_pixels.T.copy(), area_units=self.area_units.T.copy())

    @property
    def share_of_before(self) -> Floats:
        """Share of each row's area: what became of a class; 0 in the row of a class that did not occur."""
        return _shares(self.area_units, axis=1)

    @property
    def share_of_after(self) -> Floats:
        """Share of each column's area: what a class came from."""
        return _shares(self.area_units, axis=0)

    @property
    def changed_m2(self) -> float:
        """Area whose class is another one, m²."""
        return float(int(self.area_units.sum()) - int(np.trace(self.area_units))) * self.unit_m2

    @property
    def total_m2(self) -> float:
        """Area that has a class at both dates, m²."""
        return float(int(self.area_units.sum())) * self.unit_m2

    @property
    def changed_share(self) -> float:
        """Share of the area with a class at both dates that changed, 0-1."""
        total = int(self.area_units.sum())
        return (total - int(np.trace(self.area_units))) / total if total else 0.0

    @property
    def differing_share(self) -> float:
        """Share of the pixels with a class at both dates, whatever their areas, that changed, 0-1."""
        total = int(self.n_pixels.sum())
        return (total - int(np.trace(self.n_pixels))) / total if total else 0.0

    def by_class(self, *, pixels: bool = False) -> list[ClassChange]:
        """Gross gain and loss, net change and persistence of each class, in m² or, with ``pixels``, in pixels."""
        counts, unit = (self.n_pixels, 1.0) if pixels else (self.area_units, self.unit_m2)
        rows = []
        for i, item in enumerate(self.legend.classes):
            had, has, stayed = int(counts[i].sum()), int(counts[:, i].sum()), int(counts[i, i])
            numbers = (had, has, has - stayed, had - stayed, has - had, stayed)
            rows.append(ClassChange(item.value, item.name, *(number * unit for number in numbers)))
        return rows

    def occurring(self) -> Iterator[tuple[int, int]]:
        """Rows and columns of the transitions that occur, persistence too, row by row."""
        for i, j in zip(*np.nonzero(self.n_pixels), strict=True):
            yield int(i), int(j)

    def codes(self) -> dict[int, int]:
        """Pixels by change code, of the transitions that occur."""
        values = self.legend.values
        return {code_of(values[i], values[j]): int(self.n_pixels[i, j]) for i, j in self.occurring()}

    def refuse_strays(self, where: object) -> None:
        """InputRefused ``LEGEND`` where pixels have values that stand in no legend."""
        if self.strays:
            what = f"{self.strays} pixels have a value that is in no legend"
            raise InputRefused.of(
                "LEGEND", where, what, "Somebody painted into a map: give the value a name, or remove it"
            )


class TransitionCounter:
    """Counts pairs of classes, fed with windows in any order; sums are of integers."""

    def __init__(self, geobox: GeoBox, legend: Legend, lattice: Lattice | None = None) -> None:
        """Nothing is counted yet. ``lattice``: the grid's, where it is there already."""
        self._lattice = lattice or Lattice(geobox)
        self._legend = legend
        size = len(legend.classes) + 2  # nodata first, what is in no legend last
        index = np.full(256, size - 1, np.int64)
        index[0] = 0
        index[np.array(legend.values, np.int64)] = np.arange(1, size - 1)
        self._index = index
        self._pixels = np.zeros((size, size), np.int64)
        self._area = np.zeros((size, size), np.int64)

    def add(self, window: Window, before: Bytes, after: Bytes) -> None:
        """Count joined class values, uint8 (rows, cols), of a window."""
        from geoseg.compare.transition_kernels import count_pairs

        t = _table(self._lattice, window.row, window.row + window.height)
        table = (t.first, t.rows, t.cols, t.pixel)
        place = (window.row, window.col)
        count_pairs(before, after, place, table, self._index, (self._pixels, self._area))

    def add_codes(self, window: Window, codes: npt.NDArray[np.uint16]) -> None:
        """Count change codes, uint16 (rows, cols), of a window."""
        self.add(window, (codes >> 8).astype(np.uint8), (codes & 255).astype(np.uint8))

    def result(self) -> Transitions:
        """What was counted so far."""
        inner = slice(1, -1)
        strays = int(self._pixels[-1, 1:].sum() + self._pixels[1:-1, -1].sum())
        return Transitions(
            self._legend, self._pixels[inner, inner].copy(), self._area[inner, inner].copy(),
            self._lattice.unit_m2, self._lattice.method, strays,
        )  # fmt: skip


def count_transitions(geobox: GeoBox, legend: Legend, before: Bytes, after: Bytes) -> Transitions:
    """Count two whole maps in memory, uint8 joined values (rows, cols)."""
    counter = TransitionCounter(geobox, legend)
    counter.add(Window(0, 0, *geobox.shape), before, after)
    return counter.result()


def _table(lattice: Lattice, row: int, stop: int) -> AreaTable:
    """Tiles side by side, which are counted at the same time, have the same; one thread makes it."""
    with _MAKING:
        return _made(lattice, row, stop)


_MAKING = threading.Lock()


@lru_cache(maxsize=8)
def _made(lattice: Lattice, row: int, stop: int) -> AreaTable:
    return lattice.table(row, stop)


def _shares(counts: Longs, axis: int) -> Floats:
    totals = counts.sum(axis=axis, keepdims=True)
    shares: Floats = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    return shares
