"""Metrics and curves: nothing is told twice, a line that was cut is forgotten, the same lines give the same picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import UsageError  # noqa: E402
from geoseg.training.fitting.curves import Metrics, draw_curves, read_metrics  # noqa: E402
from tests.helpers.fitting import run  # noqa: E402


def test_lines_after_the_step_that_is_gone_on_from_are_dropped(tmp_path: Path) -> None:
    with Metrics(tmp_path, 0) as metrics:
        for step in range(1, 6):
            metrics.add(step, loss=1 / step)
        metrics.add(4, mean_iou=None)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    with Metrics(tmp_path, 3) as metrics:
        metrics.add(4, loss=9.0)
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path / "metrics.jsonl")] == [
        (1, 1.0), (2, 0.5), (3, 1 / 3), (4, 9.0)
    ]  # fmt: skip


def test_the_same_lines_give_the_same_picture_and_none_give_one_too(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 2 / step, "learning_rate": 1.0 / step} for step in range(1, 40)]
    lines += [{"step": 20, "mean_iou": 0.4}, {"step": 39, "mean_iou": None}]
    for name in ("a.png", "b.png"):
        draw_curves(lines, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_curves([], tmp_path / "none.png")
    assert (tmp_path / "none.png").read_bytes()[:4] == b"\x89PNG"


def test_a_fit_writes_each_step_and_each_look_once(tmp_path: Path) -> None:
    fitted = run(tmp_path)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 13))
    assert [{"step": line["step"], "mean_iou": line["mean_iou"]} for line in lines if "mean_iou" in line] == list(
        fitted.history
    )


def test_tensorboard_is_written_where_it_is_installed_and_else_asked_for(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(UsageError, match="pip install tensorboard"):
            run(tmp_path, tensorboard=True)
    else:
        run(tmp_path, tensorboard=True, steps=2)
        assert list((tmp_path / "tensorboard").iterdir())
