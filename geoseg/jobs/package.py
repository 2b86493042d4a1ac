"""Package: what a trained bundle says of itself: scores, card, self-test sample and the files beside the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.model.bundle import BundleFacts
from geoseg.raster.normalize import Normalization, normalize
from geoseg.training.checking.finding import Finding
from geoseg.training.data.digest import Dataset
from geoseg.training.fitting.curves import CURVES, METRICS
from geoseg.training.scoring.baseline import compare
from geoseg.training.scoring.evaluate import Evaluation
from geoseg.training.scoring.figures import confusion_png, reliability_png
from geoseg.training.scoring.temperature import Temperature, fit_temperature
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import TRAIN, VALIDATION, Split
from geoseg.training.splits.split_files import split_geojson, split_png
from geoseg.training.summary import card_scores, part_of
from geoseg.training.trial import Data, Trial

SELF_TEST_CHIPS = 8
SELF_TEST_SIDE = 64
_FIGURES = ("overall_accuracy", "kappa", "macro_f1", "mean_iou")


def temperature_of(trials: Sequence[Trial]) -> Temperature:
    """One temperature, from all pixels that a network had not seen; 1 where there are none."""
    samples = [trial.sample for trial in trials if trial.sample is not None]
    if not samples:
        return Temperature(1.0, 0, 0, (0.0, 0.0), (0.0, 0.0))
    together = samples[0]
    for sample in samples[1:]:
        together = together + sample
    return fit_temperature(together)


def temperatures_to_score(trials: Sequence[Trial]) -> list[float]:
    """The temperature that each trial is scored with: of the validation part, else of the other folds, else of the test part.

    Where windows overlap, other folds hold pixels of a fold too, mapped by networks that have not seen them either.
    """
    found = []
    for i, trial in enumerate(trials):
        own = trial.split.pixels(VALIDATION) or len(trials) == 1
        found.append(temperature_of([trial] if own else [*trials[:i], *trials[i + 1 :]]).value)
    return found


def scores_of_trials(trials: Sequence[Trial], settings: TrainSettings) -> dict[str, Any]:
    """``scores.json``: of all folds together, of each, and against the baseline; empty where nothing was kept."""
    made = {trial.split.name: trial.evaluation for trial in trials if trial.evaluation is not None}
    boosted = {trial.split.name: trial.baseline for trial in trials if trial.baseline is not None}
    if not made:
        return {}
    how, seed = settings.scores.intervals, settings.fit.seed
    scores = _sum(made).scores(method=how, seed=seed, part=part_of(trials, settings.split), caveat=settings.caveat)
    if len(made) > 1:
        scores |= _folds(made, how=how, seed=seed)
    if boosted:
        scores["baseline"] = compare(_sum(made), _sum(boosted), method=how, seed=seed)
        if len(boosted) > 1:
            scores["baseline"] |= _folds(boosted, how=how, seed=seed)
    return scores


def facts_of_bundle(
    trial: Trial, settings: TrainSettings, dataset: Dataset, *, temperature: Temperature, scores: Mapping[str, Any]
) -> BundleFacts:
    """What the card says of the network of ``trial``."""
    training = {
        **dataset.facts,
        "steps": trial.fitted.step,
        "fit": settings.fit.model_dump(mode="json", exclude={"device", "checkpoint_every", "tensorboard"}),
        **{name: getattr(settings, name).model_dump(mode="json") for name in ("samples", "augment", "loss")},
        "start": settings.network.model_dump(mode="json", include={"freeze", "layer_decay"}),
        "calibration": temperature.facts(_fitted_on(trial, settings)),
    }
    if trial.halo:
        training["halo"] = dict(trial.halo)
    told = card_scores(scores, scores.get("baseline")) if scores else {}
    return replace(trial.facts, scores=told, training=training)


def _fitted_on(trial: Trial, settings: TrainSettings) -> str:
    """What the temperature is of, in words."""
    validated = trial.split.pixels(VALIDATION) > 0
    if settings.split.folds:
        if validated or (settings.split.by != "windows" and settings.split.validation > 0):
            return "the validation parts of the folds"
        return "the folds, each by the network that has not seen it"
    if trial.sample is None:
        return "nothing: no part was kept"
    return "the validation part" if validated else "the test part, which is scored with it"


def files_beside(
    folder: Path, data: Data, splits: Sequence[Split], *, scores: Mapping[str, Any], findings: Sequence[Finding]
) -> dict[str, bytes]:
    """The files beside the model, by name; ``folder`` is that of the fit whose network it is."""
    files = {
        "split.geojson": split_geojson(data.scenes, splits),
        "split.png": split_png(data.scenes, splits),
        "findings.json": _json([finding.to_json() for finding in findings]),
        **{name: (folder / name).read_bytes() for name in (METRICS, CURVES) if (folder / name).is_file()},
    }
    if not scores:
        return files
    with TemporaryDirectory(dir=folder) as made:
        drawn = {name: Path(made, name) for name in ("confusion.png", "reliability.png")}
        confusion_png(drawn["confusion.png"], scores["confusion"], data.settings.name)
        error = scores["overall"]["expected_calibration_error"]["value"]
        reliability_png(drawn["reliability.png"], scores["reliability"], error, data.settings.name)
        files |= {name: path.read_bytes() for name, path in drawn.items() if path.is_file()}
    return {**files, "scores.json": _json(scores)}


def self_test_sample(data: Data, split: Split, facts: BundleFacts) -> npt.NDArray[np.float32] | None:
    """A few normalized chips (n, bands, side, side), those with most valid pixels, from kept places first; None if too small."""
    assert facts.align is not None
    side = -(-SELF_TEST_SIDE // facts.align) * facts.align
    side = facts.chip_size if facts.fixed_size else side
    found = sorted(_squares(data, split, side), key=lambda square: square[0], reverse=True)[:SELF_TEST_CHIPS]
    images = []
    for _, number, window in found:
        scene = data.scenes[number]
        image, valid, _ = scene.read(window)
        norm = Normalization.of(scene.scene, [band.mean for band in facts.bands], [band.std for band in facts.bands])
        images.append(normalize(image, valid, norm))
    return np.stack(images) if images else None


def _squares(data: Data, split: Split, side: int) -> Iterator[tuple[tuple[bool, int], int, Window]]:
    """(whether it was kept, valid pixels), scene and window of squares around labels: a few hundred of each scene at most."""
    for number, (cells, parts) in enumerate(zip(data.cells, split.scenes, strict=True)):
        rows, cols = cells.shape
        if rows < side or cols < side:
            continue
        most = np.argsort(-cells.counts.sum(axis=1), kind="stable")[:200]
        seen = set()
        for row, col in zip(*(at[most].tolist() for at in cells.centres), strict=True):
            window = Window(
                min(max(row - side // 2, 0), rows - side), min(max(col - side // 2, 0), cols - side), side, side
            )
            if window not in seen:
                seen.add(window)
                _, valid, _ = data.scenes[number].read(window)
                kept = bool((parts.read(window) != TRAIN).all())
                yield (kept, int(valid.sum())), number, window


def _sum(made: Mapping[str, Evaluation]) -> Evaluation:
    first, *others = made.values()
    for other in others:
        first = first + other
    return first


def _folds(made: Mapping[str, Evaluation], *, how: Any, seed: int) -> dict[str, Any]:
    """The figures of each fold, and their mean."""
    folds = {}
    for name, evaluation in made.items():
        overall = evaluation.scores(method=how, seed=seed)["overall"]
        folds[name] = {figure: overall[figure] for figure in _FIGURES}
    mean = {figure: _mean([fold[figure]["value"] for fold in folds.values()]) for figure in _FIGURES}
    return {"folds": folds, "mean_of_folds": mean}


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one is not defined, as the kappa of a fold of one class."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 6) if len(known) == len(values) else None


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
