"""Whereabouts: where a run's scene lies, as ``run.json`` says it, so that a map can show it beside the results."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from geoseg.raster.band import NETCDF
from geoseg.raster.scene import Scene
from geoseg.raster.sniff import remote_target


def layers_of(scene: Scene, folder: str | Path) -> list[dict[str, Any]]:
    """Where each band is, ``path`` from the run's folder; addresses are left out, because they may hold keys.

    ``digest`` tells whether the file is still the same (:func:`geoseg.raster.identity.sample_file`).
    """
    top, digests = os.path.realpath(folder), dict(scene.contents)
    found: list[dict[str, Any]] = []
    for band in scene.bands:
        if band.driver == NETCDF or remote_target(band.path, allow_remote=True):
            continue
        one = {
            "name": band.name, "path": os.path.relpath(os.path.realpath(band.path), top), "band": band.index,
            "digest": digests.get(band.path, ""),
        }  # fmt: skip
        found.append(one | ({"nodata": band.nodata} if band.nodata is not None and math.isfinite(band.nodata) else {}))
    return found
