"""Measure: areas of classes on the ellipsoid, whatever the CRS, counted on the pixels of a mask strip by strip."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.legend import MOST, Legend
from geoseg.raster.files import complete_or_absent
from geoseg.vector.lattice import Lattice

_ROWS = 1024
"""Rows counted at once: bounds the tables of areas where each row has its own."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell instead of showing it."""

HEADER = ("class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share", "area_method")


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Area of one class: pixels, area on the ellipsoid, share of all classes' area, and how it was measured."""

    class_id: int
    class_name: str
    n_pixels: int
    area_m2: float
    area_ha: float
    share: float
    area_method: str


class AreaCounter:
    """Adds up the areas of the classes of a class raster, fed with strips of whole rows in any order.

    The sums are of integers (see :mod:`geoseg.vector.lattice`), so they are the same for any strips, and the same as
    those of the polygons.
    """

    def __init__(self, geobox: GeoBox, legend: Legend) -> None:
        self._lattice = Lattice(geobox)
        self._legend = legend
        self._pixels = np.zeros(MOST + 1, np.int64)
        self._area = np.zeros(MOST + 1, np.int64)

    def add(self, row: int, strip: np.ndarray) -> None:
        """Count a strip (rows, all cols; uint8 or uint16 class values) whose first row is ``row`` of the raster."""
        from geoseg.vector.count import count_classes

        assert strip.dtype in (np.uint8, np.uint16), strip.dtype
        for start in range(0, strip.shape[0], _ROWS):
            piece = np.ascontiguousarray(strip[start : start + _ROWS])
            t = self._lattice.table(row + start, row + start + len(piece))
            table = (t.first, t.rows, t.cols, t.pixel, t.before)
            count_classes(piece, row + start, table, self._pixels, self._area)

    def rows(self) -> list[ClassArea]:
        """One row for each class of the legend, also where no pixel has it, in the legend's order.

        Values that occur and stand in no legend (somebody painted into a mask) follow, under their number.
        """
        names = self._legend.names
        strange = set(np.flatnonzero(self._pixels).tolist()) - names.keys() - {self._legend.nodata}
        names |= {value: str(value) for value in sorted(strange)}
        total = sum(int(self._area[value]) for value in names) or 1
        return [self._row(value, name, total) for value, name in names.items()]

    def _row(self, value: int, name: str, total: int) -> ClassArea:
        units = int(self._area[value])
        area = units * self._lattice.unit_m2
        return ClassArea(value, name, int(self._pixels[value]), area, area / 1e4, units / total, self._lattice.method)


def write_areas(path: str | Path, rows: Sequence[ClassArea]) -> None:
    """Write ``areas.csv``: UTF-8, a header, one line for each class; complete or absent."""
    write_csv(path, HEADER, _lines(rows))


def print_areas(file: TextIO, rows: Sequence[ClassArea]) -> None:
    """Write the lines of ``areas.csv``: m² to three decimals, ha to seven, shares to nine."""
    print_csv(file, HEADER, _lines(rows))


def _lines(rows: Sequence[ClassArea]) -> Iterator[list[object]]:
    yield from ([r.class_id, r.class_name, r.n_pixels, *decimals(r), r.area_method] for r in rows)


def decimals(row: ClassArea) -> tuple[str, str, str]:
    """area_m2, area_ha and share as tables show them."""
    return f"{row.area_m2:.3f}", f"{row.area_ha:.7f}", f"{row.share:.9f}"


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as a CSV file in UTF-8, complete or not at all; see :func:`print_csv`."""
    with complete_or_absent(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        print_csv(file, header, rows)


def print_csv(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV; text, names of columns too, is passed through :func:`shown`."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([shown(name) for name in header])
    for row in rows:
        writer.writerow([shown(cell) if isinstance(cell, str) else cell for cell in row])


def shown(text: str) -> str:
    """Text as a cell of a CSV file: an apostrophe goes before what a spreadsheet would take for a formula.

    A name that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, and is no number, could run a
    command in the reader's spreadsheet. Join tables by ``class_id``; names in JSON and in vector files stay as they are.
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
