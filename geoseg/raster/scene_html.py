"""Scene HTML: a scene in a notebook: what it is, and a small picture of it."""

from __future__ import annotations

import logging

from geoseg import notebook
from geoseg.errors import GeosegError
from geoseg.raster.align import crs_name, pixel_metres
from geoseg.raster.scene import Scene
from geoseg.raster.thumbnail import scene_thumbnail

log = logging.getLogger(__name__)


def scene_html(scene: Scene) -> str:
    """Facts of a scene beside its picture, where one can be made quickly."""
    rows, cols = scene.geobox.shape
    nodata = sorted({f"{band.nodata:g}" for band in scene.bands if band.nodata is not None})
    told = {
        "pixels": f"{rows:,} x {cols:,} of {pixel_metres(scene.geobox):.4g} m",
        "CRS": crs_name(scene.geobox),
        "bands": ", ".join(band.name for band in scene.bands),
        "numbers": f"{', '.join(sorted({band.dtype for band in scene.bands}))}, {scene.units}",
        "nodata": ", ".join(nodata),
        "taken": scene.datetime,
        "product": scene.product,
        "notes": "; ".join(scene.notes),
    }
    return notebook.panel(f"Scene {scene.name}", notebook.facts(told), picture=_picture(scene))


def _picture(scene: Scene) -> str:
    """Nothing where the file cannot be read any more: what was known of it stays true."""
    try:
        made = scene_thumbnail(scene)
    except (GeosegError, OSError) as error:
        log.debug("no picture of %s: %s", scene.name, error)
        return ""
    return notebook.picture(made.uri, made.caption) if made else ""
