"""Products: the files of a run, made from the settled mask in one pass from top to bottom, then from the finished mask."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import geoseg
from geoseg.cluster.run import Outcomes
from geoseg.config import SegmentSettings
from geoseg.errors import DoneInPart
from geoseg.jobs.digest import Digests
from geoseg.jobs.outputs import Outputs
from geoseg.jobs.plan import Plan
from geoseg.jobs.record import class_facts
from geoseg.jobs.segment_page import pictures_of_scene, seen_of, write_segment_page
from geoseg.jobs.settle import SettledMask
from geoseg.jobs.steps import Steps
from geoseg.jobs.told_places import confidence_facts
from geoseg.jobs.whereabouts import layers_of
from geoseg.mask.score import SeamScore
from geoseg.mask.spots import ConfidenceCounter
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice
from geoseg.raster.files import write_durable
from geoseg.raster.scene import Scene
from geoseg.raster.write import RasterInfo, write_mask, write_raster
from geoseg.report.item import ItemFacts, build_item, write_item
from geoseg.report.qgis_run import confidence_qml, write_segment_project
from geoseg.report.qgis_scene import Seen
from geoseg.vector.measure import AreaCounter, ClassArea, write_areas
from geoseg.vector.polygonize import TraceMap, iter_polygons
from geoseg.vector.regions import Regions
from geoseg.vector.simplify import SimplifySettings, simplify
from geoseg.vector.threads import in_order
from geoseg.vector.write import write_polygons


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run when its blocks are done."""

    scene: Scene
    bundle: Bundle
    settings: SegmentSettings
    choice: Choice
    plan: Plan
    digests: Digests
    workers: int
    seams: SeamScore | None
    resumed: bool
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)

    @property
    def failed(self) -> dict[str, str]:
        """Blocks that no step could do, with the reason."""
        return {block: why for outcome in self.outcomes.values() for block, why in outcome.failed.items()}

    def raise_if_failed(self, folder: Path) -> None:
        """Say that blocks are missing, where some are."""
        if self.failed:
            names = ", ".join(sorted(self.failed)[:3])
            what = f"{len(self.failed)} of {len(self.plan.grid)} blocks failed and are nodata ({names})"
            raise DoneInPart.of("BLOCKS", folder, what, "run.json names them; the same command tries them again")

    @property
    def tags(self) -> dict[str, str]:
        """What every raster says of its makers; nothing that changes from run to run."""
        return {
            "TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}",
            "GEOSEG_RUN": self.digests.run_id,
            "GEOSEG_PLAN": self.digests.plan,
            "GEOSEG_MODEL": self.bundle.id,
            "GEOSEG_SCENE": f"{self.scene.name}@sha256:{self.scene.fingerprint[:12]}",
        }


def write_products(outputs: Outputs, facts: Facts, mask: SettledMask, trace_map: TraceMap = in_order) -> dict[str, Any]:
    """Write everything into the hidden folder, strips traced by ``trace_map``; returns what ``run.json`` says."""
    out, settings = outputs.staging, facts.settings
    areas = facts.steps.run("mask", lambda: _write_mask(outputs, facts, mask))
    sure = None
    if settings.confidence:
        sure = facts.steps.run("confidence", lambda: _write_confidence(outputs, facts, mask))
    write_areas(out / "areas.csv", areas)
    polygons = seen = None
    if settings.only != "mask":
        polygons = facts.steps.run("polygons", lambda: _write_polygons(outputs, facts, mask, trace_map))
        seen = facts.steps.run("overview", lambda: seen_of(facts.scene))
        write_segment_project(out, outputs.folder, scene=facts.scene, legend=facts.bundle.legend, seen=seen)
    write_item(
        out / "item.json",
        build_item(
            _item_facts(facts), out, pending=("run.json",) if settings.only == "mask" else ("run.json", "report.html")
        ),
    )
    run = run_record(facts, areas, polygons, sure)
    run["scene"]["layers"] = layers_of(facts.scene, outputs.folder)
    if settings.only != "mask":
        facts.steps.run("report", lambda: _write_report(outputs, facts, run, seen))
    write_durable(out / "run.json", (json.dumps(run, indent=1, sort_keys=True) + "\n").encode())
    return run


def _write_mask(outputs: Outputs, facts: Facts, mask: SettledMask) -> list[ClassArea]:
    """One pass over the strips: they are counted while they are written."""
    counter = AreaCounter(facts.scene.geobox, facts.bundle.legend)

    def counted() -> Iterator[tuple[int, np.ndarray]]:
        with ThreadPoolExecutor(1, thread_name_prefix="geoseg-areas") as aside:
            for row, strip in mask.strips():
                counting = aside.submit(counter.add, row, strip)
                yield row, strip
                counting.result()

    write_mask(outputs.staging / "mask.tif", facts.scene.geobox, facts.bundle.legend, counted(), tags=facts.tags)
    return counter.rows()


def _write_confidence(outputs: Outputs, facts: Facts, mask: SettledMask) -> dict[str, Any]:
    """Write ``confidence.tif``, counting while it is written; what ``run.json`` says of it."""
    geobox, legend = facts.scene.geobox, facts.bundle.legend
    counter = ConfidenceCounter(geobox.shape, legend.nodata)

    def counted() -> Iterator[tuple[int, np.ndarray]]:
        for row, values, percent in mask.pairs("confidence"):
            counter.add(row, values, percent)
            yield row, np.where(values == legend.nodata, np.uint8(255), percent)

    info = RasterInfo("confidence, percent", tags=facts.tags)
    write_raster(outputs.staging / "confidence.tif", geobox, counted(), info=info)
    (outputs.staging / "confidence.qml").write_text(confidence_qml(), encoding="utf-8")
    return confidence_facts(counter, geobox, legend, mask.read)


def _write_polygons(outputs: Outputs, facts: Facts, mask: SettledMask, trace_map: TraceMap) -> dict[str, Any]:
    geobox, legend = facts.scene.geobox, facts.bundle.legend
    sure = partial(mask.store.read_window, layer="confidence") if facts.settings.confidence else None
    regions: Iterable[Regions] = iter_polygons(
        mask.read, geobox, nodata=legend.nodata, trace_map=trace_map, confidence=sure
    )
    settings = SimplifySettings(facts.settings.simplify, facts.settings.smooth)
    simple = simplify(regions, mask.read, geobox, settings)
    count = write_polygons(outputs.staging / "polygons.gpkg", simple if settings else regions, geobox, legend)
    drift = {str(value): share for value, share in simple.drift.items()} if settings else None
    return {"count": count, "simplify_drift": drift}


def _write_report(outputs: Outputs, facts: Facts, run: dict[str, Any], seen: Seen | None) -> None:
    pictures = pictures_of_scene(facts.scene, seen)
    write_segment_page(outputs.staging, run, facts.bundle.legend, facts.scene.geobox, pictures)


def _inputs(scene: Scene) -> list[str]:
    return sorted({Path(band.path).name for band in scene.bands})


def _item_facts(facts: Facts) -> ItemFacts:
    scene, bundle = facts.scene, facts.bundle
    return ItemFacts(
        facts.digests.run_id, scene.name, scene.geobox, bundle.legend, scene.datetime,
        inputs=_inputs(scene), software={"geoseg": geoseg.__version__},
        digests={"plan": facts.digests.plan, "scene": scene.fingerprint}, model=bundle.id, card=json.loads(bundle.card),
    )  # fmt: skip


def run_record(
    facts: Facts, areas: list[ClassArea], polygons: dict[str, Any] | None, confidence: dict[str, Any] | None
) -> dict[str, Any]:
    """The content of ``run.json``: provenance, plan, choice, seams, failures, timings."""
    predicted = facts.outcomes["predict"]
    return {
        "geoseg": geoseg.__version__,
        "run": facts.digests.run_id,
        "plan_digest": facts.digests.plan,
        "scene": {
            "name": facts.scene.name, "fingerprint": facts.scene.fingerprint, "product": facts.scene.product,
            "bands": [band.name for band in facts.scene.bands], "notes": list(facts.scene.notes), "files": _inputs(facts.scene),
        },
        "bundle": {
            "name": facts.bundle.name, "version": facts.bundle.version, "digest": facts.bundle.digest,
            "scores": json.loads(facts.bundle.scores),
        },
        "choice": asdict(facts.choice),
        "settings": facts.settings.model_dump(mode="json"),
        "plan": facts.plan.facts(),
        "workers": facts.workers,
        "blocks": {
            "run": predicted.run, "resumed": predicted.resumed, "reused": predicted.reused,
            "failed": dict(sorted(facts.failed.items())),
        },
        "seams": asdict(facts.seams) if facts.seams else None,
        "classes": class_facts(facts.bundle.legend),
        "areas": [asdict(row) for row in areas],
        "confidence": confidence,
        "polygons": polygons["count"] if polygons else None,
        "simplify_drift": polygons["simplify_drift"] if polygons else None,
        "seconds": facts.steps.seconds,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
