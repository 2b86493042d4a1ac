"""Demo: the whole way on the sample that ships with the source."""

from __future__ import annotations

import json
from pathlib import Path

import geoseg
from geoseg.cluster.run import Report
from geoseg.config import SegmentSettings
from geoseg.errors import Conflict, InputRefused
from geoseg.jobs.segment import SegmentResult, segment
from geoseg.raster.scene import open_scene

SAMPLE = Path("samples/north_carolina")
MARK = ".geoseg-demo"
"""Empty file in a folder that a demo made: without it nothing there is replaced."""


def demo(out: str | Path, *, overwrite: bool = False, on_progress: Report | None = None) -> SegmentResult:
    """Map the sample scene with the sample's bundle into the folder ``out``.

    Raises
    ------
    InputRefused
        ``SAMPLE``: the sample is not here.
    Conflict
        ``EXISTS``: ``out`` holds an earlier demo and ``overwrite`` is False, or anything else, whatever ``overwrite`` is.
    """
    folder, sample = Path(out), find_sample()
    scene = open_scene([sample / "scene.tif"])
    refuse_foreign(folder, scene.name)
    settings = SegmentSettings(confidence=True, overwrite=overwrite, restart=overwrite)
    mark = folder / MARK
    if (folder / "run.json").exists() and not overwrite:
        raise Conflict.of("EXISTS", folder / "run.json", "exists", "Add --overwrite, or choose another OUT")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return segment(scene, sample / "bundle", folder, settings=settings, on_progress=on_progress)


def find_sample() -> Path:
    """The sample's folder: in the checkout that holds this package, or in the one that is the working directory."""
    for root in (Path(geoseg.__file__).parent.parent, Path.cwd()):
        if (root / SAMPLE / "scene.tif").is_file():
            return root / SAMPLE
    what = "is not here: the sample ships with geoseg's source, not with the installed package"
    raise InputRefused.of("SAMPLE", SAMPLE, what, "Run geoseg demo inside a checkout of the source")


def refuse_foreign(folder: Path, scene: str) -> None:
    """Refuse a folder that holds something else than an earlier demo."""
    remedy = "Choose another OUT"
    if folder.exists() and not folder.is_dir():
        raise Conflict.of("EXISTS", folder, "is a file", remedy)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).exists() or _mapped(folder / "run.json") not in (None, scene):
        raise Conflict.of("EXISTS", folder, "holds something else than an earlier demo", remedy)


def _mapped(run: Path) -> str | None:
    """Name of the scene of a finished run; None where there is none."""
    if not run.is_file():
        return None
    try:
        return str(json.loads(run.read_text())["scene"]["name"])
    except (ValueError, KeyError, TypeError):
        return ""
