"""Measure: areas of classes on the ellipsoid, whatever the CRS, counted on the pixels of a mask strip by strip."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Area of one class: pixels, area on the ellipsoid, its share of all valid pixels' area, and how it was measured."""

    class_id: int
    class_name: str
    n_pixels: int
    area_m2: float
    area_ha: float
    share: float
    area_method: str


class AreaCounter:
    """Adds up the areas of the classes of a mask, fed with strips of whole rows in any order."""

    def __init__(self, geobox: GeoBox, legend: Legend) -> None:
        self._geobox = geobox
        self._legend = legend
        self._pixels = np.zeros(256, np.int64)

    def add(self, row: int, strip: np.ndarray) -> None:
        """Count a strip (rows, all cols; uint8 class values) whose first row is ``row`` of the mask."""
        self._pixels += np.bincount(strip.ravel(), minlength=256)

    def rows(self) -> list[ClassArea]:
        """One row for each class of the legend, also where no pixel has it, in the legend's order."""
        a, b, _, d, e, _ = self._geobox.transform
        each = abs(a * e - b * d)
        total = sum(int(self._pixels[v]) for v in self._legend.values) or 1
        return [
            ClassArea(c.value, c.name, n, n * each, n * each / 1e4, n / total, "planar")
            for c in self._legend.classes
            for n in [int(self._pixels[c.value])]
        ]


def write_areas(path: str | Path, rows: list[ClassArea]) -> None:
    """Write ``areas.csv``: UTF-8, a header, one line for each class; complete or absent."""
    with complete_or_absent(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share", "area_method"])
        for r in rows:
            areas = (f"{r.area_m2:.3f}", f"{r.area_ha:.7f}", f"{r.share:.9f}")
            writer.writerow([r.class_id, r.class_name, r.n_pixels, *areas, r.area_method])
