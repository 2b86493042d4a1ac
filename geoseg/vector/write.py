"""Write polygons: the extension picks the format; streamed; the same bytes each time; complete or absent."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent
from geoseg.vector.regions import Regions
from geoseg.vector.table import ByClass, PolygonTable

LAYER = "landcover"
FORMATS = {
    ".gpkg": "geopackage",
    ".shp": "shapefile",
    ".parquet": "geoparquet",
    ".fgb": "flatgeobuf",
    ".geojson": "geojson",
    ".pmtiles": "pmtiles",
}
"""Extension: the module of :mod:`geoseg.vector` that writes it."""


def write_polygons(
    path: str | Path,
    regions: Regions | Iterable[Regions],
    geobox: GeoBox,
    legend: Legend,
    *,
    layer: str = LAYER,
    split: bool = False,
    more: ByClass | None = None,
) -> int:
    """Write polygons as they come, and return how many.

    Columns in every format: ``class_id, class_name, area_m2, area_ha, perim_m, n_pixels`` and, where the regions know
    it, ``conf_mean`` (0-100). Each region is one Polygon; only GeoJSON and PMTiles, which are in longitude and latitude,
    cut what crosses the antimeridian into a MultiPolygon. The other formats keep the geobox's CRS and the exact
    coordinates. No polygon at all gives a valid, empty layer.

    Parameters
    ----------
    path
        Ends with one of :data:`FORMATS`. An existing file is replaced; whether that is wanted is the caller's question.
    layer
        Name of the layer where the format has one.
    split
        Shapefile only: ``OUT_1.shp``, ``OUT_2.shp``, ... of at most 2 GB each, instead of ``OUT.shp``.
    more
        Further columns, at the end, which follow from the class: for each class value that occurs, name to number or text.

    Raises
    ------
    UsageError
        ``FORMAT``: no such format. ``SPLIT``: another format than Shapefile is not split.
    ResourceError
        ``DISK``: there is no room for it; ``TOO_BIG``: a Shapefile would pass 2 GB. Nothing stands under the final name.
    """
    from geoseg.vector.ogr import failures

    final = first_file(path, split=split)
    writer = importlib.import_module(f"geoseg.vector.{FORMATS[final.suffix.lower()]}")
    options: dict[str, Any] = {"split": True} if split else {}
    table = PolygonTable(regions, geobox, legend, layer, more)
    with complete_or_absent(final) as temporary, failures(final, table):
        writer.write(temporary, table, **options)
        _clear(final, temporary, split)
    return table.n


def first_file(path: str | Path, *, split: bool = False) -> Path:
    """The file whose presence means that all is there; UsageError where no format has this extension."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        what = f"no format of polygons has the extension {path.suffix!r}" if path.suffix else "has no extension"
        raise UsageError.of("FORMAT", path, what, f"Use one of {', '.join(FORMATS)}")
    if not split:
        return path
    if path.suffix.lower() != ".shp":
        raise UsageError.of("SPLIT", path, "only a Shapefile has to be split", "Leave --split out")
    return path.with_name(f"{path.stem}_1{path.suffix}")


def standing(path: str | Path, *, split: bool = False) -> list[Path]:
    """Files that stand where the output will, or that an earlier output of this name left; the first file first."""
    final = first_file(path, split=split)
    there = [final]
    if final.suffix.lower() == ".shp":
        from geoseg.vector.shapefile import members

        there = members(final, split=split)
    return [path for path in there if path.exists()]


def _clear(final: Path, temporary: Path, split: bool) -> None:
    """Remove what stands beside an older output of this name and would be taken for the new one's."""
    if final.suffix.lower() == ".gpkg":
        from geoseg.vector.geopackage import COMPANIONS

        stale = [final.with_name(final.name + ending) for ending in COMPANIONS]
    elif final.suffix.lower() == ".shp":
        from geoseg.vector.shapefile import leftovers

        stale = leftovers(final, temporary, split)
    else:
        return
    for path in stale:
        path.unlink(missing_ok=True)
