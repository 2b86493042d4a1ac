"""Error map: where a map is right and where it takes which class for which, as a COG that QGIS opens coloured.

Values are those of a change map, ``label * 256 + mask``: every kind of error has its own, with its name and pixels in the
attribute table, and polygonize and area take the file as they take any class raster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import MOST, Colour, Legend
from geoseg.raster.write import write_mask
from geoseg.training.data.labels import IGNORE
from geoseg.training.scoring.confusion import Confusion
from geoseg.training.scoring.pairs import Pairs
from geoseg.training.scoring.scores import class_names
from geoseg.vector.measure import AreaCounter

RIGHT: Colour = (225, 225, 225)
NOT_MAPPED: Colour = (20, 20, 20)
_STRIP = 512


def write_error_map(
    path: str | Path, geobox: GeoBox, pairs: Pairs, *, legend: Legend, confusion: Confusion
) -> dict[int, int]:
    """Write the errors of one scene; 0 (65535 where a class has the value 0) is what was not scored.

    Right pixels are light grey and errors have the colour of the class that the map says. Only pairs that occur stand in
    the file's legend. Returns the pixels by value.
    """
    errors = error_legend(legend, confusion)
    return write_mask(path, geobox, errors, _strips(pairs, legend, errors.nodata), description="label * 256 + mask")


def error_legend(legend: Legend, confusion: Confusion) -> Legend:
    """A class for each pair of classes that occurs: ``tree, mapped as built``; every class of the legend has its ``right``."""
    names, colours = {}, {}
    shown, values = class_names(legend), legend.values
    for i, label in enumerate(values):
        for j, mask in enumerate(values):
            if i == j or confusion.counts[i, j]:
                pair = label * 256 + mask
                names[pair] = f"{shown[i]}, right" if i == j else f"{shown[i]}, mapped as {shown[j]}"
                colours[pair] = RIGHT if i == j else legend.colours[mask]
        if confusion.missed[i]:
            names[label * 256 + legend.nodata] = f"{shown[i]}, not mapped"
            colours[label * 256 + legend.nodata] = NOT_MAPPED
    return Legend.of(dict(sorted(names.items())), colours, nodata=MOST if 0 in names else 0)


def _strips(pairs: Pairs, legend: Legend, nodata: int) -> Iterator[tuple[int, npt.NDArray[np.uint16]]]:
    rows, cols = pairs.shape
    values = np.full(256, legend.nodata, np.uint16)
    values[: len(legend.values)] = legend.values
    for row in range(0, rows, _STRIP):
        label, mask = pairs.read(Window(row, 0, min(_STRIP, rows - row), cols))
        pair = values[label] * np.uint16(256) + values[mask]
        yield row, np.where(label == IGNORE, np.uint16(nodata), pair)


def areas(geobox: GeoBox, pairs: Pairs, legend: Legend) -> tuple[tuple[str, ...], list[list[object]]]:
    """Area of each class in the labels and in the map, of the scored pixels: a header and rows for a CSV file."""
    counters = AreaCounter(geobox, legend), AreaCounter(geobox, legend)
    values = np.full(256, legend.nodata, np.uint8)
    values[: len(legend.values)] = legend.values
    rows, cols = pairs.shape
    for row in range(0, rows, _STRIP):
        for counter, index in zip(counters, pairs.read(Window(row, 0, min(_STRIP, rows - row), cols)), strict=True):
            counter.add(row, values[index])
    header = (
        "class_id", "class_name", "label_pixels", "label_m2", "label_share", "mask_pixels", "mask_m2", "mask_share", "area_method"
    )  # fmt: skip
    lines: list[list[object]] = []
    for label, mask in zip(*(counter.rows() for counter in counters), strict=True):
        told = [
            text for row in (label, mask) for text in (row.n_pixels, f"{row.area_m2:.3f}", f"{row.share:.9f}")
        ]  # fmt: skip
        lines.append([label.class_id, label.class_name, *told, label.area_method])
    return header, lines
