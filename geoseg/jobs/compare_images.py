"""Compare images: two scenes, without a model, to where they differ by more than noise. Open, fit, measure, decide, write.

scenes -> statistics of what has not changed -> magnitude, pixel by pixel -> threshold -> changed or not -> polygons, areas.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import geoseg
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.cluster.pool import Pool
from geoseg.compare.difference import Difference
from geoseg.compare.fitted import Fitted, fit
from geoseg.compare.image_settings import ImageSettings
from geoseg.compare.image_shift import measure_image_shift
from geoseg.compare.images import ImagePair, pair_images
from geoseg.compare.magnitude import LARGEST, STEP, Measured
from geoseg.compare.shift import MapShift
from geoseg.compare.threshold import Decision, decide
from geoseg.config import ClusterChoice
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.folder import run_folder
from geoseg.jobs.image_products import (
    CHANGED,
    LEGEND,
    write_change,
    write_directions,
    write_magnitudes,
    write_places,
    write_pvalues,
    write_told,
)  # fmt: skip
from geoseg.raster.align import crs_name
from geoseg.raster.files import write_durable
from geoseg.raster.scene import Scene, open_scene
from geoseg.report.words import area, number, percent
from geoseg.vector.measure import ClassArea

NAMES = (
    "magnitude.tif", "pvalue.tif", "direction.tif", "change.tif", "change.tif.aux.xml", "change.qml",
    "areas.csv", "polygons.gpkg", "item.json", "report.html", "run.json",
)  # fmt: skip
"""What a comparison may leave."""

Report = Callable[[str, int, int], None]
"""Called with a step's name, its cells that are done, and all of them."""


@dataclass(frozen=True, slots=True)
class ImageChangeResult:
    """Where things are, what counts as changed, and what the run's record says."""

    folder: Path
    statement: str
    magnitude: float
    changed_ha: float
    changed_share: float
    polygons: int | None
    record: dict[str, Any] = field(repr=False)


def compare_images(
    before: Scene | str | Path,
    after: Scene | str | Path,
    out: str | Path,
    *,
    settings: ImageSettings | None = None,
    on_progress: Report | None = None,
    cluster: ClusterSettings | None = None,
    **options: Any,
) -> ImageChangeResult:
    """Say where two images of one place differ by more than noise, without a model: a first look.

    What has changed is not said, and seasons, clouds and shadows are changes like others. Memory is flat: pixels are read
    cell by cell. The outputs depend neither on workers nor on threads.

    Parameters
    ----------
    before, after
        Scenes (:func:`geoseg.open_scene`) or files; bands are paired by name.
    out
        The folder: ``magnitude.tif`` (standard deviations of what has not changed), ``pvalue.tif`` (chance that a pixel
        without change has a larger magnitude), with CVA ``direction.tif`` (bit ``i``: band ``i + 1`` has grown),
        ``change.tif`` (1 unchanged, 2 changed), ``areas.csv``, ``polygons.gpkg`` (what has changed), ``item.json``,
        ``report.html``, ``run.json``.
    settings, options
        :class:`ImageSettings`, whole or as keywords: ``method="cva"``, ``false_alarm=1e-4``, ``min_area=5000``.
    cluster
        Where to work, in place of what the settings say: with a hook, say, for a Gateway or Kubernetes cluster.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.compare.images.pair_images` and of the methods; ``SHIFT``: the images lie further apart
        than ``max_shift``.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.
    """
    settings = ImageSettings.either(settings, options)
    run = _Run(settings, on_progress)
    scenes = tuple(scene if isinstance(scene, Scene) else open_scene(scene) for scene in (before, after))
    inputs = [path for scene in scenes for path, _ in scene.contents]
    with run_folder(out, NAMES, inputs=inputs, overwrite=settings.overwrite) as folder:
        with run.step("open"):
            pair = pair_images(*scenes, align=settings.align)
        with connect(cluster or ClusterSettings.of(settings)) as pool:
            with run.step("fit"):
                fitted = fit(pair, settings.method, settings.sample, run.reported("fit", pool))
            with run.step("shift"):
                shift = _shift(pair, fitted.difference, settings)
            with run.step("magnitude"):
                measured = write_magnitudes(pair, fitted.difference, folder, run.reported("magnitude", pool))
                write_directions(pair, fitted.difference, settings, folder, run.reported("direction", pool))
            with run.step("change"):
                decision = decide(measured.counts, STEP, fitted.null, settings.threshold, settings.false_alarm)
                write_pvalues(folder, measured, fitted)
                areas = write_change(folder, measured, decision, settings, pair)
            with run.step("polygons"):
                polygons = write_places(folder, settings, pool.in_order) if settings.only is None else None
        pair.scene.check_unchanged()
        record = _record(pair, settings, shift, fitted, decision) | _outcome(areas, decision, polygons, measured)
        record |= {"seconds": run.seconds, "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        with run.step("report"):
            write_told(folder, pair, measured, record, page=settings.only is None)
        write_durable(folder / "run.json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    changed = record["changed"]
    return ImageChangeResult(
        Path(out), record["statement"], decision.magnitude, changed["area_ha"], changed["share"], polygons, record
    )


class _Run:
    """Settings, progress and the seconds of each step."""

    def __init__(self, settings: ImageSettings, on_progress: Report | None) -> None:
        self.settings = settings
        self.on_progress = on_progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 3)

    def reported(self, name: str, pool: Pool) -> Callable[[Callable[[Window], Any], Iterable[Window]], Iterator[Any]]:
        """``pool.in_order``, which says after each cell how far it is."""

        def run(function: Callable[[Window], Any], windows: Iterable[Window]) -> Iterator[Any]:
            todo = list(windows)
            for done, result in enumerate(pool.in_order(function, todo), start=1):
                if self.on_progress is not None:
                    self.on_progress(name, done, len(todo))
                yield result

        return run


def _shift(pair: ImagePair, difference: Difference, settings: ImageSettings) -> MapShift | None:
    shift = measure_image_shift(pair, difference)
    if shift is not None and 0 < settings.max_shift < shift.px:
        what = f"lies {shift} beside {pair.scenes[0].name}, more than {settings.max_shift:g} px"
        remedy = "Register the images first, or raise --max-shift (0: never refuse)"
        raise InputRefused.of("SHIFT", pair.scenes[1].name, what, remedy)
    return shift


def _record(
    pair: ImagePair, settings: ImageSettings, shift: MapShift | None, fitted: Fitted, decision: Decision
) -> dict[str, Any]:
    """What ``run.json`` says of the inputs and of how the threshold came about."""
    told = settings.model_dump(mode="json", exclude={"overwrite", *ClusterChoice.model_fields})
    key = json.dumps([geoseg.__version__, [scene.fingerprint for scene in pair.scenes], told], sort_keys=True)
    sides = {side: _side(scene) for side, scene in zip(("before", "after"), pair.scenes, strict=True)}
    return {
        "geoseg": geoseg.__version__,
        "run": hashlib.sha256(key.encode()).hexdigest()[:12],
        "kind": "images",
        **sides,
        "grid": _grid(pair.geobox),
        "bands": list(pair.bands),
        "method": fitted.facts,
        "threshold": asdict(decision),
        "shift": shift.to_json() if shift else None,
        "settings": told,
        "notes": [*pair.notes, *fitted.notes, *_shift_notes(shift), *_decision_notes(settings, decision)],
    }


def _shift_notes(shift: MapShift | None) -> list[str]:
    if shift is None:
        return ["no shift could be measured"]
    if shift.blocks > 1 and shift.spread > max(shift.px, 0.5):
        return [f"the measured shift is not sure: {shift.blocks} parts of the images differ by {shift.spread:.1f} px"]
    return []


def _decision_notes(settings: ImageSettings, decision: Decision) -> list[str]:
    if decision.rule == settings.threshold:
        return []
    return [
        f"{settings.threshold} finds no two heaps of magnitudes: the threshold is that of {settings.false_alarm:g} false alarms"
    ]


def _side(scene: Scene) -> dict[str, Any]:
    names = sorted({Path(band.path).name for band in scene.bands})
    return {
        "name": scene.name, "path": ", ".join(names), "datetime": scene.datetime, "fingerprint": scene.fingerprint,
        "notes": list(scene.notes),
    }  # fmt: skip


def _grid(geobox: GeoBox) -> dict[str, Any]:
    return {"shape": list(geobox.shape), "res": list(geobox.res), "crs": crs_name(geobox)}


def _outcome(areas: list[ClassArea], decision: Decision, polygons: int | None, measured: Measured) -> dict[str, Any]:
    changed = next(row for row in areas if row.class_id == CHANGED)
    beyond = int(measured.counts[-1])
    outcome: dict[str, Any] = {
        "classes": [{"value": c.value, "name": c.name, "colour": list(c.colour)} for c in LEGEND.classes],
        "areas": [asdict(row) for row in areas],
        "changed": {"area_ha": changed.area_ha, "share": changed.share, "n_pixels": changed.n_pixels},
        "statement": _statement(areas, changed, decision),
        "polygons": polygons,
    }
    return outcome | ({"clipped": {"magnitude": LARGEST, "n_pixels": beyond}} if beyond else {})


def _statement(areas: list[ClassArea], changed: ClassArea, decision: Decision) -> str:
    """What was found, against what noise alone would give."""
    n = sum(row.n_pixels for row in areas)
    false = decision.false_alarm
    share, size = percent(changed.share), area(changed.area_ha)
    found = f"{share} of the ground compared ({size}) differs by more than {decision.magnitude:.3g}"
    alone = f"{percent(false)} ({number(round(false * n))} of {number(n)} pixels)"
    alone = f"noise alone, if it is normal, would give {alone}"
    if changed.n_pixels <= 2 * decision.false_alarm * n:
        return f"No change beyond noise: {found} standard deviations, and {alone}."
    return (
        f"{found} standard deviations of what has not changed; {alone}. "
        "Seasons, clouds, shadows and shifts count as change; what has changed into what is not said."
    )
