"""Measure: areas of classes on the ellipsoid, whatever the CRS, counted on the pixels of a mask strip by strip."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent
from geoseg.vector.lattice import Lattice

_ROWS = 1024
"""Rows counted at once: bounds the tables of areas where each row has its own."""


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
    """Adds up the areas of the classes of a mask, fed with strips of whole rows in any order.

    The sums are of integers (see :mod:`geoseg.vector.lattice`), so they are the same for any strips, and the same as
    those of the polygons.
    """

    def __init__(self, geobox: GeoBox, legend: Legend) -> None:
        self._lattice = Lattice(geobox)
        self._legend = legend
        self._pixels = np.zeros(256, np.int64)
        self._area = np.zeros(256, np.int64)

    def add(self, row: int, strip: np.ndarray) -> None:
        """Count a strip (rows, all cols; uint8 class values) whose first row is ``row`` of the mask."""
        from geoseg.vector.count import count_classes

        for start in range(0, strip.shape[0], _ROWS):
            piece = np.ascontiguousarray(strip[start : start + _ROWS])
            t = self._lattice.table(row + start, row + start + len(piece))
            table = (t.first, t.rows, t.cols, t.pixel, t.before)
            count_classes(piece, row + start, table, self._pixels, self._area)

    def rows(self) -> list[ClassArea]:
        """One row for each class of the legend, also where no pixel has it, in the legend's order."""
        total = sum(int(self._area[value]) for value in self._legend.values) or 1
        return [self._row(item.value, item.name, total) for item in self._legend.classes]

    def _row(self, value: int, name: str, total: int) -> ClassArea:
        units = int(self._area[value])
        area = units * self._lattice.unit_m2
        return ClassArea(value, name, int(self._pixels[value]), area, area / 1e4, units / total, self._lattice.method)


def write_areas(path: str | Path, rows: list[ClassArea]) -> None:
    """Write ``areas.csv``: UTF-8, a header, one line for each class; complete or absent."""
    with complete_or_absent(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share", "area_method"])
        for r in rows:
            areas = (f"{r.area_m2:.3f}", f"{r.area_ha:.7f}", f"{r.share:.9f}")
            writer.writerow([r.class_id, r.class_name, r.n_pixels, *areas, r.area_method])
