"""Record: what ``run.json`` of every comparison says in the same words, and how it is written."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geoseg.compare.maps import MapLayer
from geoseg.compare.transition import Transitions
from geoseg.grid.geobox import GeoBox
from geoseg.jobs.read_record import RECORD
from geoseg.legend import Legend
from geoseg.raster.align import crs_name
from geoseg.raster.files import write_durable

PAGE, ITEM = "report.html", "item.json"


def linked_from(page: Path | None, folder: Path, names: Iterable[str]) -> list[str]:
    """The files of a run that its page names: those that are there, and those still to be written; none where it lies elsewhere."""
    if page is not None and page.resolve().parent != folder.resolve():
        return []
    return [name for name in names if (folder / name).exists() or name in (RECORD, PAGE)]


def run_id_of(*parts: Any) -> str:
    """A run's name: 12 hex digits of the SHA-256 of its version, inputs and settings, as JSON; equal ones give equal names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def grid_facts(geobox: GeoBox) -> dict[str, Any]:
    """Shape (rows, cols), pixel size in units of the CRS, and the CRS's name."""
    return {"shape": list(geobox.shape), "res": list(geobox.res), "crs": crs_name(geobox)}


def class_facts(legend: Legend) -> list[dict[str, Any]]:
    """Value, name and colour (red, green, blue) of each class."""
    return [{"value": item.value, "name": item.name, "colour": list(item.colour)} for item in legend.classes]


def map_facts(layer: MapLayer) -> dict[str, Any]:
    """One of the maps; its file without folders."""
    return {
        "name": layer.name, "path": Path(layer.path).name, "datetime": layer.datetime,
        "fingerprint": layer.fingerprint, "notes": list(layer.notes),
    }  # fmt: skip


def matrix_facts(transitions: Transitions) -> dict[str, Any]:
    """Pixels and hectares from class (rows) to class (columns)."""
    return {"n_pixels": transitions.n_pixels.tolist(), "area_ha": (transitions.area_m2 / 1e4).tolist()}


def by_class_facts(transitions: Transitions) -> list[dict[str, Any]]:
    """Hectares of each class at both dates, gained, lost and kept."""
    named = ("before_ha", "after_ha", "gain_ha", "loss_ha", "net_ha", "persistence_ha")
    return [
        {"class_name": row.class_name, **dict(zip(named, (value / 1e4 for value in row[2:]), strict=True))}
        for row in transitions.by_class()
    ]


def changed_facts(transitions: Transitions, naive: Transitions) -> dict[str, float]:
    """What changed, after all rules and before any, of what has a class at both dates."""
    return {
        "area_ha": transitions.changed_m2 / 1e4, "share": transitions.changed_share,
        "naive_area_ha": naive.changed_m2 / 1e4, "naive_share": naive.changed_share,
        "compared_ha": transitions.total_m2 / 1e4,
    }  # fmt: skip


def now() -> str:
    """The time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def pending(*, page: bool) -> tuple[str, ...]:
    """Names of the files that are made after the item; ``page``: a page is."""
    return (RECORD, PAGE) if page else (RECORD,)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``, the last of a run's files."""
    write_durable(folder / RECORD, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
