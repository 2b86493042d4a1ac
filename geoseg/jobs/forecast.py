"""Forecast: what ``geoseg plan`` says: the plan's figures, the halo that the seams ask for, and time by a few chips."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from geoseg.cluster.journal import BlockStore
from geoseg.cluster.worker import BlockJob, BlockWorker
from geoseg.config import SegmentSettings
from geoseg.jobs.plan import make_plan, time_chips
from geoseg.mask.filter import FilterSettings
from geoseg.mask.score import HaloProposal, propose_halo
from geoseg.mask.stitch import StitchSettings
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice, choose
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene


def forecast(scene: Scene, bundle: Bundle, settings: SegmentSettings, *, timing: bool = True) -> dict[str, Any]:
    """The plan as JSON; with ``timing`` also the choice of backend and the seconds that the network will take."""
    plan = make_plan(scene, bundle, settings)
    if not timing and settings.halo != "auto":
        return plan.facts()
    options = {"device": settings.device, "backend": settings.backend, "precision": settings.precision}
    choice = choose(bundle, **options, batch_size=settings.batch_size, threads=settings.threads)
    worker = probe_job(scene, bundle, choice, settings).worker()
    found: dict[str, Any] = {"choice": asdict(choice)}
    if settings.halo == "auto":
        proposal = halo_for(worker)
        plan = make_plan(scene, bundle, settings, halo=proposal.halo)
        found["halo_auto"] = asdict(proposal)
    each = time_chips(worker, plan.chips.chip_size)
    found["seconds_per_chip"] = round(each, 5)
    found["estimated_seconds"] = round(
        each * len(plan.chips) * (8 if settings.tta else 1) / max(settings.workers, 1), 1
    )
    return plan.facts() | found


def probe_job(scene: Scene, bundle: Bundle, choice: Choice, settings: SegmentSettings) -> BlockJob:
    """A job that only measures: it has the network and the scene, and no block of it is ever committed."""
    plan = make_plan(scene, bundle, settings)
    nowhere = BlockStore("", plan.grid)
    stitch = StitchSettings(settings.blend, settings.tta, settings.confidence)
    return BlockJob(scene, bundle, choice, plan.grid, stitch, FilterSettings(), nowhere, nowhere, settings.threads)


def halo_for(worker: BlockWorker) -> HaloProposal:
    """The smallest halo whose seams differ in fewer than 0.1 % of the pixels, with the figures that say so."""
    job = worker.job
    return propose_halo(
        worker.predictor, lambda w: read_window(job.scene, w), job.grid.chips, job.normalization, lanes=worker.lanes
    )


def grid_geojson(scene: Scene, bundle: Bundle, settings: SegmentSettings) -> dict[str, Any]:
    """The blocks as GeoJSON polygons in longitude and latitude (RFC 7946)."""
    from pyproj import Transformer

    plan = make_plan(scene, bundle, settings)
    lonlat = Transformer.from_crs(scene.geobox.crs, "OGC:CRS84", always_xy=True)
    features = []
    for block in plan.grid:
        xs, ys = zip(*scene.geobox.crop(block.core).corners(), strict=True)
        ring = [[round(x, 9), round(y, 9)] for x, y in zip(*lonlat.transform(xs, ys), strict=True)]
        geometry = {"type": "Polygon", "coordinates": [[*reversed(ring), ring[-1]]]}
        properties = {"block": block.name, "row": block.core.row, "col": block.core.col}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}
