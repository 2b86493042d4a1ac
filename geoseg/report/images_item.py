"""Images item: the outputs of a comparison of two images as a STAC 1.1 Item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.align import pixel_metres
from geoseg.report.item import COG, PROJECT_KINDS, Kind, assets_of, item_of, projection, sidecar_kinds, times_of

_KINDS = {
    "change": Kind("change.tif", "Unchanged or changed", COG, ("data",)),
    "magnitude": Kind("magnitude.tif", "Magnitude of the difference, in standard deviations", COG, ("data",)),
    "pvalue": Kind("pvalue.tif", "Chance that a pixel without change differs more", COG, ("data",)),
    "direction": Kind("direction.tif", "Bands that have grown, one bit each", COG, ("data",)),
    "polygons": Kind("polygons.gpkg", "Changed places with areas", "application/geopackage+sqlite3", ("data",)),
    "areas": Kind("areas.csv", "Area that has changed, and that has not", "text/csv", ("data",)),
    **sidecar_kinds("change.tif"),
    **PROJECT_KINDS,
    "report": Kind("report.html", "Report", "text/html", ("metadata",), False),
    "run": Kind("run.json", "Provenance and timings", "application/json", ("metadata",), False),
}


def build_images_item(
    run: Mapping[str, Any], geobox: GeoBox, legend: Legend, folder: str | Path, *, pending: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe the files of a comparison that lie in ``folder``; no clock and no path enters.

    ``run`` is the record, ``legend`` that of ``change.tif``, ``pending`` names files that will come.
    """
    sides = run["before"], run["after"]
    names = [str(side["name"]) for side in sides]
    properties = {
        **times_of("/".join(str(side.get("datetime") or "") for side in sides)),
        "title": f"Where {names[1]} differs from {names[0]}",
        "description": str(run["statement"]),
        **projection(geobox),
        "processing:software": {"geoseg": str(run["geoseg"])},
        "processing:lineage": f"{names[0]} and {names[1]}, compared without a model by {run['method']['name']}",
        "geoseg:run": run["run"],
        "geoseg:inputs": names,
        "geoseg:before_digest": sides[0]["fingerprint"],
        "geoseg:after_digest": sides[1]["fingerprint"],
    }
    resolution = {"raster:spatial_resolution": round(pixel_metres(geobox), 6)}
    nodata = {"value": legend.nodata, "name": "nodata", "description": "no data", "nodata": True}
    bands = {
        "change": {"name": "change", "data_type": "uint8", "nodata": 0},
        "magnitude": {"name": "magnitude", "data_type": "uint16", "nodata": 65535, "raster:scale": 0.001},
        "pvalue": {"name": "pvalue", "data_type": "int32", "nodata": -1, "raster:scale": 1e-9},
        "direction": {"name": "direction", "data_type": "uint16", "nodata": 65535},
    }

    def more(key: str) -> dict[str, Any]:
        told: dict[str, Any] = {"bands": [bands[key] | resolution]} if key in bands else {}
        return told | ({"classification:classes": [*legend.to_stac(), nodata]} if key == "change" else {})

    return item_of(
        f"images-{names[0]}-{names[1]}-{run['run']}", geobox, properties, assets_of(_KINDS, folder, pending, more)
    )
