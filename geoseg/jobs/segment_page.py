"""Segment page: the report of a segment run from its record, its rasters, and a picture of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.jobs.outputs import NAMES
from geoseg.jobs.record import PAGE, RECORD
from geoseg.legend import Legend
from geoseg.raster.overview import read_mask_overview, read_overview
from geoseg.raster.scene import Scene
from geoseg.report.content import report_of_run
from geoseg.report.estimate_content import Estimated
from geoseg.report.figures import make_overview, mask_picture, percent_picture, scene_picture
from geoseg.report.page import write_page
from geoseg.report.qgis_scene import Seen
from geoseg.report.stage import Picture, Stage, stage_of

MASK, CONFIDENCE = "mask.tif", "confidence.tif"


def write_segment_page(
    folder: Path,
    run: Mapping[str, Any],
    legend: Legend,
    geobox: GeoBox,
    scene: Picture | None,
    *,
    page: Path | None = None,
    estimated: Estimated | None = None,
) -> None:
    """Write the page of the run in ``folder``, there or as ``page``; ``scene`` is its picture, if there is one."""
    data = report_of_run(
        run,
        legend,
        geobox=geobox,
        stage=_stage(folder, run, legend, geobox, scene),
        files=[name for name in NAMES if (folder / name).exists() or name in (PAGE, RECORD)],
        estimated=estimated,
    )
    write_page(page or folder / PAGE, data)


def scene_of(scene: Scene) -> Picture | None:
    """A picture of the scene; None where its pixels cannot be read."""
    return picture_of(scene, seen_of(scene))


def seen_of(scene: Scene) -> Seen | None:
    """The scene, small; None where its pixels cannot be read (their blocks are named as failed)."""
    try:
        return Seen(*read_overview(scene))
    except InputRefused:
        return None


def picture_of(scene: Scene, seen: Seen | None) -> Picture | None:
    """A picture of what was seen of a scene."""
    if seen is None:
        return None
    names = [band.name for band in scene.bands]
    return scene_picture(make_overview(seen.image, seen.valid, names, np.zeros((1, 1), np.uint8)))


def _stage(folder: Path, run: Mapping[str, Any], legend: Legend, geobox: GeoBox, scene: Picture | None) -> Stage | None:
    mask, sure = folder / MASK, folder / CONFIDENCE
    pictures = [
        scene,
        mask_picture(read_mask_overview(mask), legend) if mask.is_file() else None,
        percent_picture(read_mask_overview(sure)) if sure.is_file() else None,
    ]
    places = (run.get("confidence") or {}).get("places") or ()
    return stage_of(geobox.shape, pictures, "scene", "mask", places)
