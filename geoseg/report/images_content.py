"""Images content: the page of two images that were compared without a model, drawn from the run's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Legend
from geoseg.report.change_told import shift_note, shift_rows
from geoseg.report.content import LegendLine, legend_lines
from geoseg.report.figures import Overview, classes_uri, ramp, scene_picture
from geoseg.report.places import PLACES_NOTE, PlaceLine, place_lines
from geoseg.report.stage import Picture, Stage, bounded
from geoseg.report.words import (
    Headline,
    Rows,
    Section,
    area,
    grid_rows,
    moment,
    number,
    percent,
    rows_of,
    settings_rows,
    side_rows,
    steps_of,
)  # fmt: skip

FILES = {
    "change.tif": "1 unchanged, 2 changed",
    "magnitude.tif": "how far each pixel differs, in standard deviations of what has not changed",
    "pvalue.tif": "the chance that a pixel without change differs more",
    "direction.tif": "which bands have grown, one bit each",
    "areas.csv": "area that has changed, and that has not",
    "polygons.gpkg": "changed places as polygons, styled for QGIS",
    "item.json": "STAC Item that describes these files",
    "report.html": "this page",
    "run.json": "provenance, settings, statistics, timings",
    "project.qgz": "project for QGIS: all layers in groups, with names and colours",
    "scene.vrt": "both images as one, for the project",
    "change.qml": "colours and names for QGIS",
    "change.tif.aux.xml": "names and attribute table for GDAL and QGIS",
    "change.tif.vat.dbf": "names, colours and attribute table for ArcGIS",
    "change.tif.vat.cpg": "the encoding of that table",
}
METHODS = {"irmad": "IR-MAD", "cva": "change vectors"}
_RULES = {
    "false-alarm": "by the share of false alarms",
    "otsu": "between two heaps of magnitudes (Otsu)",
    "kittler": "between two heaps of magnitudes (Kittler and Illingworth)",
}
_STEPS = {
    "open": "opening both images",
    "fit": "statistics of what has not changed",
    "shift": "measuring the shift",
    "magnitude": "magnitudes",
    "change": "threshold, change raster",
    "polygons": "polygons",
    "report": "this page",
}
_RAMP = ((0.0, (15, 12, 40)), (0.45, (110, 40, 110)), (0.5, (230, 90, 80)), (1.0, (255, 240, 180)))
_TOP = 255
"""The last colour is nodata."""
_LENGTH = 560_000


@dataclass(frozen=True, slots=True)
class ImagesOverview:
    """Both images, small."""

    before: Overview
    after: Overview


@dataclass(frozen=True, slots=True)
class ImagesData:
    """Everything that the page shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    statement: str
    lines: tuple[LegendLine, ...] = ()
    stage: Stage | None = None
    places: tuple[PlaceLine, ...] = ()
    places_note: str = ""
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


def report_of_images(run: Mapping[str, Any], legend: Legend, stage: Stage | None, files: Sequence[str]) -> ImagesData:
    """Say what the record of a comparison holds; ``stage``: its pictures; ``files``: the outputs' names."""
    names = str(run["before"]["name"]), str(run["after"]["name"])
    return ImagesData(
        title=f"Where {names[1]} differs from {names[0]}",
        subtitle=f"run {run['run']} · {moment(run.get('finished'))}",
        statement=str(run["statement"]),
        lines=legend_lines(legend),
        stage=stage,
        places=place_lines(run),
        places_note=PLACES_NOTE,
        headlines=tuple(_headlines(run)),
        warnings=tuple(str(note) for note in run["notes"]),
        steps=tuple(steps_of(run["seconds"], _STEPS)),
        sections=tuple(section for section in _sections(run) if section.rows),
        files=tuple((name, FILES.get(name, "")) for name in files),
    )


def images_pictures(overview: ImagesOverview) -> list[Picture]:
    """Both images."""
    sides = (("before", "Before", overview.before), ("after", "After", overview.after))
    return [scene_picture(side, key, title, length=_LENGTH) for key, title, side in sides]


def magnitude_picture(magnitude: NDArray[np.float64], threshold: float) -> Picture:
    """Magnitudes, float (rows, cols), NaN without data: dark below the threshold and bright above."""
    share = np.clip(np.nan_to_num(magnitude / (2 * threshold or 1)), 0, 1)
    codes = np.where(np.isfinite(magnitude), np.rint(share * (_TOP - 1)), _TOP).astype(np.uint8)
    colours = dict(enumerate(ramp(_RAMP, np.linspace(0, 1, _TOP))))
    title = f"Magnitude, 0 to {2 * threshold:.3g} standard deviations: dark below the threshold, bright above"
    uri = bounded(lambda step: classes_uri(codes[::step, ::step], colours, _TOP), _LENGTH)
    return Picture("magnitude", title, uri)


def _headlines(run: Mapping[str, Any]) -> Iterator[Headline]:
    changed, threshold = run["changed"], run["threshold"]
    yield Headline("Changed", area(changed["area_ha"]), f"{percent(changed['share'])} of the ground compared")
    yield Headline("By noise alone", percent(threshold["false_alarm"]), "would count as changed, if noise is normal")
    note = f"standard deviations, {_RULES[threshold['rule']]}"
    yield Headline("Threshold", f"{threshold['magnitude']:.3g}", note)
    shift = run.get("shift")
    if shift:
        yield Headline("Measured shift", f"{float(shift['px']):.2f} px", shift_note(shift).partition(";")[0])
    if run.get("polygons") is not None:
        yield Headline("Polygons", number(run["polygons"]), "changed places")


def _sections(run: Mapping[str, Any]) -> Iterator[Section]:
    for side in ("before", "after"):
        yield Section(side.title(), rows_of(side_rows(run[side])))
    yield Section("Method", rows_of(_method(run["method"], run["bands"])))
    yield Section("Measured shift", rows_of(shift_rows(run.get("shift") or {})))
    yield Section("Grid", rows_of(grid_rows(run["grid"])))
    yield Section("Settings", rows_of(settings_rows(run["settings"])))


def _method(method: Mapping[str, Any], bands: Sequence[str]) -> Iterator[tuple[str, object]]:
    yield "Name", METHODS.get(method["name"], method["name"])
    yield "Bands", ", ".join(bands)
    step = method["sampled_each"]
    yield "Statistics from", "all pixels" if step == 1 else f"each {step}th row and column"
    if "rounds" in method:
        yield "Canonical correlations", ", ".join(f"{value:.3f}" for value in method["canonical_correlations"])
        yield "Rounds", f"{method['rounds']}" + ("" if method["settled"] else ", not settled")
        yield "Mean weight", f"{method['mean_weight']:.3f}; 0.5 where nothing has changed"
    for band in method.get("bands", ()):
        yield f"{band['name']} after", f"{band['gain']:.4g} x before {band['offset']:+.4g}, noise {band['noise']:.3g}"
