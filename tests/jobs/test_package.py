"""What a bundle says of itself: scores of folds that are not all defined, and which pixels its confidence is fitted on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from geoseg.jobs.package import facts_of_bundle, scores_of_trials
from geoseg.model.bundle import BandSpec, BundleFacts, NetworkSpec
from geoseg.training.data.digest import Dataset
from geoseg.training.fitting.fit import Fitted
from geoseg.training.scoring.evaluate import Measures, evaluate
from geoseg.training.scoring.report import table
from geoseg.training.scoring.temperature import LogitSample, Temperature
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import TEST, TRAIN, VALIDATION, SceneSplit, Split
from geoseg.training.trial import Trial
from tests.helpers.jobs import job
from tests.helpers.mapping import LEGEND, ArrayMapper, ArrayScene

BANDS = (BandSpec("red", 100.0, 50.0), BandSpec("nir", 100.0, 40.0))
FACTS = BundleFacts(
    "tiny", bands=BANDS, legend=LEGEND, chip_size=32, halo=8, network=NetworkSpec("Conv1x1", "none", 2, 3)
)
UNFITTED = Temperature(1.0, 0, 0, (0.0, 0.0), (0.0, 0.0))
SAMPLE = LogitSample(np.zeros((1, 3), np.float32), np.zeros(1, np.uint8), np.zeros(1), 1)


def trial(name: str, *parts: int, mask: np.ndarray | None = None) -> Trial:
    """A trial on a scene of one row of pixels for each part; ``mask`` is what it maps, and what is true."""
    split = Split(name, tuple(SceneSplit.all_of((1, 64), part) for part in parts))
    made = Trial(split, FACTS, {}, Fitted({}, 1, 1), {}, sample=SAMPLE if set(parts) - {TRAIN} else None)
    if mask is None:
        return made
    scene = ArrayScene(mask, mask, np.ones(mask.shape, bool))
    return replace(made, part=TEST, evaluation=evaluate(ArrayMapper(), [scene], measures=Measures(None, False)))


def folds(**split: Any) -> TrainSettings:
    return job({"scene": "s.tif", "labels": "l.tif"}, split=split)


def test_the_mean_of_folds_is_none_where_a_fold_has_no_such_score() -> None:
    both = np.repeat(np.array([[1, 2]], np.uint8), 32, axis=1)
    one_class = np.full((1, 64), 2, np.uint8)  # chance is certain: no kappa
    scores = scores_of_trials([trial("fold 1", TEST, mask=both), trial("fold 2", TEST, mask=one_class)], folds(folds=2))
    assert scores["folds"]["fold 1"]["kappa"]["value"] == 1.0 and scores["folds"]["fold 2"]["kappa"]["value"] is None
    assert scores["mean_of_folds"]["kappa"] is None and scores["mean_of_folds"]["overall_accuracy"] == 1.0
    assert "mean of folds" in table(scores)


@pytest.mark.parametrize(
    ("split", "parts", "said"),
    [
        ({"folds": 2, "validation": 0.0}, (TRAIN,), "the folds, each by the network that has not seen it"),
        ({"folds": 2, "validation": 0.2}, (TRAIN,), "the validation parts of the folds"),
        ({}, (TRAIN, VALIDATION, TEST), "the validation part"),
        ({"validation": 0.0}, (TRAIN, TEST), "the test part, which is scored with it"),
        ({"validation": 0.0, "test": 0.0}, (TRAIN,), "nothing: no part was kept"),
    ],
)
def test_the_card_says_which_pixels_the_temperature_is_of(
    split: dict[str, Any], parts: tuple[int, ...], said: str
) -> None:
    last = trial("whole" if "folds" in split else "split", *parts)
    facts = facts_of_bundle(last, folds(**split), Dataset("", {}), temperature=UNFITTED, scores={})
    assert said in facts.training["calibration"].values()
