"""Change item: the outputs of a change run as a STAC 1.1 Item (classification, projection, raster, file, processing)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.align import pixel_metres
from geoseg.report.item import COG, PROJECT_KINDS, Kind, assets_of, item_of, projection, sidecar_kinds, times_of

_KINDS = {
    "change": Kind("change.tif", "Change: before * 256 + after", COG, ("data",)),
    "transitions": Kind("transitions.csv", "Area of each transition", "text/csv", ("data",)),
    "zones": Kind("zones.csv", "Area of each transition by zone", "text/csv", ("data",)),
    "polygons": Kind("polygons.gpkg", "Changed places with areas", "application/geopackage+sqlite3", ("data",)),
    **sidecar_kinds("change.tif"),
    **PROJECT_KINDS,
    "report": Kind("report.html", "Report", "text/html", ("metadata",), False),
    "run": Kind("run.json", "Provenance and timings", "application/json", ("metadata",), False),
}


def build_change_item(
    run: Mapping[str, Any], geobox: GeoBox, changes: Legend, folder: str | Path, *, pending: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe the files of a change run that lie in ``folder``; no clock and no path enters.

    Parameters
    ----------
    run
        The run's record, of which names, times and fingerprints of both maps and the statement are told.
    geobox, changes
        Grid and legend of the change raster (``before * 256 + after``).
    pending
        Names of files that are not there yet but will be (``run.json``, ``report.html``).

    Returns
    -------
    dict
        A STAC Item, ready for JSON. It covers the time from one map to the other where both are dated.
    """
    sides = run.get("before", {}), run.get("after", {})
    names = [str(side.get("name", "")) for side in sides]
    properties = {
        **times_of("/".join(str(side.get("datetime") or "") for side in sides)),
        "title": f"Change from {names[0]} to {names[1]}",
        "description": str(run.get("statement") or f"What became what between {names[0]} and {names[1]}"),
        **projection(geobox),
        "processing:software": {"geoseg": str(run.get("geoseg", ""))},
        "processing:lineage": f"{names[0]} and {names[1]}, compared pixel by pixel",
        "geoseg:run": run.get("run"),
        "geoseg:inputs": names,
        "geoseg:before_digest": sides[0].get("fingerprint"),
        "geoseg:after_digest": sides[1].get("fingerprint"),
    }

    def more(key: str) -> dict[str, Any]:
        return _bands(geobox, changes) if key == "change" else {}

    assets = assets_of(_KINDS, folder, pending, more)
    return item_of(f"change-{names[0]}-{names[1]}-{run.get('run', '')}", geobox, properties, assets)


def _bands(geobox: GeoBox, changes: Legend) -> dict[str, Any]:
    resolution = {"raster:spatial_resolution": round(pixel_metres(geobox), 6)}
    nodata = {"value": changes.nodata, "name": "nodata", "description": "no data", "nodata": True}
    return {
        "bands": [{"name": "change", "data_type": "uint16", "nodata": changes.nodata, **resolution}],
        "classification:classes": [*changes.to_stac(), nodata],
    }
