"""Compare images: two scenes, without a model, to where they differ by more than noise. Open, fit, measure, decide, write.

scenes -> statistics of what has not changed -> magnitude, pixel by pixel -> threshold -> changed or not -> polygons, areas.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import geoseg
from geoseg.cluster.connect import ClusterSettings
from geoseg.compare.difference import Difference
from geoseg.compare.fitted import Fitted, fit
from geoseg.compare.image_settings import ImageSettings
from geoseg.compare.image_shift import measure_image_shift
from geoseg.compare.images import ImagePair, pair_images
from geoseg.compare.magnitude import LARGEST, STEP, Measured
from geoseg.compare.shift import MapShift, refuse_shift, shift_notes
from geoseg.compare.threshold import Decision, decide
from geoseg.config import ClusterChoice
from geoseg.jobs.folder import COMPARISONS, run_folder
from geoseg.jobs.image_products import (
    CHANGED,
    LEGEND,
    places_of,
    write_change,
    write_directions,
    write_magnitudes,
    write_places,
    write_pvalues,
    write_told,
)  # fmt: skip
from geoseg.jobs.record import class_facts, grid_facts, now, run_id_of, write_record
from geoseg.jobs.steps import Report, Steps, workforce
from geoseg.jobs.whereabouts import layers_of
from geoseg.raster.scene import Scene, open_scene
from geoseg.report.words import area, number, percent
from geoseg.vector.measure import ClassArea

NAMES = COMPARISONS["magnitude.tif"]
"""What a comparison may leave."""


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

    Returns
    -------
    ImageChangeResult
        What counts as changed, how much that is, and ``record``, what ``run.json`` says.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.compare.images.pair_images` and of the methods; ``SHIFT``: the images lie further apart
        than ``max_shift``.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.

    Examples
    --------
    >>> made = geoseg.compare_images("land/scene_1.tif", "land/scene_2.tif", "images")
    >>> 0 <= made.changed_share <= 1
    True
    """
    settings = ImageSettings.either(settings, options)
    steps = Steps(on_progress)
    scenes = tuple(scene if isinstance(scene, Scene) else open_scene(scene) for scene in (before, after))
    inputs = [path for scene in scenes for path, _ in scene.contents]
    with run_folder(out, NAMES, inputs=inputs, overwrite=settings.overwrite) as folder:
        with steps.timed("open"):
            pair = pair_images(*scenes, align=settings.align)
        with workforce(cluster or ClusterSettings.of(settings)) as (run, _):
            with steps.timed("fit"):
                fitted = fit(pair, settings.method, settings.sample, steps.told("fit", run))
            with steps.timed("shift"):
                shift = _shift(pair, fitted.difference, settings)
            with steps.timed("magnitude"):
                measured = write_magnitudes(pair, fitted.difference, folder, steps.told("magnitude", run))
                write_directions(pair, fitted.difference, settings, folder, steps.told("direction", run))
            with steps.timed("change"):
                decision = decide(measured.counts, STEP, fitted.null, settings.threshold, settings.false_alarm)
                write_pvalues(folder, measured, fitted)
                areas = write_change(folder, measured, decision, settings, pair)
            with steps.timed("polygons"):
                polygons = write_places(folder, settings, run) if settings.only is None else None
        pair.scene.check_unchanged()
        record = _record(pair, settings, shift, fitted, decision) | _outcome(areas, decision, polygons, measured)
        record |= {"places": places_of(folder, pair), "seconds": steps.seconds, "finished": now()}
        for side, scene in zip(("before", "after"), scenes, strict=True):
            record[side]["layers"] = layers_of(scene, out)
        with steps.timed("report"):
            write_told(folder, pair, measured, record, page=settings.only is None)
        write_record(folder, record)
    changed = record["changed"]
    return ImageChangeResult(
        Path(out), record["statement"], decision.magnitude, changed["area_ha"], changed["share"], polygons, record
    )


def _shift(pair: ImagePair, difference: Difference, settings: ImageSettings) -> MapShift | None:
    shift = measure_image_shift(pair, difference)
    before, after = pair.scenes
    refuse_shift(shift, settings.max_shift, before=before.name, after=after.name)
    return shift


def _record(
    pair: ImagePair, settings: ImageSettings, shift: MapShift | None, fitted: Fitted, decision: Decision
) -> dict[str, Any]:
    """What ``run.json`` says of the inputs and of how the threshold came about."""
    told = settings.model_dump(mode="json", exclude={"overwrite", *ClusterChoice.model_fields})
    prints = [scene.fingerprint for scene in pair.scenes]
    sides = {side: _side(scene) for side, scene in zip(("before", "after"), pair.scenes, strict=True)}
    return {
        "geoseg": geoseg.__version__,
        "run": run_id_of(geoseg.__version__, prints, told),
        "kind": "images",
        **sides,
        "grid": grid_facts(pair.geobox),
        "bands": list(pair.bands),
        "method": fitted.facts,
        "threshold": asdict(decision),
        "shift": shift.to_json() if shift else None,
        "settings": told,
        "notes": [
            *pair.notes,
            *fitted.notes,
            *_shift_notes(pair, settings, shift),
            *_decision_notes(settings, decision),
        ],
    }


def _shift_notes(pair: ImagePair, settings: ImageSettings, shift: MapShift | None) -> list[str]:
    if shift is None:
        return ["no shift could be measured"]
    before, after = pair.scenes
    notes = shift_notes(shift, settings.max_shift, before=before.name, after=after.name)
    if notes or not shift.unsure:
        return list(notes)
    return [f"the measured shift is not sure: {shift.blocks} parts of the images differ by {shift.spread:.1f} px"]


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


def _outcome(areas: list[ClassArea], decision: Decision, polygons: int | None, measured: Measured) -> dict[str, Any]:
    changed = next(row for row in areas if row.class_id == CHANGED)
    beyond = int(measured.counts[-1])
    outcome: dict[str, Any] = {
        "classes": class_facts(LEGEND),
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
