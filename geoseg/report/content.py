"""Content: what a page says of a run, drawn from ``run.json`` and put into words and numbers with units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rasterio.crs

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.report.confidence import ConfidenceTold, confidence_of, low_notes
from geoseg.report.estimate_content import Estimated
from geoseg.report.places import PlaceLine, place_lines
from geoseg.report.scores_told import ScoresTold, scores_of
from geoseg.report.stage import Stage
from geoseg.report.vision import clash_notes
from geoseg.report.words import (
    Headline,
    Rows,
    Section,
    area,
    duration,
    hex_colour,
    moment,
    number,
    percent,
    rows_of,
    settings_rows,
    steps_of,
    volume,
)  # fmt: skip

_SEAMS_GOOD = 0.001
_NOTABLE = 0.01
"""Share of the scene without data from which on the page warns."""
_MOST_BLOCKS = 10
_STEPS = {
    "choose": "choosing backend and precision",
    "mask_with": "finding clouds",
    "predict": "predicting",
    "seam_score": "scoring seams",
    "filter": "filtering",
    "sieve": "sieving",
    "mask": "writing the mask, counting areas",
    "confidence": "writing the confidence",
    "polygons": "polygons",
    "overview": "looking at the scene",
}
"""Steps of a run in their order, as a reader calls them."""


@dataclass(frozen=True, slots=True)
class AreaLine:
    """One class in the table of areas: number of pixels, hectares, and share of the mapped area (0-1)."""

    name: str
    colour: str
    n_pixels: int
    area_ha: float
    share: float


@dataclass(frozen=True, slots=True)
class LegendLine:
    """One class in a legend, with its share of the map where it is known."""

    name: str
    colour: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a page shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    lines: tuple[LegendLine, ...] = ()
    legend_notes: tuple[str, ...] = ()
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    areas: tuple[AreaLine, ...] = ()
    area_note: str = ""
    stage: Stage | None = None
    confidence: ConfidenceTold | None = None
    places: tuple[PlaceLine, ...] = ()
    places_note: str = ""
    scores: ScoresTold | None = None
    estimated: Estimated | None = None
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


def report_of_run(
    run: Mapping[str, Any],
    legend: Legend,
    *,
    geobox: GeoBox | None = None,
    stage: Stage | None = None,
    files: Sequence[str] = (),
    estimated: Estimated | None = None,
) -> ReportData:
    """Say what ``run.json`` holds.

    Parameters
    ----------
    run
        The record of a run; what is missing from it is left out of the page.
    legend, geobox
        Of the mask.
    stage
        The pictures of scene, mask and confidence.
    files
        Names, without folders, of the outputs.
    estimated
        What labelled samples say of the map.
    """
    scene = run.get("scene", {})
    lines = _area_lines(run.get("areas", ()), legend)
    return ReportData(
        title=f"Class map of {scene.get('name', 'a scene')}",
        subtitle=_subtitle(run),
        lines=legend_lines(legend, {line.name: percent(line.share) for line in lines if line.n_pixels}),
        legend_notes=clash_notes(legend),
        headlines=tuple(_headlines(run, lines)),
        warnings=tuple(_warnings(run)),
        areas=lines,
        area_note=_area_note(run),
        stage=stage,
        confidence=confidence_of(run.get("confidence") or {}, legend),
        places=place_lines(run.get("confidence") or {}),
        places_note=_PLACES,
        scores=scores_of(run.get("bundle", {}).get("scores") or {}),
        estimated=estimated,
        steps=tuple(steps_of(run.get("seconds", {}), _STEPS)),
        sections=tuple(s for s in _sections(run, geobox) if s.rows),
        files=tuple((name, FILES.get(name, "")) for name in files),
    )


FILES = {
    "mask.tif": "the class map: Cloud Optimized GeoTIFF with palette and names",
    "confidence.tif": "probability of the class, in percent",
    "probabilities.zarr": "probability of every class",
    "polygons.gpkg": "polygons with class and area, styled for QGIS",
    "areas.csv": "area of each class",
    "item.json": "STAC Item that describes these files",
    "report.html": "this page",
    "run.json": "provenance, settings, timings",
    "project.qgz": "project for QGIS: all layers in groups, with names and colours",
    "scene.vrt": "the scene's files as one, for the project",
    "confidence.qml": "colours of the confidence for QGIS",
    "mask.qml": "colours and names for QGIS",
    "mask.tif.aux.xml": "names and attribute table for GDAL and QGIS",
    "mask.tif.vat.dbf": "names, colours and attribute table for ArcGIS",
    "mask.tif.vat.cpg": "the encoding of that table",
}


_PLACES = (
    "The squares of the map with the smallest mean confidence, far from each other; numbers as in the picture. Row and column "
    "of the square's middle, counted from 0"
)


def legend_lines(legend: Legend, told: Mapping[str, str] | None = None) -> tuple[LegendLine, ...]:
    """The classes of a legend, with what is told of each by name."""
    return tuple(
        LegendLine(item.name, hex_colour(item.colour), (told or {}).get(item.name, "")) for item in legend.classes
    )


def _subtitle(run: Mapping[str, Any]) -> str:
    bundle = run.get("bundle", {})
    made = f"by {bundle['name']} {bundle.get('version', '')}".rstrip() if bundle.get("name") else ""
    return " · ".join(
        part for part in (made, f"run {run['run']}" if "run" in run else "", moment(run.get("finished"))) if part
    )


def _area_lines(areas: Sequence[Mapping[str, Any]], legend: Legend) -> tuple[AreaLine, ...]:
    lines = [
        AreaLine(
            str(row["class_name"]), hex_colour(legend.colours.get(int(row["class_id"]), (128, 128, 128))),
            int(row["n_pixels"]), float(row["area_ha"]), float(row["share"]),
        )
        for row in areas
    ]  # fmt: skip
    return tuple(sorted(lines, key=lambda line: -line.area_ha))


def _area_note(run: Mapping[str, Any]) -> str:
    methods = sorted({str(row.get("area_method", "")) for row in run.get("areas", ())} - {""})
    empty = _pixels(run) - sum(int(row["n_pixels"]) for row in run.get("areas", ()))
    parts = ["Summed over pixels, not polygons", f"method: {'; '.join(methods)}" if methods else ""]
    if empty > 0:
        parts.append(
            f"{number(empty)} pixels without data ({percent(empty / _pixels(run))} of the scene) are not in it"
        )
    return ". ".join(part[0].upper() + part[1:] for part in parts if part) + "."


def _headlines(run: Mapping[str, Any], lines: Sequence[AreaLine]) -> Iterator[Headline]:
    if lines:
        hectares = sum(line.area_ha for line in lines)
        found = sum(line.n_pixels > 0 for line in lines)
        yield Headline("Mapped area", area(hectares), f"{found} of {len(lines)} classes found")
        yield Headline("Largest class", lines[0].name, percent(lines[0].share))
    if run.get("polygons") is not None:
        yield Headline("Polygons", number(run["polygons"]))
    seams = run.get("seams")
    if seams:
        good = float(seams["share"]) <= _SEAMS_GOOD
        note = "of pixels would change with twice the halo" + ("" if good else "; a larger --halo would help")
        yield Headline("Seam score", percent(float(seams["share"])), note)
    predict = float(run.get("seconds", {}).get("predict", 0))
    if predict:
        speed = _pixels(run) / predict / 1e6
        resumed = run.get("blocks", {}).get("resumed", 0)
        note = f"{number(resumed)} blocks from an earlier run" if resumed else f"{speed:.3g} Mpx/s"
        yield Headline("Prediction", duration(predict), note)


def _warnings(run: Mapping[str, Any]) -> Iterator[str]:
    whole, mapped = _pixels(run), sum(int(row["n_pixels"]) for row in run.get("areas", ()))
    if run.get("areas") and not mapped:
        yield "No pixel of the scene was mapped: it has no data, or all of it was left out."
    elif whole - mapped >= _NOTABLE * whole > 0:
        yield f"{percent(1 - mapped / whole)} of the scene is nodata, and is not in the areas."
    failed = run.get("blocks", {}).get("failed", {})
    total = run.get("plan", {}).get("blocks", "?")
    if failed:
        yield f"{len(failed)} of {total} blocks failed and are nodata; the same command tries them again."
    for block, why in list(failed.items())[:_MOST_BLOCKS]:
        yield f"Block {block}: {why}"
    if len(failed) > _MOST_BLOCKS:
        yield f"{len(failed) - _MOST_BLOCKS} more blocks that failed stand in run.json."
    yield from low_notes(run.get("confidence") or {})
    if run.get("areas") and not run.get("confidence"):
        yield "How sure the map is was not kept: geoseg segment --confidence keeps it, and shows where it is least sure."
    if run.get("bundle") and not run["bundle"].get("scores"):
        yield "The bundle names no scores: how good its maps are is not known."
    yield from (str(note) for note in run.get("scene", {}).get("notes", ()))


def _sections(run: Mapping[str, Any], geobox: GeoBox | None) -> Iterator[Section]:
    yield Section("Scene", rows_of(_scene(run, geobox)))
    yield Section("Model", rows_of(_model(run)))
    yield Section("Plan", rows_of(_plan(run)))
    yield Section("Settings", rows_of(settings_rows(run.get("settings", {}))))
    yield Section("Provenance", rows_of(_provenance(run)))


def _scene(run: Mapping[str, Any], geobox: GeoBox | None) -> Iterator[tuple[str, object]]:
    scene, shape = run.get("scene", {}), run.get("plan", {}).get("shape")
    yield "Name", scene.get("name")
    yield "Product", scene.get("product")
    yield "Files", ", ".join(scene.get("files", ()))
    yield "Bands", ", ".join(scene.get("bands", ()))
    yield "Size", f"{number(shape[0])} rows by {number(shape[1])} columns" if shape else None
    if geobox is not None:
        crs = rasterio.crs.CRS.from_wkt(geobox.crs)
        authority = crs.to_authority(confidence_threshold=90)
        unit = "°" if crs.is_geographic else " m" if crs.linear_units == "metre" else f" {crs.linear_units}"
        yield "Pixel", " by ".join(f"{side:.9g}{unit}" for side in geobox.res)
        yield "CRS", ":".join(authority) if authority else crs.to_wkt()[:60] + " …"


def _model(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    bundle, choice = run.get("bundle", {}), run.get("choice", {})
    yield "Bundle", f"{bundle.get('name', '')} {bundle.get('version', '')}".strip()
    yield "Digest", bundle.get("digest")
    yield "Backend", choice.get("backend")
    yield "Device", choice.get("device")
    yield "Precision", choice.get("precision")
    agreement = choice.get("agreement")
    yield (
        "Agreement with fp32",
        f"{percent(float(agreement))} of the sample's pixels" if agreement is not None else None,
    )
    yield "Batch", choice.get("batch_size")
    yield "Versions", ", ".join(f"{name} {version}" for name, version in choice.get("versions", ()))


def _plan(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    plan, blocks = run.get("plan", {}), run.get("blocks", {})
    if plan:
        yield (
            "Chips",
            f"{number(plan['chips'])} of {plan['chip_size']} px, halo {plan['halo']} px, stride {plan['stride']} px",
        )
        yield "Blocks", f"{number(plan['blocks'])} of {plan['block_size']} px"
        yield "Memory of a worker", volume(plan["memory_per_worker_bytes"]) + " planned"
    yield "Workers", run.get("workers")
    if blocks:
        counts = {"run": blocks.get("run"), "taken from an earlier run": blocks.get("resumed")}
        done = [f"{number(count)} {what}" for what, count in counts.items() if count]
        yield "Blocks done", ", ".join([*done, f"{len(blocks.get('failed', {}))} failed"])


def _provenance(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "geoseg", run.get("geoseg")
    yield "Run", run.get("run")
    yield "Plan digest", run.get("plan_digest")
    yield "Scene fingerprint", run.get("scene", {}).get("fingerprint")
    yield "Finished", moment(run.get("finished"))


def _pixels(run: Mapping[str, Any]) -> int:
    rows, cols = run.get("plan", {}).get("shape", (0, 0))
    return int(rows) * int(cols)
