"""Change content: what a page says of a change between two maps, drawn from the run's record, in words and numbers with units.

What the record lacks is left out of the page; its tables are in :mod:`geoseg.report.change_tables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoseg.legend import Legend
from geoseg.report.change_tables import (
    MOST_TRANSITIONS,
    ClassLine,
    IntervalLine,
    MatrixTable,
    RuleLine,
    TransitionLine,
    ZoneLine,
    class_lines,
    interval_fields,
    matrix_note,
    matrix_of,
    matrix_table,
    rest_of,
    rule_fields,
    transition_lines,
    zone_fields,
)
from geoseg.report.change_told import error_rows, shift_note, shift_rows
from geoseg.report.content import LegendLine, legend_lines
from geoseg.report.estimate_content import Estimated
from geoseg.report.places import PLACES_NOTE, PlaceLine, place_lines
from geoseg.report.sankey import Sankey, sankey_of
from geoseg.report.stage import Stage
from geoseg.report.vision import clash_notes
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

_NOTABLE = 0.01
"""Share of the grid without a class from which on the page warns."""
_STEPS = {
    "open": "opening both maps",
    "shift": "measuring the shift",
    "small": "finding small places",
    "change": "comparing, writing the change raster",
    "errors": "weighing the maps' errors",
    "zones": "counting by zone",
    "polygons": "polygons",
}
_FILE_SETTINGS = ("before_errors", "after_errors", "errors", "zones")


@dataclass(frozen=True, slots=True)
class ChangeData:
    """Everything that the page of a change shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    lines: tuple[LegendLine, ...] = ()
    legend_notes: tuple[str, ...] = ()
    statement: str = ""
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    stage: Stage | None = None
    places: tuple[PlaceLine, ...] = ()
    places_note: str = ""
    sankey: Sankey | None = None
    estimated: Estimated | None = None
    transitions: tuple[TransitionLine, ...] = ()
    nothing: str = "No pixel changed."
    transitions_note: str = ""
    classes: tuple[ClassLine, ...] = ()
    matrix: MatrixTable | None = None
    matrix_note: str = ""
    rules: tuple[RuleLine, ...] = ()
    naive_pixels: int = 0
    kept_pixels: int = 0
    intervals: tuple[IntervalLine, ...] = ()
    intervals_note: str = ""
    zones: tuple[ZoneLine, ...] = ()
    zones_note: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


FILES = {
    "change.tif": "the change: before * 256 + after, with names and colours",
    "transitions.csv": "every transition: pixels, area, shares",
    "zones.csv": "transitions by zone",
    "polygons.gpkg": "changed places as polygons, styled for QGIS",
    "item.json": "STAC Item that describes these files",
    "report.html": "this page",
    "run.json": "provenance, settings, timings",
    "project.qgz": "project for QGIS: all layers in groups, with names and colours",
    "change.qml": "colours and names for QGIS",
    "change.tif.aux.xml": "names and attribute table for GDAL and QGIS",
    "change.tif.vat.dbf": "names, colours and attribute table for ArcGIS",
    "change.tif.vat.cpg": "the encoding of that table",
}


def report_of_change(
    run: Mapping[str, Any],
    legend: Legend,
    *,
    changes: Legend | None = None,
    stage: Stage | None = None,
    files: Sequence[str] = (),
    estimated: Estimated | None = None,
) -> ChangeData:
    """Say what the record of a change run holds.

    Parameters
    ----------
    run
        The content of ``run.json``.
    legend
        The joined classes of both maps.
    changes
        The legend of the change raster (``before * 256 + after``), whose colours the picture has.
    stage
        The pictures of both maps and the change.
    files
        Names of the outputs, without folders.
    estimated
        What labelled samples say of the change.
    """
    names = tuple(str(run.get(side, {}).get("name") or side) for side in ("before", "after"))
    pixels, hectares = matrix_of(run, "matrix", "n_pixels"), matrix_of(run, "matrix", "area_ha")
    transitions = transition_lines(hectares, legend, changes)
    matrix = matrix_table(hectares, legend, estimated)
    return ChangeData(
        title=f"Change from {names[0]} to {names[1]}",
        subtitle=_subtitle(run),
        lines=legend_lines(legend),
        legend_notes=clash_notes(legend),
        statement=str(run.get("statement") or ""),
        headlines=tuple(_headlines(run, transitions)),
        warnings=tuple(_warnings(run)),
        stage=stage,
        places=place_lines(run),
        places_note=PLACES_NOTE,
        sankey=sankey_of(matrix) if matrix else None,
        estimated=estimated,
        transitions=transitions[:MOST_TRANSITIONS],
        transitions_note=rest_of(transitions),
        classes=class_lines(run, legend),
        matrix=matrix,
        matrix_note=matrix_note(run, pixels, estimated),
        **rule_fields(run, pixels),
        **interval_fields(run),
        **zone_fields(run),
        steps=tuple(steps_of(run.get("seconds", {}), _STEPS)),
        sections=tuple(section for section in _sections(run) if section.rows),
        files=tuple((name, FILES.get(name, "")) for name in files),
    )


def _subtitle(run: Mapping[str, Any]) -> str:
    parts = (f"run {run['run']}" if "run" in run else "", moment(run.get("finished")))
    return " · ".join(part for part in parts if part)


def titles_of(run: Mapping[str, Any]) -> tuple[str, str]:
    """What the pictures of both maps are called."""
    before, after = (
        ": ".join(str(part) for part in (word, run.get(side, {}).get("name")) if part)
        for word, side in (("Before", "before"), ("After", "after"))
    )
    return before, after


def _headlines(run: Mapping[str, Any], transitions: Sequence[TransitionLine]) -> Iterator[Headline]:
    changed = run.get("changed") or {}
    if "area_ha" in changed:
        yield Headline(
            "Kept as change", area(changed["area_ha"]), f"{percent(changed['share'])} of the ground compared"
        )
    if "naive_area_ha" in changed:
        note = f"{percent(changed['naive_share'])}: pixel against pixel, before any rule"
        yield Headline("The two maps differ on", area(changed["naive_area_ha"]), note)
    if transitions:
        first = transitions[0]
        yield Headline("Largest transition", f"{first.before} → {first.after}", area(first.area_ha))
    shift = run.get("shift")
    if shift:
        yield Headline("Measured shift", f"{float(shift['px']):.2f} px", shift_note(shift))
    if run.get("polygons") is not None:
        yield Headline("Polygons", number(run["polygons"]), "changed places")


def _warnings(run: Mapping[str, Any]) -> Iterator[str]:
    rows, cols = (run.get("grid") or {}).get("shape") or (0, 0)
    counted = matrix_of(run, "matrix", "n_pixels")
    if counted is not None and rows * cols and counted.sum() < (1 - _NOTABLE) * rows * cols:
        share = percent(1 - float(counted.sum()) / (rows * cols))
        yield f"{share} of the grid has no class at one of the dates, and is not compared."
    for side in ("before", "after"):
        yield from (f"{side.title()}: {note}" for note in run.get(side, {}).get("notes") or ())
    yield from (str(note) for note in run.get("notes") or ())


def _sections(run: Mapping[str, Any]) -> Iterator[Section]:
    for side in ("before", "after"):
        yield Section(side.title(), rows_of(side_rows(run.get(side) or {})))
    yield Section("Grid", rows_of(grid_rows(run.get("grid") or {})))
    yield Section("Measured shift", rows_of(shift_rows(run.get("shift") or {})))
    yield Section("Errors of the maps", rows_of(error_rows(run.get("errors") or {})))
    yield Section("Settings", rows_of(settings_rows(run.get("settings") or {}, files=_FILE_SETTINGS)))
    yield Section("Provenance", rows_of(_provenance(run)))


def _provenance(run: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "geoseg", run.get("geoseg")
    yield "Run", run.get("run")
    yield "Finished", moment(run.get("finished"))
