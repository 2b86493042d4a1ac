"""Maps: class maps of two or more dates on one grid, in one legend, read by windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.compare.joined import Table
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.placed import Placed

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

NO_CONFIDENCE = 255
"""In what :meth:`Maps.read_confidence` returns: not known."""


@dataclass(frozen=True, slots=True, eq=False)
class MapLayer:
    """One date's map on the common grid.

    Attributes
    ----------
    name, path, datetime, fingerprint
        What it is called (its folder's name, or its file's), where it lies, when its scene was taken (ISO 8601), and
        a SHA-256 that knows it again.
    table
        Joined class value by file value.
    confidence, probabilities
        What a segment folder has beside its mask: percents, and the Zarr array with the class of each of its layers
        (joined values, in order).
    """

    name: str
    path: str
    placed: Placed
    table: Table
    confidence: Placed | None = None
    probabilities: tuple[str, tuple[int, ...]] | None = None
    datetime: str | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    def read(self, window: Window) -> Bytes:
        """Joined class values, uint8 (rows, cols), 0 where there is none."""
        raw = self.placed.read(window)
        named = self.placed.raster.legend
        if raw.dtype == np.uint8 and named.nodata == 0 and _same(self.table, named):
            return np.asarray(raw, np.uint8)  # also what stands in no legend, found when transitions are counted
        return self.table[raw]

    def read_confidence(self, window: Window) -> Bytes | None:
        """Percent, uint8 (rows, cols), 255 where not known; None where the map has none."""
        if self.confidence is None:
            return None
        values = self.confidence.read(window)
        return np.where(values <= 100, values, NO_CONFIDENCE).astype(np.uint8)

    def read_probabilities(self, window: Window, legend: Legend) -> Floats | None:
        """Probability of each joined class, float32 (classes, rows, cols) in the legend's order; None without any."""
        if self.probabilities is None or self.placed.offset is None:
            return None
        import zarr

        path, values = self.probabilities
        array: Any = zarr.open_array(path, mode="r")
        row, col = window.row + self.placed.offset[0], window.col + self.placed.offset[1]
        found = np.asarray(array[:, row : row + window.height, col : col + window.width], np.float32)
        out = np.zeros((len(legend.classes), *window.shape), np.float32)
        index = {value: i for i, value in enumerate(legend.values)}
        for layer, value in zip(found, values, strict=True):
            if value in index:
                out[index[value]] += layer
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Maps of several dates on one grid; picklable.

    Attributes
    ----------
    geobox
        The first map's grid, cut to what all maps share.
    legend
        The joined classes, values 1-255; 0 is nodata.
    notes
        What was decided: alignment, overlap, legends.
    """

    layers: tuple[MapLayer, ...]
    geobox: GeoBox
    legend: Legend
    notes: tuple[str, ...] = ()

    def read(self, window: Window) -> list[Bytes]:
        """Joined class values of each date, uint8 (rows, cols), 0 where that date has none."""
        return [layer.read(window) for layer in self.layers]

    def read_confidence(self, window: Window) -> list[Bytes | None]:
        """Percent of each date, 255 where not known; None for a date that has no confidence."""
        return [layer.read_confidence(window) for layer in self.layers]

    def read_probabilities(self, window: Window) -> list[Floats] | None:
        """Probabilities (classes, rows, cols) of each date in the legend's order; None unless all dates have them."""
        found = [layer.read_probabilities(window, self.legend) for layer in self.layers]
        there = [item for item in found if item is not None]
        return there if len(there) == len(found) else None


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Maps of two dates on one grid; picklable. See :class:`Maps`."""

    maps: Maps

    @property
    def before(self) -> MapLayer:
        """The first date."""
        return self.maps.layers[0]

    @property
    def after(self) -> MapLayer:
        """The second date."""
        return self.maps.layers[1]

    @property
    def geobox(self) -> GeoBox:
        """The common grid."""
        return self.maps.geobox

    @property
    def legend(self) -> Legend:
        """The joined classes."""
        return self.maps.legend

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided."""
        return self.maps.notes

    @property
    def swapped(self) -> Pair:
        """AFTER before BEFORE."""
        maps = self.maps
        return Pair(Maps(maps.layers[::-1], maps.geobox, maps.legend, maps.notes))

    def read(self, window: Window) -> tuple[Bytes, Bytes]:
        """Joined class values before and after, uint8 (rows, cols), 0 where there is none."""
        before, after = self.maps.read(window)
        return before, after

    def read_confidence(self, window: Window) -> tuple[Bytes | None, Bytes | None]:
        """Percent before and after, 255 where not known; None for a date without."""
        before, after = self.maps.read_confidence(window)
        return before, after

    def read_probabilities(self, window: Window) -> tuple[Floats, Floats] | None:
        """Probabilities before and after, float32 (classes, rows, cols) in the legend's order; None unless both have."""
        found = self.maps.read_probabilities(window)
        return (found[0], found[1]) if found else None


def _same(table: Table, legend: Legend) -> bool:
    """Whether every class of a legend keeps its value."""
    return all(int(table[value]) == value for value in legend.values)
