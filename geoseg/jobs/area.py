"""Area: the main path of ``geoseg area``: a class raster to areas by class, or by zone and class."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from geoseg import notebook
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.env import gdal_env
from geoseg.raster.files import complete_or_absent
from geoseg.raster.tiles import usable_threads
from geoseg.vector.coverage import Coverage, coverage_of
from geoseg.vector.lattice import Lattice
from geoseg.vector.measure import AreaCounter, ClassArea, print_areas, print_csv
from geoseg.vector.zones import Zones, ZoneSum, count_zones, read_zones

_STRIP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class ZoneClass:
    """Area of one class in a zone; ``share`` is that of the zone's own area."""

    class_id: int
    class_name: str
    n_pixels: float
    area_m2: float
    area_ha: float
    share: float


@dataclass(frozen=True, slots=True)
class ZoneArea:
    """A zone: its own area, how much of that is nodata or off the raster, and the classes that occur in it."""

    zone_id: int | str
    zone_name: str
    zone_m2: float
    nodata_m2: float
    outside_m2: float
    classes: tuple[ZoneClass, ...]


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas by class (``classes``) or by zone and class (``zones``), and how they were measured."""

    area_method: str
    classes: tuple[ClassArea, ...] = ()
    zones: tuple[ZoneArea, ...] | None = None
    notes: tuple[str, ...] = ()

    def print_csv(self, file: TextIO) -> None:
        """Write the lines of ``areas.csv``, or one line for each zone and class; a zone without classes has one line."""
        if self.zones is None:
            print_areas(file, self.classes)
        else:
            print_csv(file, _ZONE_HEADER, _zone_lines(self.zones, self.area_method))

    def to_json(self) -> str:
        """The table as JSON, numbers in full."""
        told: dict[str, Any] = {"area_method": self.area_method}
        if self.zones is None:
            told["classes"] = [{k: v for k, v in asdict(row).items() if k != "area_method"} for row in self.classes]
        else:
            told["zones"] = [asdict(zone) for zone in self.zones]
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        """The table in a notebook."""

        def rows() -> Iterator[tuple[object, ...]]:
            for row in self.classes:
                yield row.class_name, f"{row.n_pixels:,}", f"{row.area_ha:,.1f}", f"{row.share:.1%}"
            for zone in self.zones or ():
                for part in zone.classes:
                    name = f"{zone.zone_name}: {part.class_name}"
                    yield name, f"{part.n_pixels:,.0f}", f"{part.area_ha:,.1f}", f"{part.share:.1%}"

        def made() -> str:
            title = f"Areas, {self.area_method}"
            return notebook.panel(title, notebook.table(("class", "pixels", "ha", "share"), rows(), right=(1, 2, 3)))

        return notebook.shown(self, made)

    def write(self, path: str | Path, *, as_json: bool) -> None:
        """Write the table, complete or not at all."""
        with complete_or_absent(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            if as_json:
                file.write(self.to_json())
            else:
                self.print_csv(file)


def area(  # noqa: PLR0913 - one door, each of its settings an option of the command line
    mask: str | Path,
    *,
    zones: str | Path | None = None,
    zone_field: str | None = None,
    coverage: str = "auto",
    classes: Collection[str] = (),
    band: int | None = None,
    nodata: int | None = None,
    assume_crs: str | None = None,
) -> AreaTable:
    """Measure the classes of a raster on the ellipsoid of its CRS, in all of it or in zones.

    Parameters
    ----------
    mask
        A class raster of any origin.
    zones, zone_field
        A vector file with polygons in any CRS, which may overlap; the column with their names, else their ids.
    coverage
        How pixels on the edge of a zone count: ``fraction`` (by their share inside, with exactextract), ``centre``
        (whole, where their centre lies inside), ``auto``: ``fraction`` where that is installed.
    classes
        Names or values of the classes to list; all when empty. Shares stay those of everything.
    band, nodata, assume_crs
        The band with the classes, 1-based; the value that means no class; the CRS of a file that names none; in place of what
        the file says (:func:`geoseg.raster.classes.open_classes`).

    Returns
    -------
    AreaTable
        Without zones the figures of ``areas.csv``. A zone over the whole raster gives the same figures.

    Raises
    ------
    InputRefused
        Those of ``open_classes`` and :func:`geoseg.vector.zones.read_zones`.
    UsageError
        ``LEGEND``: no such class. ``ZONAL``: exactextract is not installed.

    Notes
    -----
    Memory: a strip of 16 MiB, or a window of 1024 x 1024 pixels and what exactextract says about it; and the zones'
    outlines.

    Examples
    --------
    >>> table = geoseg.area("map/mask.tif")
    >>> [row.class_name for row in table.classes]
    ['water', 'tree', 'low vegetation', 'built']
    """
    raster = open_classes(mask, band=band, nodata=nodata, assume_crs=assume_crs)
    wanted = {raster.legend.value_of(str(name)) for name in classes} or None
    if zones is None:
        counted = tuple(row for row in count_classes(raster) if wanted is None or row.class_id in wanted)
        return AreaTable(Lattice(raster.geobox).method, counted, notes=raster.notes)
    rule = coverage_of(coverage)
    notes = raster.notes
    if coverage == "auto" and rule.method == "pixel centres":
        notes += (
            "pixels count whole where their centre lies in a zone; pip install geoseg[zonal] for shares of pixels",
        )
    found = read_zones(zones, raster.geobox, field=zone_field)
    with gdal_env(threads=usable_threads()):
        sums = count_zones(raster.read, raster.geobox, found, rule)
    rows = tuple(_zone(found, i, sums[i], raster, wanted) for i in range(len(found)))
    return AreaTable(_method(raster.geobox, rule), zones=rows, notes=notes + _outside_note(found))


def count_classes(raster: ClassRaster) -> list[ClassArea]:
    """Areas of a raster's classes, counted strip by strip."""
    counter = AreaCounter(raster.geobox, raster.legend)
    rows, cols = raster.geobox.shape
    high = max(_STRIP_BYTES // (cols * 2) // 512 * 512, 64)
    with gdal_env(threads=usable_threads()):
        for row in range(0, rows, high):
            counter.add(row, raster.read(Window(row, 0, min(high, rows - row), cols)))
    return counter.rows()


_ZONE_HEADER = (
    "zone_id", "zone_name", "class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share",
    "zone_m2", "nodata_m2", "outside_m2", "area_method",
)  # fmt: skip


def _zone_lines(zones: tuple[ZoneArea, ...], method: str) -> Iterator[list[object]]:
    for zone in zones:
        own = [f"{value:.3f}" for value in (zone.zone_m2, zone.nodata_m2, zone.outside_m2)]
        for row in zone.classes:
            pixels = int(row.n_pixels) if float(row.n_pixels).is_integer() else f"{row.n_pixels:.6f}"
            areas = f"{row.area_m2:.3f}", f"{row.area_ha:.7f}", f"{row.share:.9f}"
            yield [zone.zone_id, zone.zone_name, row.class_id, row.class_name, pixels, *areas, *own, method]
        if not zone.classes:
            yield [zone.zone_id, zone.zone_name, "", "", 0, "0.000", "0.0000000", "0.000000000", *own, method]


def _zone(zones: Zones, i: int, sums: dict[int, ZoneSum], raster: ClassRaster, wanted: set[int] | None) -> ZoneArea:
    own = float(zones.area_m2[i])
    names = raster.legend.names
    order = [value for value in names if value in sums] + [v for v in sums if v not in names and v != raster.nodata]
    rows = tuple(
        ZoneClass(
            value, names.get(value, str(value)), sums[value].n_pixels, sums[value].area_m2, sums[value].area_m2 / 1e4,
            sums[value].area_m2 / own if own else 0.0,
        )
        for value in order
        if wanted is None or value in wanted
    )  # fmt: skip
    nodata = sums[raster.nodata].area_m2 if raster.nodata in sums else 0.0
    return ZoneArea(zones.ids[i], zones.names[i], own, nodata, float(zones.outside_m2[i]), rows)


def _outside_note(zones: Zones) -> tuple[str, ...]:
    outside = zones.outside_m2 > 0
    away = int((outside & (zones.outside_m2 >= zones.area_m2)).sum())
    partly = int(outside.sum()) - away
    return (f"of {len(zones)} zones {away} lie off the raster and {partly} partly",) if away or partly else ()


def _method(geobox: GeoBox, rule: Coverage) -> str:
    return f"{Lattice(geobox).method}; {rule.method}"
