"""Change products: tables, polygons, item, page and record of a change, made when its raster is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

import geoseg
from geoseg.compare.change_legend import change_legend, from_to
from geoseg.compare.decide import Codes, Dropped, changed_only
from geoseg.compare.error_estimate import ErrorEstimate
from geoseg.compare.maps import NO_CONFIDENCE, Bytes, Pair
from geoseg.compare.places import SmallPlaces
from geoseg.compare.settings import ChangeSettings
from geoseg.compare.shift import MapShift, shift_notes
from geoseg.compare.tables import write_transitions, write_zones, zone_facts
from geoseg.compare.transition import Transitions
from geoseg.config import ClusterChoice
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.change_pages import pictures_of_change, write_change_item, write_change_page
from geoseg.jobs.record import (
    by_class_facts,
    changed_facts,
    class_facts,
    grid_facts,
    map_facts,
    matrix_facts,
    now,
    run_id_of,
    write_record,
)
from geoseg.jobs.steps import Steps
from geoseg.jobs.told_places import change_places
from geoseg.legend import Legend
from geoseg.raster.band import Band
from geoseg.raster.classes import ClassRaster
from geoseg.raster.env import gdal_env
from geoseg.raster.overview import step_for
from geoseg.raster.tiles import usable_threads
from geoseg.report.change_figures import ChangeOverview
from geoseg.report.qgis_run import write_change_project
from geoseg.report.stage import Picture
from geoseg.vector.coverage import coverage_of
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.simplify import SimplifySettings, simplify
from geoseg.vector.threads import InOrder
from geoseg.vector.write import write_polygons
from geoseg.vector.zones import Zones, count_zones

_ELSEWHERE = {*ClusterChoice.model_fields, "block_size", "threads", "overwrite", "zones", "notes"}
"""Settings that say where the work is done, not what comes of it; zones are named without their folder."""

_NOTHING = Dropped()


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What is known of a change when its raster is written; ``overview`` is before, after and codes, small."""

    pair: Pair
    settings: ChangeSettings
    run_id: str
    shift: MapShift | None = None
    errors: ErrorEstimate | None = None
    naive: Transitions | None = None
    transitions: Transitions | None = None
    dropped: Dropped = _NOTHING
    small: SmallPlaces | None = None
    overview: tuple[Bytes, Bytes, Codes] | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, pair: Pair, settings: ChangeSettings, **known: Any) -> Self:
        """The same with the run's name: equal inputs and settings give equal names."""
        rules = settings.model_dump(mode="json", exclude=_ELSEWHERE)
        prints = pair.before.fingerprint, pair.after.fingerprint
        return cls(pair, settings, run_id_of(geoseg.__version__, *prints, pair.geobox.transform, rules), **known)

    @property
    def tags(self) -> dict[str, str]:
        """What the raster says of its makers; nothing that changes from run to run."""
        made = {"TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_RUN": self.run_id}
        for side, layer in (("BEFORE", self.pair.before), ("AFTER", self.pair.after)):
            made[f"GEOSEG_{side}"] = f"{layer.name}@sha256:{layer.fingerprint[:12]}"
        return {**made, "GEOSEG_CLASSES": self.pair.legend.to_json()}


def write_products(
    facts: ChangeFacts, folder: Path, run: InOrder[Any, Any], steps: Steps, zones: Zones | None = None
) -> dict[str, Any]:
    """Write all but the raster into ``folder``, which is hidden inside the run's, and return the run's record."""
    assert facts.transitions is not None
    write_transitions(folder / "transitions.csv", facts.transitions)
    zone_rows, polygons, page = None, None, facts.settings.only != "raster"
    if zones is not None:
        with steps.timed("zones"):
            zone_rows = _write_zones(facts, folder, zones)
    if page:
        with steps.timed("polygons"):
            polygons = _write_polygons(facts, folder, run)
    record = record_of(facts, zone_rows, polygons)
    changes = change_legend(facts.pair.legend, facts.transitions.codes())
    if page:
        write_change_project(folder, folder.parent, facts.pair, changes)
    write_change_item(folder, record, facts.pair.geobox, changes, page=page)
    if page:
        with steps.timed("report"):
            write_change_page(folder, record, facts.pair.legend, changes, _pictures(facts, record, changes))
    write_record(folder, record)
    return record


def record_of(facts: ChangeFacts, zones: list[dict[str, object]] | None, polygons: int | None) -> dict[str, Any]:
    """The content of ``run.json``."""
    transitions, naive, pair = facts.transitions, facts.naive, facts.pair
    assert transitions is not None and naive is not None
    s = facts.settings
    said = shift_notes(facts.shift, s.max_shift, before=pair.before.name, after=pair.after.name)
    return {
        "geoseg": geoseg.__version__,
        "run": facts.run_id,
        "before": map_facts(pair.before),
        "after": map_facts(pair.after),
        "grid": grid_facts(pair.geobox),
        "classes": class_facts(pair.legend),
        "area_method": transitions.area_method,
        "matrix": matrix_facts(transitions),
        "naive": matrix_facts(naive),
        "by_class": by_class_facts(transitions),
        "changed": changed_facts(transitions, naive),
        "shift": facts.shift.to_json() if facts.shift is not None else None,
        "significance": {
            "tolerance": s.tolerance, "confidence_min": s.confidence_min, "joint_min": s.joint_min,
            "min_area": s.min_area.model_dump(mode="json"), "dropped": asdict(facts.dropped),
        },
        "errors": facts.errors.to_json() if facts.errors is not None else None,
        "statement": _statement(transitions, naive, facts.errors),
        "zones": zones,
        "polygons": polygons,
        "places": _places(facts),
        "settings": s.model_dump(mode="json", exclude={"notes"}),
        "notes": [*s.notes, *pair.notes, *said],
        "seconds": facts.seconds,
        "finished": now(),
    }  # fmt: skip


def _places(facts: ChangeFacts) -> list[dict[str, Any]]:
    if facts.overview is None:
        return []
    geobox = facts.pair.geobox
    return change_places(facts.overview[2], step_for(geobox.shape), geobox, facts.pair.legend.names)


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """Reads the codes of changed pixels from a change raster, 0 for all others; picklable."""

    raster: ClassRaster

    @classmethod
    def of(cls, path: Path, geobox: GeoBox, legend: Legend) -> Self:
        """Of a file that a run has just written."""
        band = Band("class", str(path), 1, "GTiff", "uint16", 0.0, grid=geobox)
        return cls(ClassRaster(str(path), geobox, legend, 0, "uint16", band, 0.0))

    def __call__(self, window: Window) -> Codes:
        """Change codes, uint16 (rows, cols)."""
        return changed_only(np.asarray(self.raster.read(window), np.uint16))


@dataclass(frozen=True, slots=True, eq=False)
class LeastSure:
    """Reads the smaller one of the two dates' confidences, percent; 0 where neither is known; picklable."""

    pair: Pair

    def __call__(self, window: Window) -> Bytes:
        """Percent, uint8 (rows, cols)."""
        known = [item for item in self.pair.read_confidence(window) if item is not None]
        least = np.minimum.reduce(known)  # "not known" is larger than any percent
        return np.where(least == NO_CONFIDENCE, 0, least).astype(np.uint8)


def _pictures(facts: ChangeFacts, record: dict[str, Any], changes: Legend) -> list[Picture]:
    if facts.overview is None:
        return []
    pair, overview = facts.pair, ChangeOverview(*facts.overview)
    return pictures_of_change(record, overview, legend=pair.legend, changes=changes, sides=(pair.before, pair.after))


def _write_polygons(facts: ChangeFacts, folder: Path, run: InOrder[Any, Any]) -> int:
    """Changed places as polygons, by what ``geoseg polygonize`` does."""
    assert facts.transitions is not None
    s, pair = facts.settings, facts.pair
    codes = [code for code in facts.transitions.codes() if code >> 8 != code & 255]
    legend = change_legend(pair.legend, codes)
    read = Changed.of(folder / "change.tif", pair.geobox, legend)
    sure = any(layer.confidence is not None for layer in (pair.before, pair.after))
    regions = iter_polygons(
        read, pair.geobox, nodata=0, connectivity=s.connectivity, block_size=s.block_size, trace_map=run,
        confidence=LeastSure(pair) if sure else None,
    )  # fmt: skip
    outlines = SimplifySettings(s.simplify, s.smooth)
    simple = simplify(regions, read, pair.geobox, outlines)
    more = from_to(pair.legend, codes)
    return write_polygons(folder / "polygons.gpkg", simple, pair.geobox, legend, layer="change", more=more)


def _write_zones(facts: ChangeFacts, folder: Path, zones: Zones) -> list[dict[str, object]]:
    assert facts.transitions is not None
    pair = facts.pair
    rule = coverage_of("auto")
    changes = change_legend(pair.legend, facts.transitions.codes())
    read = Changed.of(folder / "change.tif", pair.geobox, changes).raster.read
    with gdal_env(threads=usable_threads()):
        sums = count_zones(read, pair.geobox, zones, rule)
    method = f"{facts.transitions.area_method}; {rule.method}"
    write_zones(folder / "zones.csv", zones, sums, pair.legend, method)
    return zone_facts(zones, sums)


def _statement(transitions: Transitions, naive: Transitions, errors: ErrorEstimate | None) -> str:
    """What can be said of the change, and how much of it the maps' own errors make."""
    if not transitions.total_m2:
        return "No pixel has a class at both dates, so nothing can be said of change."
    ruled = naive.changed_share != transitions.changed_share
    said = [errors.statement()] if errors is not None else []
    if ruled or errors is None:
        rules = "By the rules " if ruled else ""
        said.append(f"{rules}{transitions.changed_share:.1%} of the compared area has another class.")
    return " ".join(said)
