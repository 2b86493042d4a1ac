"""Report: the page of a run again, from its folder: what it says comes from the record, its pictures from the rasters.

Pictures of what was read (scene, both maps, both images) are in no file of a run but the page that is there: they are taken
from it. So the page is the run's own, byte for byte, as long as nothing else has changed; elsewhere it names no
files.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.compare.change_legend import change_legend
from geoseg.errors import GeosegError, InputRefused, UsageError
from geoseg.jobs.change_pages import INPUTS, pictures_of_change, write_change_page
from geoseg.jobs.estimate import estimate
from geoseg.jobs.images_page import write_images_page
from geoseg.jobs.outputs import check_files
from geoseg.jobs.read_record import RECORD, read_json, read_record
from geoseg.jobs.record import PAGE
from geoseg.jobs.segment_page import EARLIER, MASK, SCENE, pictures_of_scene, write_segment_page
from geoseg.jobs.trajectory_page import write_trajectory_page
from geoseg.legend import Legend, LegendClass
from geoseg.model.bundle import open_bundle, read_beside
from geoseg.raster.classes import open_classes
from geoseg.raster.overview import read_overview, read_thin
from geoseg.raster.scene import Scene, open_scene
from geoseg.report.bundle_content import report_of_bundle
from geoseg.report.change_figures import ChangeOverview
from geoseg.report.estimate_content import Estimated, estimated_of, report_of_estimate
from geoseg.report.made_before import pictures_of
from geoseg.report.page import write_page
from geoseg.report.qgis_scene import Seen
from geoseg.report.stage import Picture

log = logging.getLogger(__name__)

_CARD = "card.json"


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for: the run's folder, its record, where the page goes, and what is given beside the run."""

    folder: Path
    run: Mapping[str, Any]
    page: Path
    scenes: Sequence[Picture] = ()
    estimated: Estimated | None = None

    @property
    def before(self) -> dict[str, Picture]:
        """Pictures of the page that is there."""
        return pictures_of(self.folder / PAGE)

    @property
    def legend(self) -> Legend:
        """The classes that the record names."""
        named = self.run.get("classes") or ()
        return Legend(tuple(LegendClass(int(c["value"]), str(c["name"]), tuple(c["colour"])) for c in named))


def report(
    run: str | Path,
    out: str | Path | None = None,
    *,
    scene: Sequence[str | Path] = (),
    samples: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Make the page of a run again, and return where it is.

    Parameters
    ----------
    run
        A folder of :func:`geoseg.segment` or :func:`geoseg.change` (maps of two or more dates, or images), a bundle, or the
        table of :func:`geoseg.estimate` as JSON.
    out
        The page; None: ``report.html`` in the folder, or beside the table.
    scene
        Files of the scene of a segment run, where no page is there whose picture could be taken.
    samples
        Labelled samples of the run's map, or the table of :func:`geoseg.estimate` of them as JSON: areas and accuracies
        with intervals stand on the page.

    Raises
    ------
    InputRefused
        ``RUN``: it is no run, or an unfinished one. ``ESTIMATE``: the table is none. ``READ``: ``scene`` cannot be decoded.
        Those of :func:`geoseg.estimate` and :func:`geoseg.open_scene`.
    UsageError
        ``FORMAT``: ``out`` is no .html file. ``SAMPLES``, ``SCENE``: given for what has none.
    Conflict
        ``EXISTS``, ``INPUT``.
    """
    source = Path(run)
    page = Path(out) if out is not None else source / PAGE if source.is_dir() else source.with_suffix(".html")
    if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
        raise UsageError.of("FORMAT", page, "a page is an .html file", "Name it .html")
    check_files([page], [source if source.is_file() else None, samples, *scene], overwrite=overwrite)
    if source.suffix.lower() == ".json" and source.is_file():
        _refuse("an estimate", scene=scene, samples=samples)
        write_page(page, report_of_estimate(_table(source), files=[source.name] if _beside(page, source) else []))
    elif (source / _CARD).is_file():
        _refuse("a bundle", scene=scene, samples=samples)
        bundle = open_bundle(source)
        write_page(page, report_of_bundle(bundle, read_beside(bundle)))
    else:
        _of_run(source, page, scene, samples)
    return page


def _of_run(folder: Path, page: Path, scene: Sequence[str | Path], samples: str | Path | None) -> None:
    record = read_record(folder)
    write = _KINDS[_kind(folder, record)]
    if scene and write is not _segment:
        _refuse("a comparison", scene=scene)
    if samples is not None and write is _images:
        _refuse("a comparison of two images", samples=samples)
    shown = _scene(scene, record) if scene else []
    told = _estimated(samples, folder, record) if samples is not None else None
    try:
        write(_Request(folder, record, page, shown, told))
    except GeosegError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"does not say what a page needs ({type(error).__name__}: {error})"
        raise InputRefused.of(
            "RUN", folder / RECORD, what, "It may be of another version: make the run again"
        ) from error


def _segment(asked: _Request) -> None:
    mask = open_classes(asked.folder / MASK)
    scenes = asked.scenes or [asked.before[key] for key in (SCENE, EARLIER) if key in asked.before]
    if not scenes:
        log.warning("the page has no picture of the scene: no page is there to take it from; name it with --scene")
    legend = Legend(asked.legend.classes, mask.legend.nodata) if asked.run.get("classes") else mask.legend
    write_segment_page(asked.folder, asked.run, legend, mask.geobox, scenes, page=asked.page, estimated=asked.estimated)


def _change(asked: _Request) -> None:
    legend = asked.legend
    counts = np.asarray(asked.run["matrix"]["n_pixels"])
    codes = [legend.values[i] * 256 + legend.values[j] for i, j in np.argwhere(counts > 0).tolist()]
    changes = change_legend(legend, codes)
    raster = read_thin(asked.folder / "change.tif").astype(np.uint16)
    overview = ChangeOverview((raster >> 8).astype(np.uint8), (raster & 255).astype(np.uint8), raster)
    made = {p.key: p for p in pictures_of_change(asked.run, overview, legend=legend, changes=changes)}
    kept = {key: picture for key, picture in asked.before.items() if key in INPUTS}
    if not kept:
        log.warning("both maps are shown as change.tif has them: no page is there to take their pictures from")
    shown = [{**made, **kept}[key] for key in dict.fromkeys([*made, *kept])]
    write_change_page(asked.folder, asked.run, legend, changes, shown, page=asked.page, estimated=asked.estimated)


def _trajectory(asked: _Request) -> None:
    numbers = read_thin(asked.folder / "trajectory.tif").astype(np.int32)
    with (asked.folder / "trajectories.csv").open(newline="", encoding="utf-8") as file:
        rows = np.array([[int(v) for v in line["class_ids"].split()] for line in csv.DictReader(file)], np.uint8)
    rows = rows.reshape(-1, len(asked.run["dates"]["labels"]))
    write_trajectory_page(
        asked.folder, asked.run, asked.legend, numbers, rows, page=asked.page, estimated=asked.estimated
    )


def _images(asked: _Request) -> None:
    kept = [picture for key, picture in asked.before.items() if key in INPUTS]
    if not kept:
        log.warning("the page has no pictures of both images: no page is there to take them from")
    magnitudes = open_scene(asked.folder / "magnitude.tif")
    write_images_page(asked.folder, asked.run, asked.legend, magnitudes, kept, page=asked.page)


_KINDS: dict[str, Callable[[_Request], None]] = {
    MASK: _segment, "change.tif": _change, "trajectory.tif": _trajectory, "magnitude.tif": _images,
}  # fmt: skip
"""How a page is made, by the raster that tells a run."""


def _kind(folder: Path, record: Mapping[str, Any]) -> str:
    """The raster that tells the run."""
    wanted = "trajectory.tif" if record.get("kind") == "trajectory" else None
    if wanted is None and "plan" in record and "bundle" in record:
        wanted = MASK
    if wanted is None and "threshold" in record:
        wanted = "magnitude.tif"
    if wanted is None and "matrix" in record:
        wanted = "change.tif"
    if wanted is None or not (folder / wanted).is_file():
        what = "is no run of geoseg segment or geoseg change" if wanted is None else f"lacks {wanted}"
        raise InputRefused.of("RUN", folder, what, "Name the folder that such a run left, a bundle or an estimate")
    return wanted


def _table(path: Path) -> dict[str, Any]:
    """The table of an estimate; refused where it is none."""
    table = read_json(path, "ESTIMATE")
    try:
        report_of_estimate(table)
    except (KeyError, TypeError, ValueError, AttributeError):
        remedy = "Name what geoseg estimate --json wrote"
        raise InputRefused.of("ESTIMATE", path, "is no table of geoseg estimate", remedy) from None
    return dict(table)


def _estimated(samples: str | Path, folder: Path, record: Mapping[str, Any]) -> Estimated:
    """What samples say of the run's map."""
    path = Path(samples)
    if path.suffix.lower() == ".json":
        return estimated_of(_table(path))
    table = estimate(path, mask=folder / _kind(folder, record))
    for note in table.notes:
        log.warning("%s", note)
    return estimated_of(json.loads(table.to_json()))


def _scene(files: Sequence[str | Path], record: Mapping[str, Any]) -> list[Picture]:
    """The pictures of the scene as the run read it."""
    told = record.get("scene") or {}
    whole = open_scene([str(file) for file in files])
    scene: Scene = whole.select(told["bands"]) if told.get("bands") else whole
    if told.get("fingerprint") not in (None, scene.fingerprint):
        log.warning("%s is not the scene of the run, or has been written since", scene.name)
    return pictures_of_scene(scene, Seen(*read_overview(scene)))


def _beside(page: Path, other: Path) -> bool:
    return page.resolve().parent == other.resolve().parent


def _refuse(what: str, *, scene: Sequence[str | Path] = (), samples: str | Path | None = None) -> None:
    if scene:
        raise UsageError.of("SCENE", scene[0], f"is for the page of a segment run, and this is {what}", "Leave it out")
    if samples is not None:
        raise UsageError.of("SAMPLES", samples, f"is for the page of a map, and this is {what}", "Leave it out")
