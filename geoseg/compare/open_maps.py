"""Open maps: class maps of two or more dates onto one grid and into one legend, or the reason why not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.compare.joined import Table, join_legends
from geoseg.compare.maps import MapLayer, Maps, Pair
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import crs_name, pixel_metres, same_crs, same_grid
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.identity import sample_file
from geoseg.raster.placed import Placed, common, offset_of, turned

Source = ClassRaster | str | Path
"""A class raster, opened or not, or the folder of a segment run."""


def open_pair(before: Source, after: Source, **options: Any) -> Pair:
    """Two maps on one grid; see :func:`open_maps`."""
    return Pair(open_maps([before, after], **options))


def open_maps(
    paths: Sequence[Source],
    *,
    align: bool = False,
    recode: Mapping[str, str] | None = None,
    band: int | None = None,
    nodata: int | None = None,
    assume_crs: str | None = None,
) -> Maps:
    """Bring class maps of several dates onto the first one's grid and into one legend.

    Parameters
    ----------
    paths
        Class rasters of any origin, or folders of segment runs.
    align
        Where a grid is another one: take the class of the nearest pixel. Grids that differ by whole pixels, or in
        extent only, need none.
    recode
        See :func:`geoseg.compare.joined.join_legends`.
    band, nodata, assume_crs
        As of :func:`geoseg.raster.classes.open_classes`, for all maps that are no folders.

    Raises
    ------
    InputRefused
        ``GRID``: another grid, and ``align`` is off; or no ground in common. ``LEGEND``: see
        :func:`geoseg.compare.joined.join_legends`. Those of ``open_classes``.
    """
    options = {"band": band, "nodata": nodata, "assume_crs": assume_crs}
    found = [_open(path, **options) for path in paths]
    first, notes = found[0].raster.geobox, [note for item in found for note in item.raster.notes]
    for item in found[1:]:
        notes += _check_grid(found[0], item, align)
    window = Window(0, 0, *first.shape)
    for item in found[1:]:
        window = window.intersect(common(first, item.raster.geobox))
        if not (window.height and window.width):
            what = f"shares no ground with {found[0].path}"
            raise InputRefused.of("GRID", item.path, what, "Check that both maps are of one place, and their CRS")
    notes += _overlap_notes(found, window, first)
    geobox = first if window == Window(0, 0, *first.shape) else first.crop(window)
    joined = join_legends([item.raster for item in found], recode)
    layers = [item.layer(geobox, table) for item, table in zip(found, joined.tables, strict=True)]
    return Maps(tuple(layers), geobox, joined.legend, (*dict.fromkeys(notes), *joined.notes))


@dataclass(frozen=True, slots=True)
class _Found:
    """A map as it was named, and what lies beside it."""

    path: str
    name: str
    raster: ClassRaster
    folder: Path | None

    def layer(self, geobox: GeoBox, table: Table) -> MapLayer:
        confidence, probabilities = None, None
        if self.folder is not None:
            confidence = _confidence(self.folder / "confidence.tif", self.raster, geobox)
            zarr_folder = self.folder / "probabilities.zarr"
            if zarr_folder.is_dir():
                values = tuple(int(table[value]) for value in self.raster.legend.values)
                probabilities = (str(zarr_folder), values)
        return MapLayer(
            self.name, self.raster.path, Placed.of(self.raster, geobox), table, confidence, probabilities,
            _datetime(self.folder), _fingerprint(self.raster), self.raster.notes,
        )  # fmt: skip


def _open(path: Source, **options: Any) -> _Found:
    if isinstance(path, ClassRaster):
        return _Found(path.path, Path(path.path).stem, path, None)
    if not Path(path).is_dir():
        return _Found(str(path), Path(path).stem, open_classes(path, **options), None)
    folder = Path(path)
    if not (folder / "mask.tif").is_file():
        what = "is a folder without mask.tif, so no run of geoseg segment"
        raise InputRefused.of("NOT_FOUND", folder, what, "Name the class raster itself")
    return _Found(str(path), folder.resolve().name, open_classes(folder / "mask.tif"), folder)


def _confidence(path: Path, mask: ClassRaster, geobox: GeoBox) -> Placed | None:
    if not path.is_file():
        return None
    raster = open_classes(path)
    if not same_grid(raster.geobox, mask.geobox):
        raise InputRefused.of("GRID", path, f"is not on the grid of {mask.path}", "Run geoseg segment again")
    return Placed.of(raster, geobox)


def _datetime(folder: Path | None) -> str | None:
    """When the scene was taken, as the run's Item says."""
    try:
        item = json.loads((folder / "item.json").read_text(encoding="utf-8")) if folder else {}
        taken = item.get("properties", {}).get("datetime")
    except (OSError, ValueError, AttributeError):
        return None
    return str(taken) if taken else None


def _fingerprint(raster: ClassRaster) -> str:
    try:
        return sample_file(raster.path)
    except InputRefused:  # not a local file
        return ""


def _check_grid(first: _Found, other: _Found, align: bool) -> list[str]:
    """Refuse another grid unless it is to be aligned; what is said of it."""
    one, two = first.raster.geobox, other.raster.geobox
    if offset_of(one, turned(two, one)) is not None:
        return []
    difference = _difference(one, two)
    if not align:
        remedy = f"Add --align to take the nearest pixel of {Path(other.path).name} for each of the first map"
        raise InputRefused.of("GRID", other.path, f"is not on the grid of {first.path}: {difference}", remedy)
    return [f"{other.name} is aligned to {first.name} (nearest pixel): {difference}"]


def _difference(one: GeoBox, other: GeoBox) -> str:
    """What two grids do not share, in words."""
    if not same_crs(one.crs, other.crs):
        return f"{crs_name(other)} instead of {crs_name(one)}"
    if any(abs(a / b - 1) > 1e-6 for a, b in zip(one.res, other.res, strict=True)):
        return f"pixels of {pixel_metres(other):.6g} m instead of {pixel_metres(one):.6g} m"
    step = ~turned(other, one).affine @ one.affine
    if max(abs(step.b), abs(step.d)) * max(one.shape) > 1e-3 or step.a < 0 or step.e < 0:
        return "its rows and columns run in other directions"
    return f"its pixels lie {abs(step.c - round(step.c)):.3f} px beside and {abs(step.f - round(step.f)):.3f} px above or below"


def _overlap_notes(found: Sequence[_Found], window: Window, first: GeoBox) -> list[str]:
    """What the common part leaves out of each map, where pixels are the same."""
    notes = []
    for item in found:
        grid = item.raster.geobox
        same = offset_of(first, turned(grid, first)) is not None
        share = window.height * window.width / (grid.shape[0] * grid.shape[1])
        if (same or grid is first) and share < 1:
            notes.append(f"only what all maps cover is compared: {share:.1%} of {item.name}")
    return notes
