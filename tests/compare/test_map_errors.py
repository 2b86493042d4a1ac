"""Errors of a map, from a number, from scores, from the map."""

import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.compare.map_errors import MapErrors, read_errors
from geoseg.errors import InputRefused, UsageError
from geoseg.legend import Legend

LEGEND = Legend.of(["water", "tree", "bare"])


def scores(**changes: object) -> dict[str, object]:
    return {
        "overall": {"overall_accuracy": {"value": 0.9, "low": 0.86, "high": 0.94}},
        "confusion": {"classes": ["Tree", "water", "ice"], "counts": [[80, 20, 0], [0, 95, 5], [0, 0, 9]], "missed": []},
    } | changes  # fmt: skip


def test_an_accuracy_is_spread_evenly() -> None:
    found = read_errors("0.94", LEGEND)
    assert np.allclose(found.matrix, [[0.94, 0.03, 0.03], [0.03, 0.94, 0.03], [0.03, 0.03, 0.94]])
    assert np.isinf(found.labels).all()
    assert np.array_equal(found.drawn(np.random.default_rng(1)), found.matrix)


@pytest.mark.parametrize("text", ["0.9+-0.02", "0.9 ± 0.02", "0.9+/-0.02"])
def test_an_accuracy_with_its_interval(text: str) -> None:
    found, rng = read_errors(text, LEGEND), np.random.default_rng(2)
    drawn = [np.diagonal(found.drawn(rng)).mean() for _ in range(4000)]
    assert 1.96 * np.std(drawn) == pytest.approx(0.02, rel=0.06)


def test_scores_are_joined_by_name_and_worth_what_their_interval_says(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(scores()))
    found = read_errors(str(tmp_path), LEGEND)
    assert np.allclose(found.matrix[0], [1, 0, 0]), "water: 95 right, and 5 of a class that these maps do not have"
    assert np.allclose(found.matrix[1], [0.2, 0.8, 0])
    assert np.allclose(found.matrix[2], [0.05, 0.05, 0.9]), "bare was in no label: the overall accuracy"
    worth = 0.9 * 0.1 / (0.08 / (2 * 1.959964)) ** 2 / 209
    assert found.labels[:2] == pytest.approx([95 * worth, 100 * worth], rel=1e-6)


@pytest.mark.parametrize("given", [0.2, 1.1, "-1", "0.9+-2", "1e", "0..9"])
def test_what_is_no_accuracy_is_refused(given: str | float) -> None:
    with pytest.raises(UsageError, match="ERRORS: "):
        read_errors(given, LEGEND)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", json.dumps(scores(confusion={"classes": ["a"], "counts": [[3]]})),
     json.dumps(scores(confusion={"classes": ["water"], "counts": [[-3]]})),
     json.dumps(scores(confusion={"classes": ["water", "tree"], "counts": [[5, 5], [5, 5]]}))],
)  # fmt: skip
def test_scores_that_say_nothing_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(InputRefused, match="ERRORS: "):
        read_errors(str(path), LEGEND)
    with pytest.raises(InputRefused, match="is not there"):
        read_errors(str(tmp_path / "nothing.json"), LEGEND)


def test_few_specks_teach_nothing() -> None:
    found = MapErrors.of_specks(np.zeros((3, 3), np.int64))
    assert found.specks
    assert np.array_equal(found.matrix, np.eye(3))
    wild = MapErrors.of_specks(np.full((3, 3), 1000))
    assert np.array_equal(wild.matrix, np.eye(3))
