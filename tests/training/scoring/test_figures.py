"""Figures: pictures of the counts, the same bytes each time, whatever the names of classes are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoseg.errors import UsageError
from geoseg.legend import Legend
from geoseg.training.scoring.evaluate import evaluate
from geoseg.training.scoring.figures import confusion_png, reliability_png
from tests.helpers.mapping import ArrayMapper, random_scene


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    told = evaluate(ArrayMapper(), [random_scene((64, 64))]).scores()
    for name in ("one", "two"):
        confusion_png(tmp_path / f"{name}-c.png", told["confusion"], "a map")
        reliability_png(tmp_path / f"{name}-r.png", told["reliability"], 0.1, "a map")
    for kind in "cr":
        assert (tmp_path / f"one-{kind}.png").read_bytes() == (tmp_path / f"two-{kind}.png").read_bytes()
        with Image.open(tmp_path / f"one-{kind}.png") as picture:
            assert picture.width > 300 and len(np.unique(np.asarray(picture.convert("L")))) > 20
            assert not picture.info.keys() & {"Software", "Creation Time"}


def test_names_of_any_kind_and_classes_without_pixels_are_drawn(tmp_path: Path) -> None:
    legend = Legend.of({1: "$x^2 \\broken", 2: "a " * 60, 5: "line\nbreak <&>", 7: "nowhere"})
    told = evaluate(ArrayMapper(legend), [random_scene((64, 64))]).scores()
    confusion_png(tmp_path / "c.png", told["confusion"], "$ a title $" * 20)
    empty = [{**row, "pixels": 0, "accuracy": None, "confidence": None} for row in told["reliability"]]
    reliability_png(tmp_path / "r.png", empty, None, "nothing")
    many = {"classes": [str(i) for i in range(60)], "counts": np.eye(60, dtype=int).tolist(), "missed": [0] * 60}
    confusion_png(tmp_path / "m.png", many, "many")
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "r.png", "m.png"}


def test_a_figure_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="FORMAT"):
        confusion_png(tmp_path / "c.svg", {"classes": ["a"], "counts": [[1]], "missed": [0]}, "a map")
