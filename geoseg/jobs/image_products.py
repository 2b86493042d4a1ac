"""Image products: the files of a comparison of two images, each made from the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import geoseg
from geoseg.compare.difference import Difference
from geoseg.compare.fitted import Fitted
from geoseg.compare.image_settings import ImageSettings
from geoseg.compare.images import ImagePair
from geoseg.compare.magnitude import NODATA, STEP, Magnitudes, Measured, Sectors
from geoseg.compare.threshold import Decision
from geoseg.config import PerClass
from geoseg.grid.geobox import Window
from geoseg.jobs.area import count_classes
from geoseg.jobs.images_page import images_of, write_images_page
from geoseg.jobs.record import ITEM, pending
from geoseg.jobs.sieve import sieved
from geoseg.jobs.told_places import change_places
from geoseg.legend import Legend
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.overview import read_overview, read_thin, step_for
from geoseg.raster.scene import open_scene
from geoseg.raster.write import RasterInfo, Strip, in_strips, write_mask, write_raster
from geoseg.report.images_item import build_images_item
from geoseg.report.item import write_item
from geoseg.report.qgis_run import write_images_project
from geoseg.report.qgis_scene import Seen
from geoseg.vector.measure import ClassArea, write_areas
from geoseg.vector.polygonize import TraceMap, iter_polygons
from geoseg.vector.simplify import SimplifySettings, simplify
from geoseg.vector.threads import InOrder
from geoseg.vector.write import write_polygons

UNCHANGED, CHANGED = 1, 2
LEGEND = Legend.of({UNCHANGED: "unchanged", CHANGED: "changed"}, {UNCHANGED: (225, 225, 220), CHANGED: (200, 40, 90)})

Cells = InOrder[Window, Any]


def write_magnitudes(pair: ImagePair, difference: Difference, folder: Path, run: Cells) -> Measured:
    """Write ``magnitude.tif``, counting while it is written."""
    counts = np.zeros(NODATA + 1, np.int64)
    path = folder / "magnitude.tif"

    def counted() -> Iterator[Strip]:
        for row, strip in _strips(pair, run(Magnitudes(pair, difference), pair.cells())):
            counts[:] += np.bincount(strip.reshape(-1), minlength=len(counts))
            yield row, strip

    info = RasterInfo("magnitude, standard deviations", "uint16", NODATA, tags=_tags(), scale=STEP)
    write_raster(path, pair.geobox, counted(), info=info)
    return Measured(open_scene(path), counts[:NODATA])


def write_directions(
    pair: ImagePair, difference: Difference, settings: ImageSettings, folder: Path, run: Cells
) -> None:
    """Write ``direction.tif``, where there are vectors of few enough bands."""
    if settings.method != "cva" or len(pair.bands) > Sectors.MOST:
        return
    bits = ", ".join(f"{2**i} {name}" for i, name in enumerate(pair.bands))
    info = RasterInfo(f"bands that have grown: {bits}", "uint16", NODATA, "nearest", _tags())
    strips = _strips(pair, run(Sectors(pair, difference), pair.cells()))
    write_raster(folder / "direction.tif", pair.geobox, strips, info=info)


def write_pvalues(folder: Path, measured: Measured, fitted: Fitted) -> None:
    """Write ``pvalue.tif``, a table of the magnitudes."""
    chances = fitted.null.chance(np.arange(NODATA, dtype=np.float64) * STEP)
    table = np.append(np.rint(chances * 1e9), -1).astype(np.int32)
    info = RasterInfo("chance without change", "int32", -1, tags=_tags(), scale=1e-9)
    strips = ((row, table[codes]) for row, codes in measured.strips())
    write_raster(folder / "pvalue.tif", measured.scene.geobox, strips, info=info)


def write_change(
    folder: Path, measured: Measured, decision: Decision, settings: ImageSettings, pair: ImagePair
) -> list[ClassArea]:
    """Write ``change.tif``, small places left out, and ``areas.csv``."""
    read = measured.above(decision.code, UNCHANGED, CHANGED)
    minimum = PerClass(classes={str(CHANGED): settings.min_area} if settings.min_area else {})
    done = sieved(read, pair.geobox, LEGEND, minimum, connectivity=settings.connectivity)
    rows, cols = pair.geobox.shape
    final = done.read if done else read
    strips = ((row, final(Window(row, 0, min(512, rows - row), cols))) for row in range(0, rows, 512))
    write_mask(folder / "change.tif", pair.geobox, LEGEND, strips, description="change", tags=_tags())
    areas = count_classes(open_classes(folder / "change.tif"))
    write_areas(folder / "areas.csv", areas)
    return areas


def write_places(folder: Path, settings: ImageSettings, trace_map: TraceMap) -> int:
    """Write ``polygons.gpkg``: what has changed, and nothing else."""
    raster = open_classes(folder / "change.tif")
    read = _Changed(raster)
    regions = iter_polygons(read, raster.geobox, connectivity=settings.connectivity, trace_map=trace_map)
    simple = simplify(regions, read, raster.geobox, SimplifySettings(settings.simplify, settings.smooth))
    return write_polygons(folder / "polygons.gpkg", simple, raster.geobox, LEGEND, layer="change")


def write_told(folder: Path, pair: ImagePair, measured: Measured, record: dict[str, Any], *, page: bool) -> None:
    """Write ``item.json`` and, where it is wanted, ``project.qgz`` and ``report.html``, into the hidden folder of a run."""
    later = pending(page=page)
    if page:
        seen, threshold = Seen(*read_overview(pair.scene)), float(record["threshold"]["magnitude"])
        write_images_project(folder, folder.parent, scene=pair.scene, legend=LEGEND, seen=seen, threshold=threshold)
    write_item(folder / ITEM, build_images_item(record, pair.geobox, LEGEND, folder, pending=later))
    if page:
        write_images_page(folder, record, LEGEND, measured.scene, images_of(seen, pair.bands))


def places_of(folder: Path, pair: ImagePair) -> list[dict[str, Any]]:
    """Where most has changed, from every n-th pixel of ``change.tif``."""
    change = read_thin(folder / "change.tif")
    codes = np.choose(change, (0, UNCHANGED * 257, UNCHANGED * 256 + CHANGED)).astype(np.uint16)
    return change_places(codes, step_for(pair.geobox.shape), pair.geobox, LEGEND.names)


@dataclass(frozen=True, slots=True)
class _Changed:
    raster: ClassRaster

    def __call__(self, window: Window) -> NDArray[np.uint8]:
        values = self.raster.read(window)
        return np.where(values == CHANGED, values, 0).astype(np.uint8)


def _strips(pair: ImagePair, found: Iterable[NDArray[np.uint16]]) -> Iterator[Strip]:
    """What was found in the pair's cells, as strips of whole rows."""
    return in_strips(zip(pair.cells(), found, strict=True), pair.geobox.shape[1])


def _tags() -> dict[str, str]:
    return {"TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}"}
