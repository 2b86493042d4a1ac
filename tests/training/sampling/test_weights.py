"""Weights: rarer classes weigh more, by the published formula, and on average a labelled pixel weighs 1."""

from typing import Any

import numpy as np
import pytest

from geoseg.errors import UsageError
from geoseg.legend import Legend
from geoseg.training.sampling.weights import class_weights
from geoseg.training.settings.fit import LossSettings

LEGEND = Legend.of({1: "water", 4: "crop", 5: "built"})
COUNTS = np.array([700, 200, 100])


def weights_of(counts: Any = COUNTS, **settings: Any) -> np.ndarray:
    return class_weights(np.array(counts), LossSettings.of(**settings), LEGEND)


@pytest.mark.parametrize(
    "settings",
    [{}, {"weights": "auto"}, {"weights": "auto", "beta": 0.99}, {"weights": {"water": 3.0, "5": 0.5}}],
)
def test_a_labelled_pixel_weighs_1_on_average(settings: dict[str, Any]) -> None:
    assert (weights_of(**settings) * COUNTS).sum() / COUNTS.sum() == pytest.approx(1)


def test_auto_makes_classes_count_alike_as_a_whole() -> None:
    assert np.ptp(weights_of(weights="auto") * COUNTS) == pytest.approx(0, abs=1e-4)


def test_the_effective_number_is_that_of_cui_et_al() -> None:
    beta = 0.999
    published = (1 - beta) / (1 - beta ** COUNTS.astype(float))
    weights = weights_of(weights="auto", beta=beta)
    assert weights / weights[0] == pytest.approx(published / published[0], rel=1e-6)
    assert weights_of([10**9, 1, 0], weights="auto", beta=1 - 1e-12)[2] == 0


def test_a_table_names_classes_by_name_or_value_and_leaves_the_others_at_1() -> None:
    weights = weights_of(weights={"water": 3.0, "5": 0.5})
    assert weights / weights[1] == pytest.approx([3.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("counts", "table"), [(COUNTS, {"sea": 1.0}), (COUNTS, {"water": 1.0, "1": 2.0}), ([5, 0, 0], {"water": 0.0})]
)
def test_a_table_that_cannot_be_meant_is_refused(counts: Any, table: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"SETTING|LEGEND"):
        weights_of(counts, weights=table)
