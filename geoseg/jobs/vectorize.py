"""Vectorize: a class raster to polygons with areas. Open, sieve, trace, simplify, write.

mask -> (sieve) -> polygons of connected pixels, strip by strip -> (simplify, smooth) -> areas -> a file, as they come.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geoseg import notebook
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.cluster.run import note_progress, progress_file
from geoseg.config import PolygonizeSettings
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.outputs import check_files
from geoseg.jobs.sieve import sieved
from geoseg.legend import Legend
from geoseg.raster.align import same_crs, same_grid
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.vector.lattice import Lattice
from geoseg.vector.polygonize import TraceMap, iter_polygons
from geoseg.vector.regions import Regions
from geoseg.vector.select import select_regions
from geoseg.vector.simplify import SimplifySettings, simplify
from geoseg.vector.write import standing, write_polygons

_log = logging.getLogger(__name__)

Report = Callable[[int, int], None]
"""Called with the strips that are done, and all."""


@dataclass(frozen=True, slots=True)
class ClassPolygons:
    """What one class came to; ``drift`` is how much simplifying changed its area (0.01: one percent more)."""

    class_id: int
    class_name: str
    polygons: int
    n_pixels: int
    area_m2: float
    drift: float


@dataclass(frozen=True, slots=True)
class PolygonizeResult:
    """Where the polygons are, how many, and what each class came to; ``files`` are several where it was split."""

    files: tuple[Path, ...]
    polygons: int
    regions_merged: int
    area_method: str
    classes: tuple[ClassPolygons, ...] = field(repr=False)

    def _repr_html_(self) -> str:
        """What each class came to, in a notebook."""

        def made() -> str:
            rows = [
                (row.class_name, f"{row.polygons:,}", f"{row.n_pixels:,}", f"{row.area_m2 / 1e4:,.1f}")
                for row in self.classes
            ]
            body = notebook.table(("class", "polygons", "pixels", "ha"), rows, right=(1, 2, 3))
            return notebook.panel(f"{self.polygons:,} polygons in {', '.join(map(str, self.files))}", body)

        return notebook.shown(self, made)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**asdict(self), "files": [str(path) for path in self.files]}


def polygonize(
    mask: ClassRaster | str | Path,
    out: str | Path,
    *,
    settings: PolygonizeSettings | None = None,
    on_progress: Report | None = None,
    cluster: ClusterSettings | None = None,
    **options: Any,
) -> PolygonizeResult:
    """Make polygons of a class raster: one for each region of connected pixels of one class.

    They are those of the whole raster, whatever strips, threads or workers it is read in. Areas and perimeters are true
    (on the ellipsoid), whatever the CRS.

    Parameters
    ----------
    mask
        A class raster of any origin, or what :func:`geoseg.raster.classes.open_classes` gave.
    out
        The file; its extension is the format: .gpkg .shp .parquet .fgb .geojson .pmtiles.
    settings, options
        :class:`PolygonizeSettings`, whole or as keywords: ``min_area=1000``, ``simplify=20``, ``classes=("water",)``.
    on_progress
        Called after each strip with the strips that are done, and all.
    cluster
        Where to work, in place of what the settings say: with a hook, say, for a Gateway or Kubernetes cluster.

    Returns
    -------
    PolygonizeResult
        The files, how many polygons, and what each class came to.

    Raises
    ------
    InputRefused
        The raster is none of classes, or the confidence is none on the mask's grid.
    UsageError
        ``FORMAT``, ``SPLIT``: see :func:`geoseg.vector.write.write_polygons`. ``LEGEND``: no class of that name.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.
    ResourceError
        The disk is full, or a Shapefile would pass 2 GB.

    Examples
    --------
    >>> made = geoseg.polygonize("map/mask.tif", "polygons.gpkg", min_area=10_000)
    >>> made.polygons == sum(row.polygons for row in made.classes) > 0
    True
    """
    settings = PolygonizeSettings.either(settings, options)
    out = Path(out)
    source = mask.path if isinstance(mask, ClassRaster) else mask
    check_files(standing(out, split=settings.split), [source, settings.confidence], overwrite=settings.overwrite)
    mask = mask if isinstance(mask, ClassRaster) else _open(mask, settings)
    confidence = _open_confidence(settings.confidence, mask, settings) if settings.confidence else None
    wanted = frozenset(map(mask.legend.value_of, settings.classes) if settings.classes else mask.legend.values)
    geobox, tally = mask.geobox, _Tally(mask.legend, wanted)
    outlines = SimplifySettings(settings.simplify, settings.smooth)

    with connect(cluster or ClusterSettings.of(settings)) as pool:
        done = sieved(mask.read, geobox, mask.legend, settings.min_area, connectivity=settings.connectivity)
        read = done.read if done else mask.read
        regions = iter_polygons(
            read, geobox, nodata=mask.nodata, connectivity=settings.connectivity, block_size=settings.block_size,
            trace_map=_reported(pool.in_order, settings, on_progress), confidence=confidence.read if confidence else None,
        )  # fmt: skip
        simple = simplify(tally.only(regions), read, geobox, outlines)
        n = write_polygons(out, tally.count(simple), geobox, mask.legend, split=settings.split)

    files = tuple(standing(out, split=settings.split))
    method = Lattice(geobox).method
    return PolygonizeResult(files, n, done.merged if done else 0, method, tally.rows(simple.drift))


@dataclass(frozen=True, slots=True)
class Confidence:
    """A raster of percents on a mask's grid; what is no percent (nodata) counts as 0."""

    raster: ClassRaster

    def read(self, window: Window) -> np.ndarray:
        """Percent, uint8 (rows, cols)."""
        values = self.raster.read(window)
        return np.where(values <= 100, values, 0).astype(np.uint8)


class _Tally:
    """Lets the wanted classes pass, and counts what is written."""

    def __init__(self, legend: Legend, wanted: frozenset[int]) -> None:
        self._legend = legend
        self._wanted = np.array(sorted(wanted), np.uint16)
        self._sums: dict[int, tuple[int, int, float]] = {
            value: (0, 0, 0.0) for value in legend.values if value in wanted
        }

    def only(self, parts: Iterable[Regions]) -> Iterator[Regions]:
        for part in parts:
            kept = select_regions(part, np.isin(part.values, self._wanted))
            if len(kept):
                yield kept

    def count(self, parts: Iterable[Regions]) -> Iterator[Regions]:
        for part in parts:
            for value in np.unique(part.values).tolist():
                own = part.values == value
                n, pixels, area = self._sums.get(value, (0, 0, 0.0))
                add = int(own.sum()), int(part.n_pixels[own].sum()), float(part.area_m2[own].sum())
                self._sums[value] = (n + add[0], pixels + add[1], area + add[2])
            yield part

    def rows(self, drift: dict[int, float]) -> tuple[ClassPolygons, ...]:
        names = self._legend.names
        return tuple(
            ClassPolygons(value, names[value], *sums, drift.get(value, 0.0)) for value, sums in self._sums.items()
        )


def _open(path: str | Path, settings: PolygonizeSettings) -> ClassRaster:
    mask = open_classes(path, band=settings.band, nodata=settings.nodata, assume_crs=settings.assume_crs)
    for note in mask.notes:
        _log.warning("%s", note)
    return mask


def _open_confidence(path: str, mask: ClassRaster, settings: PolygonizeSettings) -> Confidence:
    try:
        raster = open_classes(path, assume_crs=settings.assume_crs)
    except InputRefused as error:
        if error.code != "CLASSES":
            raise
        what = f"is no confidence in whole percents ({str(error).split(': ', 2)[-1]})"
        raise InputRefused.of("CONFIDENCE", path, what, "geoseg segment --confidence writes one") from None
    above = [value for value in raster.legend.values if value > 100]
    if above:
        what = f"holds {above[0]}, and a confidence is a percent, 0-100"
        raise InputRefused.of("CONFIDENCE", path, what, "Scale it, or set its nodata value")
    if not same_grid(mask.geobox, raster.geobox):
        what = f"is not on the grid of {mask.path}: {_difference(mask.geobox, raster.geobox)}"
        raise InputRefused.of("GRID", path, what, "Warp it onto the mask's grid, for instance with rio warp --like")
    return Confidence(raster)


def _difference(mask: GeoBox, other: GeoBox) -> str:
    """What two grids do not share, in words."""
    if mask.shape != other.shape:
        return "{} x {} pixels instead of {} x {}".format(*other.shape, *mask.shape)
    return "another transform" if same_crs(mask.crs, other.crs) else "another CRS"


def _reported(trace_map: TraceMap, settings: PolygonizeSettings, report: Report | None) -> TraceMap:
    """The same map, which says after each strip how far it is."""
    path = progress_file(Path(settings.progress)) if settings.progress else None

    def run(function: Callable[[Window], Any], windows: Iterable[Window]) -> Iterator[Any]:
        todo = list(windows)
        for done, strip in enumerate(trace_map(function, todo), start=1):
            yield strip
            if path:
                note_progress(path, json.dumps({"step": "polygonize", "done": done, "total": len(todo)}))
            if report:
                report(done, len(todo))

    return run
