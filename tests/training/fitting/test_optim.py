"""Rates: those of torch's schedules, and each stage's share of them."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.training.fitting.optim import make_optimizer, pace, set_pace  # noqa: E402
from geoseg.training.settings.fit import FitSettings  # noqa: E402
from tests.helpers.fitting import start  # noqa: E402


@pytest.mark.parametrize("steps", [2, 3, 10, 37, 1000])
def test_one_cycle_is_torchs(steps: int) -> None:
    settings = FitSettings.of(steps=steps, learning_rate=0.3)
    network = torch.nn.Conv2d(1, 1, 1)
    theirs = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.3, total_steps=steps)
    own = make_optimizer(network, settings)
    for step in range(steps):
        set_pace(own, pace(step, settings), settings)
        group, expected = own.param_groups[0], theirs.param_groups[0]
        assert group["lr"] == pytest.approx(expected["lr"], abs=1e-9)
        assert group["betas"] == pytest.approx(expected["betas"])
        theirs.step()
        if step + 1 < steps:
            schedule.step()


def test_cosine_rises_over_the_warmup_and_falls_to_nothing() -> None:
    settings = FitSettings.of(steps=100, schedule="cosine", warmup=0.1)
    rates = [pace(step, settings).rate for step in range(101)]
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10:] == pytest.approx([(1 + math.cos(math.pi * i / 90)) / 2 for i in range(91)])


def test_constant_stays_after_the_warmup() -> None:
    settings = FitSettings.of(steps=10, schedule="constant", warmup=0.2)
    assert [pace(step, settings).rate for step in range(10)] == pytest.approx([1 / 3, 2 / 3, *[1] * 8])


def test_each_stage_learns_slower_than_the_one_after_it_and_biases_do_not_decay() -> None:
    network = start("unet").network
    network.decoder.requires_grad_(False)
    optimizer = make_optimizer(network, FitSettings.of(learning_rate=1.0, weight_decay=0.1), 0.5)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert rate[id(network.segmentation_head[0].weight)] == 1
    stages = [network.encoder.conv1, network.encoder.layer1[0].conv1, network.encoder.layer2[0].conv1]
    assert [rate[id(stage.weight)] for stage in stages] == [0.125, 0.25, 0.5]
    assert decay[id(network.encoder.conv1.weight)] == 0.1 and decay[id(network.encoder.bn1.weight)] == 0
    assert {id(p) for p in network.parameters() if p.requires_grad} == rate.keys()
