"""Demo: the whole way on the sample that ships with the source: a map, its polygons and areas, and a change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import geoseg
from geoseg.cluster.run import Report
from geoseg.compare.settings import ChangeSettings
from geoseg.config import SegmentSettings
from geoseg.errors import Conflict, InputRefused
from geoseg.grid.geobox import Window
from geoseg.jobs.change import ChangeResult, change
from geoseg.jobs.segment import SegmentResult, segment
from geoseg.legend import Legend
from geoseg.model.bundle import open_bundle
from geoseg.raster.classes import open_classes
from geoseg.raster.scene import open_scene
from geoseg.raster.write import write_mask

SAMPLE = Path("samples/north_carolina")
MARK = ".geoseg-demo"
"""Empty file in a folder that a demo made: without it nothing there is replaced."""
EARLIER = "landcover_1996.tif"
"""The class map of 1996 in the bundle's classes, in the demo's folder."""
CHANGE = "change"

_CLASSES_1996 = {
    1: "built", 2: "cropland", 3: "low vegetation", 4: "low vegetation", 5: "tree", 6: "water", 7: "bare"
}  # fmt: skip
"""The codes of the sample's labels, as the bundle names what they mean; what the bundle does not know has no class."""
_RULES = {"tolerance": 1, "min_area": 5000.0, "max_shift": 2.0}

OnStep = Callable[[str, int, int], None]
"""Called with the step of the change, what is done of it, and all."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The map of the scene, and the change from the map of 1996 to it."""

    map: SegmentResult
    change: ChangeResult


def demo(
    out: str | Path, *, overwrite: bool = False, on_progress: Report | None = None, on_change: OnStep | None = None
) -> DemoResult:
    """Map the sample scene with the sample's bundle into the folder ``out``, and compare with the map of 1996.

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
    if (folder / CHANGE / "run.json").exists() and not overwrite:
        raise Conflict.of("EXISTS", folder / "run.json", "exists", "Add --overwrite, or choose another OUT")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    if (folder / "run.json").exists() and not overwrite:  # stopped before the change was done
        made = SegmentResult(folder, json.loads((folder / "run.json").read_text()))
    else:
        settings = SegmentSettings(confidence=True, overwrite=overwrite, restart=overwrite)
        made = segment(scene, sample / "bundle", folder, settings=settings, on_progress=on_progress)
    return DemoResult(made, change_since_1996(sample, folder, overwrite=overwrite, on_change=on_change))


def change_since_1996(
    sample: Path, folder: Path, *, overwrite: bool = False, on_change: OnStep | None = None
) -> ChangeResult:
    """Compare the sample's class map of 1996 with the map in ``folder``, into ``folder/change``.

    The two were made in different ways, and the page says so: most of what differs is their disagreement. The bundle's
    scores are counted against the map of 1996, so that they hold the errors of both: beside them it counts as right.
    """
    write_earlier(sample / "labels.tif", folder / EARLIER, open_bundle(sample / "bundle").legend)
    scores = sample / "bundle" / "scores.json"
    notes = _notes(json.loads(scores.read_text(encoding="utf-8")))
    settings = ChangeSettings.of(
        **_RULES, before_errors=1.0, after_errors=str(scores), notes=notes, overwrite=overwrite
    )
    return change(folder / EARLIER, folder, folder / CHANGE, settings=settings, on_progress=on_change)


def write_earlier(labels: Path, path: Path, legend: Legend) -> None:
    """Write the labels as a class map with the legend's values, names and colours."""
    raster = open_classes(labels)
    values = {item.name: item.value for item in legend.classes}
    table = np.full(256, legend.nodata, np.uint8)
    for code, name in _CLASSES_1996.items():
        table[code] = values.get(name, legend.nodata)
    classes = table[raster.read(Window(0, 0, *raster.geobox.shape))]
    write_mask(path, raster.geobox, legend, [(0, classes)], description="class, 1996")


def _notes(scores: dict[str, dict[str, dict[str, float]]]) -> tuple[str, ...]:
    """What this change is worth."""
    agree = scores["overall"]["overall_accuracy"]["value"]
    return (
        "These are two maps made in different ways, the one of 1996 by others from other images, the one of 2000 by a small "
        "network: most of what differs is their disagreement, not change.",
        f"The network learned from the map of 1996, and where it had not seen that map it differs from it on {1 - agree:.0%} "
        "of the pixels: errors of either map and true change together, and nothing here can tell them apart. These are what "
        "is given as the errors of the new map; those of the map of 1996 alone are not known, and it is taken as right.",
        "Take it as a list of places to look at. Areas of change that one can defend need labelled samples: "
        "geoseg sample, then geoseg estimate.",
    )


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
