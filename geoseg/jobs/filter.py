"""Filter: a class raster to one without what is narrow or small: majority, opening, closing, then the sieve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import geoseg
from geoseg.config import PerClass
from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.jobs.outputs import check_files
from geoseg.jobs.sieve import STRIP, sieved
from geoseg.mask.filter import FilterSettings, apply_filters, halo_of
from geoseg.mask.sieve import Sieved
from geoseg.raster.classes import ClassRaster, maker_tags, open_classes
from geoseg.raster.env import gdal_env
from geoseg.raster.tiles import usable_threads
from geoseg.raster.write import write_mask


@dataclass(frozen=True, slots=True)
class FilterResult:
    """Where the mask is, and how many pixels have another class than before."""

    mask: Path
    pixels_changed: int


def filter_mask(
    mask: ClassRaster | str | Path,
    out: str | Path,
    *,
    filters: FilterSettings,
    min_area: PerClass | None = None,
    overwrite: bool = False,
) -> FilterResult:
    """Filter a class raster strip by strip, each with as much of its neighbours as the filters look at.

    Parameters
    ----------
    mask
        A class raster of at most 255 classes with values up to 255.
    out
        The GeoTIFF to write, with the input's classes, names, colours, nodata value and provenance.
    filters
        The CRF needs the image and is not among them here.
    min_area
        Smallest region, m2; smaller ones join their neighbours after the filters.

    Raises
    ------
    InputRefused
        ``CLASSES``: values above 255. Those of ``open_classes``.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.
    """
    out = Path(out)
    check_files([out], [mask.path if isinstance(mask, ClassRaster) else mask], overwrite=overwrite)
    mask = mask if isinstance(mask, ClassRaster) else open_classes(mask)
    if filters.any and not mask.legend.fits_mask:
        raise InputRefused.of("CLASSES", mask.path, "has values above 255, which filters do not take", "Recode it")
    filtered = _Filtered(mask, filters)
    with gdal_env(threads=usable_threads()):
        small = min_area or PerClass()
        done = sieved(filtered.read, mask.geobox, mask.legend, small)
        rule = f"majority {filters.majority}; opening {filters.opening}; closing {filters.closing}"
        tags = {**maker_tags(mask), "TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_FILTER": rule}
        if small.any:
            tags["GEOSEG_SIEVE"] = f"min_area {small.others:.15g} {sorted(small.classes.items())} m2"
        strips = _Strips(mask, done or filtered)
        write_mask(out, mask.geobox, mask.legend, strips, tags=tags)
    return FilterResult(out, strips.changed)


@dataclass(frozen=True, slots=True)
class _Filtered:
    """The filtered mask, by windows."""

    mask: ClassRaster
    filters: FilterSettings

    def read(self, window: Window) -> np.ndarray:
        if not self.filters.any:
            return self.mask.read(window)
        wide = window.buffer(halo_of(self.filters), self.mask.geobox.shape)
        values = self.mask.read(wide).astype(np.uint8)
        out = apply_filters(values, None, None, legend=self.mask.legend, settings=self.filters)
        return out[window.within(wide).slices]


class _Strips:
    """Strips from top to bottom; counts what has changed."""

    def __init__(self, mask: ClassRaster, made: _Filtered | Sieved) -> None:
        self.mask, self.made, self.changed = mask, made, 0

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        rows, cols = self.mask.geobox.shape
        for row in range(0, rows, STRIP):
            window = Window(row, 0, min(STRIP, rows - row), cols)
            values = self.made.read(window)
            self.changed += int(np.count_nonzero(values != self.mask.read(window)))
            yield row, values
