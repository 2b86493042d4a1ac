"""Trajectory item: the outputs of a comparison of several dates as a STAC 1.1 Item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseg.grid.geobox import GeoBox
from geoseg.raster.align import pixel_metres
from geoseg.report.item import COG, PROJECT_KINDS, Kind, assets_of, item_of, projection, sidecar_kinds, times_of

_KINDS = {
    "trajectory": Kind("trajectory.tif", "Number of each pixel's sequence of classes", COG, ("data",)),
    **sidecar_kinds("trajectory.tif"),
    **PROJECT_KINDS,
    "trajectories": Kind("trajectories.csv", "Sequences by number, with areas", "text/csv", ("data",)),
    "first_change": Kind("first_change.tif", "Date of the first change, 0 where there is none", COG, ("data",)),
    "last_change": Kind("last_change.tif", "Date of the last change, 0 where there is none", COG, ("data",)),
    "n_changes": Kind("n_changes.tif", "Number of changes", COG, ("data",)),
    "transitions": Kind("transitions.csv", "Area of each transition between dates", "text/csv", ("data",)),
    "item": Kind("item.json", "STAC Item that describes these files", "application/geo+json", ("metadata",), False),
    "report": Kind("report.html", "Report", "text/html", ("metadata",), False),
    "run": Kind("run.json", "Provenance and timings", "application/json", ("metadata",), False),
}
FILES = {kind.file: kind.title for kind in _KINDS.values()}
"""What a run leaves, and what it is."""


def build_trajectory_item(
    run: Mapping[str, Any], geobox: GeoBox, folder: str | Path, *, pending: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe the files of a run that lie in ``folder``; no clock and no path enters.

    Parameters
    ----------
    run
        The run's record, of which names, dates and fingerprints of the maps and the statement are told.
    pending
        Names of files that are not there yet but will be (``run.json``, ``report.html``).
    """
    sides = run["maps"]
    names = [str(side["name"]) for side in sides]
    labels = run["dates"]["labels"]
    ending = {"year": "-01-01", "yyyymm": "-01", "yyyymmdd": ""}.get(run["dates"]["kind"])
    moments = "" if ending is None else "/".join(f"{label}{ending}T00:00:00Z" for label in (labels[0], labels[-1]))
    properties = {
        **times_of(moments),
        "title": f"Change from {labels[0]} to {labels[-1]}, {len(names)} dates",
        "description": str(run["statement"]),
        **projection(geobox),
        "processing:software": {"geoseg": str(run["geoseg"])},
        "processing:lineage": f"{', '.join(names)}, followed pixel by pixel",
        "geoseg:run": run["run"],
        "geoseg:inputs": names,
        "geoseg:dates": list(labels),
        "geoseg:input_digests": [side["fingerprint"] for side in sides],
    }
    masks = {
        name.removesuffix(".tif"): Kind(name, f"Class map of {label}, without flicker", COG, ("data",))
        for name, label in zip(run["masks"], labels, strict=False)
    }
    kinds = {key: kind for key, kind in _KINDS.items() if key != "item"} | masks
    rasters = {key for key, kind in kinds.items() if kind.media_type == COG}
    resolution = {"raster:spatial_resolution": round(pixel_metres(geobox), 6)}

    def more(key: str) -> dict[str, Any]:
        return {"bands": [{"name": key, **resolution}]} if key in rasters else {}

    assets = assets_of(kinds, folder, pending, more)
    return item_of(f"change-{names[0]}-{names[-1]}-{run['run']}", geobox, properties, assets)
