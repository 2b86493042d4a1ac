"""Sieve: a class raster to one without small regions. Open, gather the regions, merge the small ones, write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import geoseg
from geoseg.config import PerClass, SieveSettings
from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.outputs import check_files
from geoseg.legend import Legend
from geoseg.mask.regions import Minimum
from geoseg.mask.sieve import Read, Sieved, Total, Values
from geoseg.mask.sieve import sieve as sieve_windows
from geoseg.raster.classes import ClassRaster, maker_tags, open_classes
from geoseg.raster.env import gdal_env
from geoseg.raster.tiles import usable_threads
from geoseg.raster.write import write_mask
from geoseg.vector.lattice import Lattice

STRIP = 512
"""Rows of a strip: the side of a tile of the output."""
_TILE = (STRIP, 8192)
"""Most files lie in tiles or rows; either way a wide, low tile of the sieve decodes each but once."""


@dataclass(frozen=True, slots=True)
class ClassBeforeAfter:
    """Pixels and area of one class, before and after the sieve."""

    class_id: int
    class_name: str
    pixels_before: int
    pixels_after: int
    area_m2_before: float
    area_m2_after: float


@dataclass(frozen=True, slots=True)
class SieveResult:
    """Where the mask is; how many regions and pixels changed their class; what each class had and has."""

    mask: Path
    regions_merged: int
    pixels_changed: int
    area_method: str
    classes: tuple[ClassBeforeAfter, ...] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**asdict(self), "mask": str(self.mask)}


def sieve(
    mask: ClassRaster | str | Path, out: str | Path, *, settings: SieveSettings | None = None, **options: Any
) -> SieveResult:
    """Merge the small regions of a class raster into their neighbours.

    The rule is that of :mod:`geoseg.mask.sieve`: the smallest region first, into the neighbour with the longest common
    border, until none is left that is small. Nodata is never made or filled. The output is a mask as ``segment`` writes
    it, with the input's classes, names, colours, nodata value and provenance; uint16 where values are above 255.

    Parameters
    ----------
    mask
        A class raster of any origin, or what :func:`geoseg.raster.classes.open_classes` gave.
    out
        The GeoTIFF to write; its sidecars come beside it.
    settings, options
        :class:`SieveSettings`, whole or as keywords: ``min_area=1000``, ``min_area={"water": 500}``, ``min_pixels=10``,
        ``connectivity=8``.

    Returns
    -------
    SieveResult
        The mask, how many regions and pixels changed their class, and the areas of each class before and after.

    Raises
    ------
    InputRefused
        The raster is none of classes.
    UsageError
        ``LEGEND``: the raster has no class of a name that was given. ``SIEVE``: no minimum, or two. ``FORMAT``: the
        output's name does not end in .tif or .tiff.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.

    Examples
    --------
    >>> made = geoseg.sieve("map/mask.tif", "sieved.tif", min_area=20_000)
    >>> made.regions_merged > 0
    True
    """
    settings = SieveSettings.either(settings, options)
    if settings.min_area.any == settings.min_pixels.any:
        what = "a minimum area and a minimum of pixels" if settings.min_area.any else "no minimum"
        raise UsageError.of("SIEVE", "sieve", f"{what} given", "Give one of --min-area and --min-pixels")
    out = Path(out)
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError.of("FORMAT", out, "a mask is a GeoTIFF, and its name does not say so", "Name it .tif")
    check_files([out], [mask.path if isinstance(mask, ClassRaster) else mask], overwrite=settings.overwrite)
    if not isinstance(mask, ClassRaster):
        mask = open_classes(mask, band=settings.band, nodata=settings.nodata, assume_crs=settings.assume_crs)
    lattice = Lattice(mask.geobox)
    threads = settings.threads or usable_threads()
    minimum = minimum_of(lattice, mask.legend, settings.min_area, settings.min_pixels)
    done = sieve_windows(
        _Frugal(mask), mask.geobox.shape, nodata=mask.nodata, minimum=minimum, connectivity=settings.connectivity,
        tile_size=_TILE, threads=threads,
    )  # fmt: skip
    refuse_no_area(done, minimum, mask.path)
    tags = {**maker_tags(mask), "TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_SIEVE": _rule(settings)}
    write_mask(out, mask.geobox, mask.legend, _strips(done, mask.geobox.shape), tags=tags, threads=threads)
    classes = tuple(_before_after(item.value, item.name, done, lattice) for item in mask.legend.classes)
    return SieveResult(out, done.merged, done.pixels, lattice.method, classes)


def sieved(
    read: Read, geobox: GeoBox, legend: Legend, min_area: PerClass, *, connectivity: int = 4, threads: int | None = None
) -> Sieved | None:
    """The mask that ``read`` gives, sieved by area, for jobs in which the sieve is one step; None: nothing to do."""
    if not min_area.any:
        return None
    minimum = minimum_of(Lattice(geobox), legend, min_area)
    done = sieve_windows(
        read, geobox.shape, nodata=legend.nodata, minimum=minimum, connectivity=connectivity,
        threads=threads or usable_threads(),
    )  # fmt: skip
    refuse_no_area(done, minimum, "mask")
    return done


def minimum_of(lattice: Lattice, legend: Legend, min_area: PerClass, min_pixels: PerClass | None = None) -> Minimum:
    """The smallest region that stays, in pixels or, by default, in the lattice's units of area.

    A region's area is that of its pixels on the ellipsoid, whatever the CRS: the ``area_m2`` of its polygon.
    """
    if min_pixels is not None and min_pixels.any:
        classes = {value: _whole(number) for value, number in by_value(min_pixels, legend).items()}
        return Minimum.of(_whole(min_pixels.others), classes, areas=lattice.table)
    classes = {value: _units(number, lattice) for value, number in by_value(min_area, legend).items()}
    return Minimum.of(_units(min_area.others, lattice), classes, areas=lattice.table, by_area=True)


def refuse_no_area(done: Sieved, minimum: Minimum, where: object) -> None:
    """Say so where the projection reaches no pixel: every region would be too small."""
    if minimum.by_area and done.before and not any(total.area for total in done.before.values()):
        raise UsageError.of("MIN_AREA", where, "no pixel has an area on Earth", "Use --min-pixels, or check the CRS")


def _units(square_metres: float, lattice: Lattice) -> int:
    """Whole units of area that make ``square_metres``; pixels are rounded to units, and none may be lost by that."""
    return _whole(square_metres * (1 - 1e-9) / lattice.unit_m2)


def _whole(number: float) -> int:
    """The next integer; more than any raster has is 2**62."""
    return math.ceil(min(number, 2.0**62))


def by_value(numbers: PerClass, legend: Legend) -> dict[int, float]:
    """By class value; classes are named as :meth:`Legend.value_of` takes them, each once."""
    found: dict[int, float] = {}
    for name, number in numbers.classes.items():
        value = legend.value_of(name)
        if value in found:
            what = f"class {legend.names[value]} has two minima"
            raise UsageError.of("LEGEND", name, what, "Give one")
        found[value] = number
    return found


@dataclass(frozen=True, slots=True)
class _Frugal:
    """Read with a small cache of decoded blocks: tiles share few of them, and memory is to grow with regions only."""

    mask: ClassRaster

    def __call__(self, window: Window) -> Values:
        with gdal_env(allow_remote=self.mask.allow_remote, cache_mb=64):
            return self.mask.read(window)


def _strips(done: Sieved, shape: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
    for row in range(0, shape[0], STRIP):
        yield row, done.read(Window(row, 0, min(STRIP, shape[0] - row), shape[1]))


def _rule(settings: SieveSettings) -> str:
    """``min_area=1000,water=500 m2; connectivity=4``."""
    name, numbers, unit = ("min_area", settings.min_area, " m2")
    if settings.min_pixels.any:
        name, numbers, unit = ("min_pixels", settings.min_pixels, " pixels")
    parts = [f"{numbers.others:.15g}"] if numbers.others else []
    parts += [f"{key}={number:.15g}" for key, number in sorted(numbers.classes.items())]
    return f"{name} {','.join(parts)}{unit}; connectivity {settings.connectivity}"


def _before_after(value: int, name: str, done: Sieved, lattice: Lattice) -> ClassBeforeAfter:
    before, after = (totals.get(value, Total(0, 0)) for totals in (done.before, done.after))
    areas = before.area * lattice.unit_m2, after.area * lattice.unit_m2
    return ClassBeforeAfter(value, name, before.pixels, after.pixels, *areas)
