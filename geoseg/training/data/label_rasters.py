"""Label rasters: codes of any whole numbers, on the scene's grid or another, as class values of the scene's windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.admit import admit
from geoseg.raster.align import crs_name, fits, overlaps, pixel_metres, read_cells, same_grid
from geoseg.raster.band import Band
from geoseg.raster.classes import class_layer, class_names, read_layer
from geoseg.raster.env import gdal_env
from geoseg.raster.handles import dataset_of, decoded
from geoseg.raster.resample import Nested
from geoseg.raster.tiles import usable_threads
from geoseg.training.checking.finding import Finding
from geoseg.training.data.labels import fingerprint_of, windows_of
from geoseg.training.data.recode import CodeTable, Recoding
from geoseg.training.data.shift import Shift, metres_apart, twin
from geoseg.training.settings.data import LabelSettings

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class RasterLabels:
    """Codes of one band of a raster; ``source`` is its grid, ``layer.grid`` too where that is not the scene's.

    ``names`` are what the file calls its codes; ``shift`` is how far labels are moved to come onto the scene's grid.
    """

    layer: Band
    geobox: GeoBox
    source: GeoBox
    table: CodeTable
    legend: Legend
    names: tuple[tuple[int, str], ...] = ()
    shift: Shift | None = None
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all class values on the scene's grid."""
        return fingerprint_of(self, self.geobox.shape)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (rows, cols); the value of the nearest pixel where the grids differ."""
        return self.table.apply(*self.codes(window))

    def codes(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The file's own numbers on the scene's grid, and where there are any (None: everywhere)."""
        grid = self.layer.grid
        if grid is None:
            return self._read(window)
        nested = Nested.of(grid, self.geobox)
        if nested is None:
            return self._warped(window)
        here = nested.window(window)
        if here is None:
            return np.zeros(window.shape, np.uint8), np.zeros(window.shape, bool)
        raw, known = self._read(here)
        known = np.ones(raw.shape, bool) if known is None else known
        places = (here, window)
        return nested.nearest(raw, places), nested.nearest(known, places).astype(bool)

    def findings(self) -> tuple[Finding, ...]:
        """What the place of the raster and its codes say; one pass."""
        return (*self._twins(), *self._moved(), *self._odd_codes(), *self._nodata_named(), *self._other_names())

    def _read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        raw, there = read_layer(replace(self.layer, grid=None), window, False)
        known = None if there is None else there != 0
        nodata = self.layer.nodata
        if nodata is not None and not math.isnan(nodata) and fits(nodata, raw.dtype):
            differs = raw != raw.dtype.type(nodata)
            known = differs if known is None else known & differs
        return raw, known

    def _warped(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        threads = usable_threads()
        with gdal_env(threads=threads):
            dataset = dataset_of(self.layer, threads=threads, allow_remote=False, target=self.geobox, nearest=True)
            raw = decoded(self.layer.path, lambda: read_cells(dataset, [self.layer.index], window)[0])
        return raw, ~np.isnan(raw)

    def _twins(self) -> tuple[Finding, ...]:
        return twin(self._name, self.source, "the scene", self.geobox)

    def _moved(self) -> tuple[Finding, ...]:
        if self.layer.grid is not None and not overlaps(self.geobox, self.layer.grid):
            apart = metres_apart(self.layer.grid, self.geobox, centres=True)
            what = f"lies outside of the scene: their middles are {apart / 1000:.1f} km apart"
            return (
                Finding("error", "LABELS_OUTSIDE", self._name, what, "Check the CRS of both, and the pair of files"),
            )
        if self.shift is None or self.shift.length < 0.5:
            return ()
        what = f"labels are moved by {self.shift} to come onto the scene's grid"
        remedy = "Warp the labels onto the scene's grid yourself if that is not where they belong"
        return (Finding("warning", "SHIFT", self._name, what, remedy, numbers=self.shift.to_json()),)

    def _odd_codes(self) -> tuple[Finding, ...]:
        counts, fractions = self._count()
        total = sum(counts.values()) + fractions
        if fractions:
            what = f"{fractions} pixels hold no whole number, and are ignored"
            return (Finding("error", "CODES", self._name, what, "Labels are codes: check that this is the right file"),)
        odd = {code: n for code, n in counts.items() if code not in self.table.codes}
        if not odd:
            return ()
        shown = ", ".join(
            f"{code}{f' {name}' if (name := dict(self.names).get(code)) else ''} ({n / total:.1%})"
            for code, n in sorted(odd.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
        )
        more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        alone = len(odd) == len(counts)
        what = f"codes that mean no class and are ignored: {shown}{more}" + (" - that is all of them" if alone else "")
        remedy = "Name in recode what they are"
        level: Literal["error", "warning"] = "error" if alone else "warning"
        return (Finding(level, "CODES", self._name, what, remedy, numbers={str(c): n for c, n in sorted(odd.items())}),)

    def _nodata_named(self) -> tuple[Finding, ...]:
        nodata = self.layer.nodata
        if nodata not in self.table.codes:
            return ()
        what = f"{nodata:g} means nodata in the file, and is also named as a class: it has no label"
        return (Finding("warning", "NODATA", self._name, what, "Set nodata: -1 for the labels if it is a class"),)

    def _other_names(self) -> tuple[Finding, ...]:
        """Codes whose name in the file is the name of another class."""
        values = {item.name.casefold(): item.value for item in self.legend.classes}
        known = dict(zip(self.table.codes, self.table.values, strict=True))
        wrong = [
            f"{code} is {self.legend.names[known[code]]} here and {name} in the file"
            for code, name in self.names
            if known.get(code) in self.legend.names and values.get(name.casefold(), known[code]) != known[code]
        ]
        if not wrong:
            return ()
        what = f"its own names say other classes: {'; '.join(wrong[:_SHOWN])}"
        return (Finding("warning", "NAMES", self._name, what, "Recode by name, or correct the codes"),)

    def _count(self) -> tuple[dict[int, int], int]:
        """Pixels by code over the scene, and pixels that hold no whole number."""
        counts: dict[int, int] = {}
        fractions = 0
        for window in windows_of(self.geobox.shape):
            raw, there = self.codes(window)
            flat = raw.reshape(-1) if there is None else raw[there]
            if flat.dtype.kind == "f":
                is_whole = flat == np.floor(flat)
                flat, before = flat[is_whole & np.isfinite(flat)], flat.size
                fractions += before - flat.size
            values, numbers = np.unique(flat, return_counts=True)
            for value, n in zip(values.tolist(), numbers.tolist(), strict=True):
                counts[int(value)] = counts.get(int(value), 0) + n
        return counts, fractions

    @property
    def _name(self) -> str:
        return Path(self.layer.path).name


def open_raster_labels(settings: LabelSettings, geobox: GeoBox, recoding: Recoding) -> RasterLabels:
    """Describe a raster of codes on a scene's grid; see :func:`geoseg.training.data.labels.open_labels`."""
    file = admit(settings.path, assume_crs=settings.assume_crs, palette_ok=True)
    layer = class_layer(file, settings.band)
    names = {code: name for code, name in class_names(file, layer, False).names.items() if name.strip()}
    if settings.nodata is not None:
        layer = replace(layer, nodata=float(settings.nodata))
    codes = dict(recoding.codes)
    if recoding.given:
        said = {code: recoding.named(name) for code, name in names.items()}
        codes = {code: value for code, value in said.items() if value is not None} | codes
    same = same_grid(geobox, file.geobox)
    shift = None if same else Shift.between(file.geobox, geobox)
    notes: tuple[str, ...] = ()
    if not same:
        side, crs = pixel_metres(file.geobox), crs_name(file.geobox)
        moved = "they lie outside of the scene" if shift is None else f"labels are moved by {shift}"
        notes = (
            f"{Path(file.path).name}: {side:.4g} m pixels in {crs} brought onto the scene's grid, nearest: {moved}",
        )
    return RasterLabels(
        layer=replace(layer, grid=None if same else file.geobox),
        geobox=geobox,
        source=file.geobox,
        table=CodeTable.of(codes, recoding.legend.nodata),
        legend=recoding.legend,
        names=tuple(sorted(names.items())),
        shift=shift,
        notes=notes,
    )
