"""Segment page: the report of a segment run from its record, its rasters, and a picture of the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.jobs.outputs import NAMES
from geoseg.jobs.record import PAGE, linked_from
from geoseg.legend import Legend
from geoseg.raster.dated import undated
from geoseg.raster.overview import read_mask_overview, read_overview
from geoseg.raster.scene import Scene
from geoseg.report.content import report_of_run
from geoseg.report.estimate_content import Estimated
from geoseg.report.figures import make_overview, mask_picture, percent_picture, scene_picture
from geoseg.report.page import write_page
from geoseg.report.qgis_scene import Seen
from geoseg.report.stage import LENGTH, Picture, Stage, stage_of

MASK, CONFIDENCE = "mask.tif", "confidence.tif"
SCENE, EARLIER = "scene", "scene-before"
"""Keys of the pictures of the scene: nothing else in the folder has them."""


def write_segment_page(
    folder: Path,
    run: Mapping[str, Any],
    legend: Legend,
    geobox: GeoBox,
    scenes: Sequence[Picture],
    *,
    page: Path | None = None,
    estimated: Estimated | None = None,
) -> None:
    """Write the page of the run in ``folder``, there or as ``page``; ``scenes`` are its pictures, if any."""
    data = report_of_run(
        run,
        legend,
        geobox=geobox,
        stage=_stage(folder, run, legend, geobox, scenes),
        files=linked_from(page, folder, NAMES),
        estimated=estimated,
    )
    write_page(page or folder / PAGE, data)


def pictures_of_scene(scene: Scene, seen: Seen | None) -> list[Picture]:
    """What was seen of a scene as a picture, of two dates both; none where nothing could be seen."""
    if seen is None:
        return []
    names, nothing = [band.name for band in scene.bands], np.zeros((1, 1), np.uint8)
    shown, own = make_overview(seen.image, seen.valid, names, nothing), undated([name.lower() for name in names])
    if own is None:
        return [scene_picture(shown, SCENE)]
    first = make_overview(seen.image[: len(own)], seen.valid, own, nothing)
    half = LENGTH // 2
    return [
        scene_picture(shown, SCENE, length=half), scene_picture(first, EARLIER, "Scene, earlier date", length=half),
    ]  # fmt: skip


def seen_of(scene: Scene) -> Seen | None:
    """The scene, small; None where its pixels cannot be read (their blocks are named as failed)."""
    try:
        return Seen(*read_overview(scene))
    except InputRefused:
        return None


def _stage(
    folder: Path, run: Mapping[str, Any], legend: Legend, geobox: GeoBox, scenes: Sequence[Picture]
) -> Stage | None:
    mask, sure = folder / MASK, folder / CONFIDENCE
    pictures = [
        *scenes,
        mask_picture(read_mask_overview(mask), legend) if mask.is_file() else None,
        percent_picture(read_mask_overview(sure)) if sure.is_file() else None,
    ]
    places = (run.get("confidence") or {}).get("places") or ()
    return stage_of(geobox.shape, pictures, SCENE, "mask", places)
