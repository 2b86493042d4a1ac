"""Evaluate: the main path of ``geoseg evaluate``: a bundle, a scene and its labels to scores, pictures and a map of errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geoseg
from geoseg.config import EvaluateSettings
from geoseg.errors import Conflict, UsageError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.geobox import Window
from geoseg.jobs.plan import fitted
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.predict import Choice, choose, load_predictor
from geoseg.raster.align import crs_name
from geoseg.raster.env import gdal_env
from geoseg.raster.files import complete_or_absent
from geoseg.raster.scene import Scene, open_scene
from geoseg.raster.sidecars import sidecars
from geoseg.raster.tiles import usable_threads
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.labels import open_labels
from geoseg.training.scoring.confusion import Confusion
from geoseg.training.scoring.error_map import areas, write_error_map
from geoseg.training.scoring.evaluate import Measures
from geoseg.training.scoring.evaluate import evaluate as count
from geoseg.training.scoring.figures import confusion_png, reliability_png
from geoseg.training.scoring.mapper import Labelled, NetworkMapper
from geoseg.training.scoring.pairs import Pairs
from geoseg.training.scoring.report import table
from geoseg.training.settings.data import LabelSettings
from geoseg.vector.aoi import read_aoi
from geoseg.vector.measure import print_csv
from geoseg.vector.zones import read_zones

NAMES = (
    "scores.json", "confusion.png", "reliability.png", "areas.csv", "errors.tif", *sidecars("errors.tif"),
)  # fmt: skip
"""What is left in the folder."""

CAVEAT = "The figures hold for these pixels: of one scene, and as right as its labels are."

OnBlock = Callable[[int, int], None]
"""Called with blocks done and of all; blocks without a label are left out of the count when they are."""


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """The scores, as in ``scores.json``, and the folder with the rest if one was asked for."""

    folder: Path | None
    scores: dict[str, Any] = field(repr=False)

    def to_json(self) -> str:
        """The text of ``scores.json``."""
        return json.dumps(self.scores, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def table(self) -> str:
        """The scores for a person, in lines."""
        return table(self.scores)


def evaluate(
    bundle: Bundle | str | Path,
    scene: Scene | str | Path | Sequence[str | Path],
    labels: str | Path,
    out: str | Path | None = None,
    *,
    settings: EvaluateSettings | None = None,
    on_block: OnBlock | None = None,
    **options: Any,
) -> EvaluateResult:
    """Score the map that a bundle makes of a scene against labels.

    Parameters
    ----------
    bundle, scene
        As for :func:`geoseg.segment`; the map is the same.
    labels
        A raster of any codes or a vector file with a column of classes, in any CRS. What has no label is not scored.
    out
        Folder for ``scores.json``, ``confusion.png``, ``reliability.png``, ``areas.csv``, ``errors.tif``; none: no files.
    settings, options
        :class:`EvaluateSettings`, whole or as keywords.

    Returns
    -------
    EvaluateResult
        ``scores``, as in ``scores.json``, and ``table()`` for a person.

    Raises
    ------
    Conflict
        ``EXISTS``, ``INPUT``: the folder is there, or holds an input.
    InputRefused
        Those of :func:`geoseg.open_scene` and :func:`geoseg.training.data.labels.open_labels`; ``EMPTY``: no pixel to score.
    UsageError
        ``BOUNDARY``, ``LEGEND``, and those of :func:`geoseg.model.predict.choose`.

    Examples
    --------
    >>> names = {1: "built", 3: "low vegetation", 4: "low vegetation", 5: "tree", 6: "water"}
    >>> made = geoseg.evaluate("bundle", "scene.tif", "labels.tif", recode=names)
    >>> made.scores["overall"]["overall_accuracy"]["value"] > 0.6
    True
    """
    s = EvaluateSettings.either(settings, options)
    bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    whole = scene if isinstance(scene, Scene) else open_scene([scene] if isinstance(scene, str | Path) else list(scene))
    folder = None if out is None else Path(out)
    if folder is not None:
        inputs = [bundle.path, labels, s.aoi, s.zones, *(path for path, *_ in whole.stamps)]
        _check_folder(folder, inputs, overwrite=s.overwrite)
    if s.zone_field and not s.zones:
        raise UsageError.of("SETTING", "zone_field", "names a column of zones, which are not given", "Give zones too")
    labelled = _labelled(fitted(whole, bundle), bundle, str(labels), s)
    with ExitStack() as stack:
        stack.enter_context(gdal_env(threads=usable_threads()))
        target = stack.enter_context(complete_or_absent(folder)) if folder else None
        if target is not None:
            target.mkdir()
        scores = _run(bundle, labelled, s, target, on_block)
        result = EvaluateResult(folder, scores)
        if target is not None:
            (target / "scores.json").write_text(result.to_json(), "utf-8")
    return result


def _run(
    bundle: Bundle, labelled: LabelledScene, s: EvaluateSettings, target: Path | None, on_block: OnBlock | None
) -> dict[str, Any]:
    geobox = labelled.scene.geobox
    aoi = read_aoi(s.aoi, geobox) if s.aoi else None
    zones = read_zones(s.zones, geobox, field=s.zone_field) if s.zones else None
    choice = choose(
        bundle,
        device=s.device,
        backend=s.backend,
        precision=s.precision,
        batch_size=s.batch_size,
        threads=s.threads,
    )
    mapper = NetworkMapper.of(bundle, load_predictor(bundle, choice, threads=s.threads), tta=s.tta)
    found = count(
        mapper,
        [labelled],
        where=[aoi.allows] if aoi else None,
        zones=[zones] if zones else None,
        measures=Measures(boundary=s.boundary),
        on_piece=_progress(mapper, labelled, on_block),
        on_scene=_files(target, bundle) if target else None,
    )
    part = "inside --aoi" if aoi else "all labels"
    scores = found.scores(method=s.intervals, seed=s.seed, part=part, caveat=CAVEAT)
    scores["made_by"] = _made_by(bundle, labelled, choice, tta=s.tta)
    scores["notes"] += _notes(bundle, labelled)
    if target is not None:
        title = f"{bundle.name} on {labelled.name}, {scores['pixels']:,} pixels"
        confusion_png(target / "confusion.png", scores["confusion"], title)
        error = scores["overall"]["expected_calibration_error"]["value"]
        reliability_png(target / "reliability.png", scores["reliability"], error, title)
    return scores


def _labelled(scene: Scene, bundle: Bundle, path: str, s: EvaluateSettings) -> LabelledScene:
    settings = LabelSettings.of(
        path=path, band=s.label_band, nodata=s.label_nodata, layer=s.label_layer, field=s.label_field,
        width=s.label_width,
    )  # fmt: skip
    labels = open_labels(settings, scene.geobox, bundle.legend, s.recode)
    return LabelledScene(scene.name, scene, labels, bundle.legend)


def _progress(
    mapper: NetworkMapper, labelled: LabelledScene, on_block: OnBlock | None
) -> Callable[[Window], None] | None:
    if on_block is None:
        return None
    grid: BlockGrid = mapper.grid_of(labelled.shape)
    across = grid.counts[1]

    def report(window: Window) -> None:
        done = window.row // grid.block_size * across + window.col // grid.block_size + 1
        on_block(done, len(grid))

    return report


def _files(target: Path, bundle: Bundle) -> Callable[[Labelled, Pairs, Confusion], None]:
    """Write what needs the map itself, while it is there."""

    def write(labelled: Labelled, pairs: Pairs, confusion: Confusion) -> None:
        geobox = labelled.scene.geobox
        write_error_map(target / "errors.tif", geobox, pairs, legend=bundle.legend, confusion=confusion)
        header, rows = areas(geobox, pairs, bundle.legend)
        with (target / "areas.csv").open("w", newline="", encoding="utf-8") as file:
            print_csv(file, header, rows)

    return write


def _made_by(bundle: Bundle, labelled: LabelledScene, choice: Choice, *, tta: bool) -> dict[str, Any]:
    return {
        "software": f"geoseg {geoseg.__version__}",
        "bundle": bundle.id,
        "scene": f"{labelled.name}@sha256:{labelled.scene.fingerprint[:12]}",
        "backend": choice.backend,
        "device": choice.device,
        "precision": choice.precision,
        "tta": tta,
    }


def _notes(bundle: Bundle, labelled: LabelledScene) -> list[str]:
    notes = [*labelled.notes, *(str(finding) for finding in labelled.labels.findings())]
    return notes + _trained_here(bundle, labelled)


def _trained_here(bundle: Bundle, labelled: LabelledScene) -> list[str]:
    """A note where the card says that a scene of the same ground was trained on."""
    training = json.loads(bundle.card)["properties"]["geoseg:bundle"]["training"]
    crs, (left, bottom, right, top) = crs_name(labelled.scene.geobox), labelled.scene.geobox.bounds
    scenes = training.get("scenes")  # other makers state what they like, in any form
    for scene in scenes if isinstance(scenes, list) else ():
        match scene:
            case {"name": str(name), "crs": its, "bounds": [west, south, east, north]} if its == crs:
                pass
            case _:
                continue
        if not all(isinstance(edge, int | float) for edge in (west, south, east, north)):
            continue
        if left < east and west < right and bottom < north and south < top:
            return [
                f"the bundle was trained on {name}, which covers ground of this scene: these are no figures of unseen "
                "places, unless the labels, or --aoi, keep to what was held out"
            ]
    return []


def _check_folder(folder: Path, inputs: Sequence[str | Path | None], *, overwrite: bool) -> None:
    """Refuse a folder that would be replaced: one that is there, or that holds an input or files of others."""
    if folder.exists() and not folder.is_dir():
        raise UsageError.of("OUT", folder, "is a file", "Name a folder for the outputs")
    if not folder.exists():
        return
    here = folder.resolve()
    for path in inputs:
        if (
            path is not None
            and "://" not in str(path)
            and here in (Path(path).resolve(), *Path(path).resolve().parents)
        ):
            raise Conflict.of("INPUT", folder, f"holds the input {Path(path).name}", "Choose another folder")
    if not overwrite:
        raise Conflict.of("EXISTS", folder, "exists", "Add --overwrite, or choose another folder")
    strange = sorted(item.name for item in folder.iterdir() if item.name not in NAMES)
    if strange:
        what = f"holds {strange[0]}, which is none of this command's files, and would be replaced as a whole"
        raise Conflict.of("EXISTS", folder, what, "Choose another folder")
