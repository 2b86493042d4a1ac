"""Trial: a network trained on one split of the data, and what it reaches on the places that were kept from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy.typing as npt
from torch import nn

from geoseg.legend import Legend
from geoseg.model.bundle import BundleFacts, NetworkSpec, save_bundle
from geoseg.model.card import Units
from geoseg.model.network import build, load_weights
from geoseg.model.receptive import LARGEST_HALO, halo_of
from geoseg.model.scale import scale_logits
from geoseg.training.augment.augmenter import Augmenter
from geoseg.training.data.cells import SceneCells, count_parts
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.statistics import statistics
from geoseg.training.fitting.distributed import share_of
from geoseg.training.fitting.fit import Fitted, Progress, fit
from geoseg.training.fitting.losses import make_loss
from geoseg.training.fitting.record import Keep
from geoseg.training.fitting.start import Start, begin, spec_of
from geoseg.training.sampling.samples import Samples, make_samples
from geoseg.training.sampling.weights import class_weights
from geoseg.training.scoring.baseline import fit_baseline
from geoseg.training.scoring.confusion import kappa, macro_f1, mean_iou, overall_accuracy
from geoseg.training.scoring.evaluate import Evaluation, Measures, evaluate, in_part
from geoseg.training.scoring.logits import sample_logits
from geoseg.training.scoring.mapper import NetworkMapper
from geoseg.training.scoring.temperature import LogitSample
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import NONE, TEST, TRAIN, VALIDATION, Split

Arrays = Mapping[str, npt.NDArray[Any]]
OnStep = Callable[[str, Progress], None]
"""Called after each step of a fit with the name of the split and where the fit stands."""

_LOOKED_AT = Measures(boundary=None, calibration=False)  # while training

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Data:
    """What the trials of a job share."""

    settings: TrainSettings
    scenes: tuple[LabelledScene, ...]
    cells: tuple[SceneCells, ...]

    @property
    def legend(self) -> Legend:
        """The classes."""
        return self.settings.legend

    @property
    def units(self) -> Units:
        """What pixel values are."""
        return "reflectance" if self.scenes[0].scene.units == "reflectance" else "dn"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trained network.

    Attributes
    ----------
    facts
        What a card says of it, but for description and scores.
    weights
        Its state dict.
    halo
        How the halo was found; empty where the job states it.
    sample
        Logits of pixels that were not trained on, of the validation part if there is one, else of the test part.
    part
        The part of the split that ``evaluation`` is of: TEST, VALIDATION or NONE.
    evaluation, baseline
        Counts of its map, and of gradient boosting trained and tested on the same pixels, where that was asked for.
    """

    split: Split
    facts: BundleFacts
    weights: Arrays
    fitted: Fitted
    halo: Mapping[str, Any]
    sample: LogitSample | None = None
    part: int = NONE
    evaluation: Evaluation | None = None
    baseline: Evaluation | None = None

    @property
    def network(self) -> NetworkSpec:
        """What the weights are of."""
        assert self.facts.network is not None
        return self.facts.network


def run_trial(data: Data, split: Split, *, keep: Keep | None = None, on_step: OnStep | None = None) -> Trial:
    """Train a network on the training part of a split; :func:`score_trial` says what it reaches.

    Parameters
    ----------
    keep
        Where checkpoints are kept; what lies there is gone on with.
    """
    settings = data.settings
    facts, start, samples = prepare(data, split)
    _rehearse(facts, start)
    for note in start.notes:
        log.info("%s", note)
    weights = class_weights(
        count_parts(data.scenes, split, data.cells)[:, TRAIN].sum(axis=0), settings.loss, data.legend
    )
    fitted = fit(
        start, samples, settings.fit,
        loss=make_loss(settings.loss, None if settings.loss.weights == "none" else weights),
        validate=_validator(data, split, facts), keep=keep,
        on_step=None if on_step is None else lambda progress: on_step(split.name, progress),
    )  # fmt: skip
    facts, halo = _with_halo(facts, settings, fitted.weights)
    trial = Trial(split, facts, fitted.weights, fitted, halo)
    unseen = VALIDATION if split.pixels(VALIDATION) else TEST
    mapper = NetworkMapper.of_weights(facts, trial.weights)
    return replace(
        trial, sample=sample_logits(mapper, data.scenes, where=in_part(split, unseen), seed=settings.fit.seed)
    )


def score_trial(trial: Trial, data: Data, temperature: float) -> Trial:
    """Map the part that was kept, with logits divided by ``temperature``, and count; with the baseline if it is asked for.

    Without a test part the validation part is scored, and nothing where there is none either.
    """
    settings, split = data.settings, trial.split
    part = TEST if split.pixels(TEST) else VALIDATION if split.pixels(VALIDATION) else NONE
    if part == NONE:
        return trial
    weights = scale_logits(trial.network, trial.weights, 1 / temperature)
    mapper = NetworkMapper.of_weights(trial.facts, weights, tta=settings.scores.tta)
    where, measures = in_part(split, part), Measures(boundary=settings.scores.boundary)
    trial = replace(trial, part=part, evaluation=evaluate(mapper, data.scenes, where=where, measures=measures))
    if not settings.scores.baseline:
        return trial
    boosted = fit_baseline(data.scenes, data.legend, where=in_part(split, TRAIN), seed=settings.fit.seed)
    return replace(trial, baseline=evaluate(boosted, data.scenes, where=where, measures=measures))


def prepare(data: Data, split: Split) -> tuple[BundleFacts, Start, Samples]:
    """The network before its training, and what it is going to see."""
    settings, legend = data.settings, data.legend
    bands = statistics(data.scenes, split)
    choice = settings.network
    classes, dates = [item.name for item in legend.classes], settings.dates
    start = begin(choice, bands=settings.bands, classes=classes, seed=settings.fit.seed, dates=dates)
    facts = BundleFacts(
        name=settings.name, bands=bands, legend=legend, units=data.units, chip_size=settings.chip_size,
        halo=_provisional_halo(settings, start.stride), align=start.stride,
        network=spec_of(choice, bands=len(settings.bands), classes=len(classes), dates=dates),
        description=settings.description, licence=settings.licence,
    )  # fmt: skip
    return facts, start, samples_of(data, split, facts, augmented=True)


def _rehearse(facts: BundleFacts, start: Start) -> None:
    """Save the untrained network as a bundle and drop it: what a bundle cannot be is said before the training, not after."""
    with TemporaryDirectory() as folder:
        save_bundle(Path(folder, facts.name), facts, weights=start.network.state_dict())


def samples_of(data: Data, split: Split, facts: BundleFacts, *, augmented: bool) -> Samples:
    """Crops of the training part of a split; this process's share of each batch."""
    settings = data.settings
    counts = count_parts(data.scenes, split, data.cells)[:, TRAIN].sum(axis=0)
    augmenter = Augmenter.of(settings.augment, bands=facts.bands, crop=settings.samples.crop, counts=counts.tolist())
    size, first = share_of(settings.fit.batch_size)
    return make_samples(
        data.scenes, split, facts.bands, data.legend, settings=settings.samples,
        augment=augmenter if augmented else None, batch_size=size, seed=settings.fit.seed, first=first,
    )  # fmt: skip


def _validator(data: Data, split: Split, facts: BundleFacts) -> Callable[[nn.Module], Mapping[str, float]] | None:
    """Scores on the validation part, for the fit; None without one."""
    if not split.pixels(VALIDATION):
        return None
    where = in_part(split, VALIDATION)

    def validate(network: nn.Module) -> Mapping[str, float]:
        found = evaluate(NetworkMapper.of_module(facts, network), data.scenes, where=where, measures=_LOOKED_AT)
        return {
            score.__name__: float(score(found.confusion)) for score in (mean_iou, kappa, macro_f1, overall_accuracy)
        }

    return validate


def _provisional_halo(settings: TrainSettings, align: int) -> int:
    """The halo that the job states, or the largest that ``auto`` may become."""
    return settings.halo if settings.halo != "auto" else int(settings.chip_size * LARGEST_HALO) // align * align


def _with_halo(facts: BundleFacts, settings: TrainSettings, weights: Arrays) -> tuple[BundleFacts, dict[str, Any]]:
    """The facts with the halo that the fitted network needs, and how it was found."""
    if settings.halo != "auto":
        return facts, {}
    assert facts.network is not None and facts.align is not None
    network = build(facts.network)
    load_weights(network, dict(weights), facts.name)
    halo = halo_of(network.eval(), facts.network, chip_size=facts.chip_size, align=facts.align)
    return replace(facts, halo=halo.pixels), halo.facts()
