"""The loop: it learns, gives the same weights each time and after any stop, and says what went wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import BundleError, Conflict, InputRefused, UsageError  # noqa: E402
from geoseg.training.fitting.curves import read_metrics  # noqa: E402
from geoseg.training.fitting.fit import Progress, fit  # noqa: E402
from geoseg.training.fitting.losses import make_loss  # noqa: E402
from geoseg.training.fitting.record import Keep  # noqa: E402
from geoseg.training.fitting.start import Start  # noqa: E402
from geoseg.training.settings.fit import LossSettings  # noqa: E402
from tests.helpers.fitting import Drawing, Drawn, accuracy, equal, run, settings, start  # noqa: E402

KEPT = {"checkpoint.json", "metrics.jsonl", "curves.png", ".lock", "step-00000012.safetensors"}


def in_process(root: Path, folder: Path, **keys: Any) -> int:
    """Exit status of a fit in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "tests.helpers.fitting", str(folder), json.dumps(keys)]
    return subprocess.run(command, env=environment, cwd=root, check=False, capture_output=True).returncode


def test_a_network_learns_and_the_same_settings_give_the_same_weights() -> None:
    first, again, other = (run(None, steps=30, seed=seed) for seed in (0, 0, 1))
    assert equal(first.weights, again.weights) and not equal(first.weights, other.weights)
    assert [look["step"] for look in first.history] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert max(look["mean_iou"] for look in first.history) > 0.7


def test_what_was_set_in_torch_before_is_set_after() -> None:
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    run(None, steps=2)
    assert torch.get_num_threads() == 2 and not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(before, torch.get_rng_state())


class Stopped(Exception):
    pass


@pytest.mark.parametrize("kind", ["dropout", "unet"])
@pytest.mark.parametrize(
    "options", [{}, {"accumulate": 2, "ema": 0.0, "clip": 0.5, "schedule": "cosine"}], ids=["", "more"]
)
def test_a_fit_that_stops_anywhere_and_is_run_again_ends_the_same(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    whole = run(tmp_path / "whole", kind=kind, **options)

    def stop_at(step: int) -> Any:
        def report(progress: Progress) -> None:
            if progress.step == step:
                raise Stopped

        return report

    for step in (2, 7, 8):
        with pytest.raises(Stopped):
            run(tmp_path / "parts", kind=kind, on_step=stop_at(step), **options)
    parts = run(tmp_path / "parts", kind=kind, **options)
    assert equal(whole.weights, parts.weights)
    assert (parts.history, parts.steps, parts.step) == (whole.history, whole.steps, whole.step)
    for name in ("metrics.jsonl", "curves.png", "step-00000012.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert {path.name for path in (tmp_path / "parts").iterdir()} == KEPT


def test_a_fit_that_ended_is_not_done_again(tmp_path: Path) -> None:
    whole = run(tmp_path)
    samples = Drawing()
    again = fit(
        start("dropout"), samples, settings(), validate=accuracy, keep=Keep(tmp_path, "a job"),
        loss=make_loss(LossSettings.of(terms={"cross_entropy": 1.0, "dice": 0.5})),
    )  # fmt: skip
    assert equal(whole.weights, again.weights) and again.history == whole.history and not samples.drawn


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dropout", "unet"])
def test_killed_processes_leave_what_ends_in_the_same_weights(tmp_path: Path, root: Path, kind: str) -> None:
    assert in_process(root, tmp_path / "whole", kind=kind) == 0
    for step in (3, 5, 9):
        assert in_process(root, tmp_path / "parts", kind=kind, die_at=step) == -signal.SIGKILL
    assert in_process(root, tmp_path / "parts", kind=kind) == 0
    with np.load(tmp_path / "whole/weights-0.npz") as whole, np.load(tmp_path / "parts/weights-0.npz") as parts:
        assert equal(whole, parts)
    assert [line["step"] for line in read_metrics(tmp_path / "parts/metrics.jsonl") if "loss" in line] == [
        *range(1, 13)
    ]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_waits_for_the_step_and_leaves_a_checkpoint_of_it(tmp_path: Path, name: str) -> None:
    def handler(number: int, frame: object) -> None:
        raise Stopped

    def report(progress: Progress) -> None:
        if progress.step == 5:
            signal.raise_signal(getattr(signal, name))

    before = signal.signal(getattr(signal, name), handler)
    try:
        with pytest.raises(Stopped):
            run(tmp_path, on_step=report)
        assert signal.getsignal(getattr(signal, name)) is handler
    finally:
        signal.signal(getattr(signal, name), before)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["step"] == 5
    assert equal(run(None).weights, run(tmp_path).weights)


def test_a_checkpoint_of_another_job_or_other_settings_is_refused_and_stays(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "checkpoint.json").read_bytes()
    with pytest.raises(Conflict, match="CHECKPOINT"):
        run(tmp_path, learning_rate=0.01)
    assert (tmp_path / "checkpoint.json").read_bytes() == before


def test_how_often_checkpoints_are_written_may_change_between_runs(tmp_path: Path) -> None:
    assert equal(run(tmp_path).weights, run(tmp_path, checkpoint_every=5).weights)


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "json", "no digest", "no best"])
def test_a_damaged_checkpoint_is_an_error(tmp_path: Path, damage: str) -> None:
    run(tmp_path)
    tensors = tmp_path / "step-00000012.safetensors"
    data = bytearray(tensors.read_bytes())
    if damage == "cut":
        tensors.write_bytes(data[:-3])
    elif damage == "flipped":
        data[-3] ^= 1
        tensors.write_bytes(data)
    elif damage == "gone":
        tensors.unlink()
    elif damage.startswith("no "):
        table = json.loads((tmp_path / "checkpoint.json").read_text())
        del (table if damage == "no digest" else table["facts"])[damage[3:]]
        (tmp_path / "checkpoint.json").write_text(json.dumps(table))
    else:
        (tmp_path / "checkpoint.json").write_text("{")
    with pytest.raises(BundleError, match="CHECKPOINT"):
        run(tmp_path)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    def report(progress: Progress) -> None:
        with pytest.raises(Conflict, match="LOCKED"):
            run(tmp_path)

    run(tmp_path, steps=1, on_step=report)


class Broken(Drawing):
    """Batches that are fine until one is infinite."""

    def batches(self, begin: int, stop: int) -> Iterator[Drawn]:
        for step, batch in enumerate(super().batches(begin, stop), begin):
            batch.images *= np.float32(np.inf if step == 6 else 1)
            yield batch


def test_a_loss_that_is_no_number_stops_the_fit_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"NONFINITE: step 7.*learning_rate"):
        fit(start(), Broken(), settings(), loss=make_loss(LossSettings()), keep=Keep(tmp_path, "a job"))
    assert json.loads((tmp_path / "checkpoint.json").read_text())["step"] == 4


def test_early_stopping_keeps_the_weights_of_the_best_look() -> None:
    scores = iter([0.3, 0.7, 0.5, 0.6, 0.9])
    seen: list[dict[str, np.ndarray]] = []

    def validate(network: torch.nn.Module) -> dict[str, float]:
        assert not network.training
        seen.append({name: value.numpy().copy() for name, value in network.state_dict().items()})
        return {"mean_iou": next(scores), "nothing": float("nan")}

    loss = make_loss(LossSettings())
    fitted = fit(start(), Drawing(), settings(steps=50, patience=2), loss=loss, validate=validate)
    assert (fitted.steps, fitted.step) == (16, 8)
    assert equal(fitted.weights, seen[1])
    assert fitted.history[0] == {"step": 4, "mean_iou": 0.3, "nothing": None}


def test_without_a_score_the_last_weights_are_kept() -> None:
    loss = make_loss(LossSettings())
    blind = fit(start(), Drawing(), settings(), loss=loss, validate=lambda network: {"mean_iou": float("nan")})
    plain = fit(start(), Drawing(), settings(), loss=loss)
    assert blind.step == plain.step == 12 and equal(blind.weights, plain.weights)


def test_a_look_that_changes_its_network_changes_nothing() -> None:
    def spoil(network: torch.nn.Module) -> dict[str, float]:
        for parameter in network.parameters():
            parameter.zero_()
        return {"mean_iou": float("nan")}

    loss = make_loss(LossSettings())
    assert equal(
        fit(start(), Drawing(), settings(ema=0), loss=loss, validate=spoil).weights,
        fit(start(), Drawing(), settings(ema=0), loss=loss).weights,
    )


def test_the_average_is_that_of_the_weights_of_each_step_and_so_are_its_buffers() -> None:
    begun = start("unet")
    taken: list[dict[str, np.ndarray]] = []

    def report(progress: Progress) -> None:
        taken.append({name: value.numpy().copy() for name, value in begun.network.state_dict().items()})

    fitted = fit(begun, Drawing(), settings(steps=4, ema=0.8), loss=make_loss(LossSettings()), on_step=report)
    for name in ("encoder.conv1.weight", "encoder.bn1.running_var"):
        average = taken[0][name]
        for weights in taken[1:]:
            average = 0.8 * average + 0.2 * weights[name]
        assert np.allclose(fitted.weights[name], average, atol=1e-6)


def test_accumulated_batches_are_one_larger_batch() -> None:
    """With a loss that is a mean of equal parts and no noise in the network."""

    class Whole(Drawing):
        def _crop(self, rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
            image, index = super()._crop(rng, 0.0)
            return image, np.where(index == 255, 0, index)

    class Doubled(Whole):
        def batches(self, begin: int, stop: int) -> Iterator[Drawn]:
            for step in range(begin, stop):
                two = [self._batch(2 * step), self._batch(2 * step + 1)]
                yield Drawn(*(np.concatenate([getattr(b, key) for b in two]) for key in ("images", "index", "cells")))

    loss = make_loss(LossSettings())
    apart = fit(start(), Whole(), settings(accumulate=2), loss=loss).weights
    together = fit(start(), Doubled(), settings(), loss=loss).weights
    assert all(np.allclose(apart[name], together[name], atol=1e-5) for name in apart)


def test_frozen_encoders_keep_their_weights_and_held_norms_their_statistics() -> None:
    for frozen in ("encoder", "encoder_and_norms"):
        begun = start("unet")
        before = {name: value.clone() for name, value in begun.network.state_dict().items()}
        begun = Start(begun.network, frozen=frozen, stride=8)
        weights = fit(begun, Drawing(), settings(steps=3), loss=make_loss(LossSettings()), validate=accuracy).weights
        same = {name for name in weights if np.array_equal(weights[name], before[name].numpy())}
        encoder = {name for name in weights if name.startswith("encoder.")}
        statistics = {name for name in encoder if "running" in name or "tracked" in name}
        if frozen == "encoder":
            assert encoder & same == encoder - statistics
        else:
            assert encoder <= same
        assert not any(name.startswith("segmentation_head") for name in same)


def test_bf16_on_a_processor_learns_in_single_precision_weights() -> None:
    fitted = run(None, precision="bf16", steps=20)
    assert all(values.dtype == np.float32 for values in fitted.weights.values())
    assert max(look["mean_iou"] for look in fitted.history) > 0.6


def test_progress_says_how_far_it_is() -> None:
    seen: list[Progress] = []
    run(None, on_step=seen.append)
    assert [p.step for p in seen] == list(range(1, 13)) and seen[-1].seconds_left == 0
    assert seen[0].mean_iou is None and seen[3].mean_iou is not None and seen[0].seconds_left > 0


@pytest.mark.parametrize(
    ("options", "code"),
    [({"precision": "fp16"}, "PRECISION"), ({"device": "cuda:99"}, "DEVICE"), ({"tensorboard": True}, "SETTING")],
)
def test_what_the_machine_cannot_do_is_a_wrong_usage(options: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError, match=code):
        run(None, **options)


def test_a_crop_that_the_network_cannot_halve_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"samples.crop.*Use 24"):
        fit(start("unet"), Drawing(crop=20), settings(), loss=make_loss(LossSettings()))


def test_all_ignored_batches_are_harmless(tmp_path: Path) -> None:
    class Unlabelled(Drawing):
        def _crop(self, rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
            image, index = super()._crop(rng, shift)
            return image, np.full_like(index, 255)

    fitted = fit(
        start(), Unlabelled(), settings(weight_decay=0), loss=make_loss(LossSettings()), keep=Keep(tmp_path, "x")
    )
    assert equal(fitted.weights, {name: value.numpy() for name, value in start().network.state_dict().items()})
    assert {line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl")} == {0}
