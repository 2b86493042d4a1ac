"""Item: a run's outputs as a STAC 1.1 Item (classification, projection, raster, file, processing; ``mlm:*`` fields).

The MLM extension's schema is for models and asks for the model among the assets; an Item of a class map has none. So
the fields that say what network made the map stand under their usual names, and the extension is not declared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import rasterio.crs

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.align import pixel_metres
from geoseg.raster.files import write_durable
from geoseg.raster.sidecars import sidecars
from geoseg.report.footprint import footprint

_EXTENSIONS = [
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
]
_MLM_KEPT = (
    "mlm:name", "mlm:architecture", "mlm:framework", "mlm:tasks", "mlm:input", "mlm:output", "mlm:hyperparameters",
)  # fmt: skip
_UNKNOWN_TIME = ("1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


class Kind(NamedTuple):
    """What a file of a run is; ``same`` says that equal inputs give equal bytes, so that a checksum may stand."""

    file: str
    title: str
    media_type: str
    roles: tuple[str, ...]
    same: bool = True


def sidecar_kinds(raster: str) -> dict[str, Kind]:
    """What stands beside a class raster, by the key of its asset."""
    names, encoding, table, style = sidecars(raster)
    return {
        "style": Kind(style, "Style for QGIS", "application/xml", ("metadata",)),
        "names": Kind(names, "Names and attribute table", "application/xml", ("metadata",)),
        "table": Kind(table, "Attribute table for ArcGIS", "application/x-dbf", ("metadata",)),
        "table_encoding": Kind(encoding, "Encoding of the attribute table", "text/plain", ("metadata",)),
    }


PROJECT_KINDS = {
    "project": Kind("project.qgz", "Project for QGIS", "application/zip", ("metadata",), False),
    "scene": Kind("scene.vrt", "The scene's files as one, for the project", "application/xml", ("metadata",), False),
}
"""The project of a run; its bytes depend on where the scene lies."""

_KINDS = {
    "mask": Kind("mask.tif", "Class map", COG, ("data",)),
    "confidence": Kind("confidence.tif", "Confidence of the class, in percent", COG, ("data",)),
    "confidence_style": Kind("confidence.qml", "Style of the confidence for QGIS", "application/xml", ("metadata",)),
    "probabilities": Kind("probabilities.zarr", "Probability of each class", "application/vnd+zarr", ("data",), False),
    "polygons": Kind("polygons.gpkg", "Polygons with areas", "application/geopackage+sqlite3", ("data",)),
    "areas": Kind("areas.csv", "Area of each class", "text/csv", ("data",)),
    **sidecar_kinds("mask.tif"),
    **PROJECT_KINDS,
    "report": Kind("report.html", "Report", "text/html", ("metadata",), False),
    "run": Kind("run.json", "Provenance and timings", "application/json", ("metadata",), False),
}


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What an Item says.

    Parameters
    ----------
    run_id
        The Item's id together with the scene's name.
    scene, geobox, datetime
        The scene's name, the masks' grid, and when it was taken (ISO 8601; None where unknown).
    legend
        The classes of the mask.
    inputs
        File names without folders, or product names.
    software
        Name to version.
    digests
        Further marks of origin, e.g. ``plan`` and ``scene``: they appear as ``geoseg:plan_digest``, ...
    model, card
        ``name@sha256``, and the bundle's card, whose ``mlm:*`` fields are repeated.
    """

    run_id: str
    scene: str
    geobox: GeoBox
    legend: Legend
    datetime: str | None = None
    inputs: Sequence[str] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)


def build_item(facts: ItemFacts, folder: str | Path, *, pending: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the files of a run that lie in ``folder``; no clock and no path enters.

    Parameters
    ----------
    facts
        What is known of the run.
    folder
        Where the outputs are; their names are the assets' hrefs.
    pending
        Names of files that are not there yet but will be (``run.json``, ``report.html``).

    Returns
    -------
    dict
        A STAC Item, ready for JSON. Files whose bytes are the same for the same inputs have checksum and size.
    """
    assets = assets_of(_KINDS, folder, pending, partial(_bands, facts=facts))
    return item_of(f"{facts.scene}-{facts.run_id}", facts.geobox, _properties(facts), assets)


def item_of(name: str, geobox: GeoBox, properties: dict[str, Any], assets: dict[str, Any]) -> dict[str, Any]:
    """An Item of these properties and assets; its id is the name, made safe."""
    place = footprint(geobox)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": _identifier(name),
        "geometry": place[0] if place else None,
        "properties": properties,
        "links": [],
        "assets": assets,
    }
    if place:
        item["bbox"] = place[1]
    return item


def assets_of(
    kinds: Mapping[str, Kind], folder: str | Path, pending: Sequence[str], more: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """The files of a folder that are there or pending, as assets; ``more`` says what else is known of one, by its key."""
    assets: dict[str, Any] = {}
    for key, kind in kinds.items():
        path = Path(folder) / kind.file
        if not path.exists() and kind.file not in pending:
            continue
        assets[key] = {
            "href": f"./{kind.file}", "title": kind.title, "type": kind.media_type, "roles": list(kind.roles), **more(key),
        }  # fmt: skip
        if kind.same:
            assets[key] |= {"file:size": path.stat().st_size, "file:checksum": _multihash(path)}
    return assets


def write_item(path: str | Path, item: Mapping[str, Any]) -> None:
    """Write an Item, or any JSON object, with sorted keys: equal Items give equal bytes."""
    write_durable(path, (json.dumps(item, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii"))


def _properties(facts: ItemFacts) -> dict[str, Any]:
    card = facts.card.get("properties", {})
    classes, model = len(facts.legend.classes), facts.model or "a network"
    return {
        **times_of(facts.datetime),
        "title": f"Class map of {facts.scene}",
        "description": f"{classes} classes, predicted pixel by pixel from {facts.scene} by {model}",
        **projection(facts.geobox),
        "processing:software": dict(facts.software),
        "processing:lineage": f"Predicted from {', '.join(facts.inputs) or facts.scene} with {model}",
        "geoseg:run": facts.run_id,
        "geoseg:model": facts.model,
        "geoseg:inputs": list(facts.inputs),
        **{f"geoseg:{name}_digest": value for name, value in facts.digests.items()},
        **{key: card[key] for key in _MLM_KEPT if key in card},
    }


def times_of(taken: str | None) -> dict[str, Any]:
    """``datetime`` in UTC; where it is unknown STAC wants a range that holds it, and of two dates theirs."""
    moment = _parsed(taken)
    if moment is not None:
        return {"datetime": _said(moment)}
    dates = [found for part in (taken or "").split("/") if (found := _parsed(part))]
    start, end = (_said(min(dates)), _said(max(dates))) if len(dates) == 2 else _UNKNOWN_TIME
    return {"datetime": None, "start_datetime": start, "end_datetime": end}


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parsed(taken: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(taken) if taken else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def projection(geobox: GeoBox) -> dict[str, Any]:
    """The grid, as the projection extension says it."""
    crs = rasterio.crs.CRS.from_wkt(geobox.crs)
    authority = crs.to_authority(confidence_threshold=90)
    return {
        "proj:code": ":".join(authority) if authority else None,
        "proj:wkt2": crs.to_wkt(version="WKT2_2019"),
        "proj:shape": list(geobox.shape),
        "proj:transform": list(geobox.transform),
        "proj:bbox": list(geobox.bounds),
    }


def _bands(key: str, facts: ItemFacts) -> dict[str, Any]:
    resolution = {"raster:spatial_resolution": round(pixel_metres(facts.geobox), 6)}
    if key == "mask":
        band = {"name": "class", "data_type": "uint8", "nodata": facts.legend.nodata, **resolution}
        nodata = {"value": facts.legend.nodata, "name": "nodata", "description": "no data", "nodata": True}
        return {"bands": [band], "classification:classes": [*facts.legend.to_stac(), nodata]}
    if key == "confidence":
        return {"bands": [{"name": "confidence", "data_type": "uint8", "nodata": 255, "unit": "%", **resolution}]}
    return {}


def _multihash(path: Path) -> str:
    """SHA-256 as a multihash: code 0x12, length 0x20, digest (https://multiformats.io/multihash/)."""
    with path.open("rb") as file:
        return "1220" + hashlib.file_digest(file, "sha256").hexdigest()


def _identifier(name: str) -> str:
    """A name that is safe in file names and URLs, as STAC advises for ids."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
