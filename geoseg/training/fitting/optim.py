"""Optimize: AdamW over the parameters that are trained, each stage at its own rate, and how the rate goes up and down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from geoseg.model.stages import encoder_stages
from geoseg.training.settings.fit import FitSettings

BETAS = (0.9, 0.999)

# The one cycle of Smith and Topin (2017) as torch.optim.lr_scheduler.OneCycleLR has it by default.
_RISE, _START, _END = 0.3, 1 / 25, 1 / 25e4
_SLOW, _FAST = 0.95, 0.85  # momentum where the rate is low, and where it is high


@dataclass(frozen=True, slots=True)
class Pace:
    """What a step is taken with: the rate as a share of its peak, and the momentum (first beta of AdamW)."""

    rate: float
    momentum: float = BETAS[0]


def pace(step: int, settings: FitSettings) -> Pace:
    """The pace of ``step``, counted from 0: a function of the settings alone, so nothing of it needs to be kept.

    ``one_cycle``: rate up from a 25th and down to almost nothing, momentum against it, both along cosines. ``cosine``: a
    straight rise over ``warmup`` of the steps, then half a cosine to 0 (Loshchilov and Hutter 2017). ``constant``: the rise
    only.
    """
    if settings.schedule == "one_cycle":
        return _one_cycle(step, settings.steps)
    rise = round(settings.warmup * settings.steps)
    if step < rise:
        return Pace((step + 1) / (rise + 1))
    if settings.schedule == "constant":
        return Pace(1.0)
    return Pace(_between(1.0, 0.0, (step - rise) / max(settings.steps - rise, 1)))


def make_optimizer(network: nn.Module, settings: FitSettings, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """AdamW over the parameters that require a gradient (Loshchilov and Hutter 2019).

    Parameters of one axis (biases, norms) do not decay. Each stage of the encoder learns ``layer_decay`` times as fast as the
    one after it, the decoder at the full rate; ``scale`` of a group is its share.
    """
    optimizer = torch.optim.AdamW(
        parameter_groups(network, settings, layer_decay), lr=settings.learning_rate, betas=BETAS, fused=True
    )
    set_pace(optimizer, Pace(1.0), settings)
    return optimizer


def parameter_groups(network: nn.Module, settings: FitSettings, layer_decay: float) -> list[dict[str, Any]]:
    """The groups of :func:`make_optimizer`, from the first stage to the decoder; frozen parameters are in none."""
    stages = encoder_stages(network) if layer_decay < 1 else []
    depth = {id(parameter): number for number, stage in enumerate(stages) for parameter in stage}
    sorted_out: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            key = depth.get(id(parameter), len(stages)), parameter.ndim > 1
            sorted_out.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "scale": layer_decay ** (len(stages) - stage),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (stage, decays), parameters in sorted(sorted_out.items(), key=lambda item: item[0])
    ]


def set_pace(optimizer: torch.optim.Optimizer, now: Pace, settings: FitSettings) -> None:
    """Set rate and momentum of every group."""
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * group["scale"] * now.rate
        group["betas"] = (now.momentum, BETAS[1])


def _one_cycle(step: int, steps: int) -> Pace:
    top, last = _RISE * steps - 1, steps - 1
    if step <= top:
        share = step / top if top else 1.0
        return Pace(_between(_START, 1.0, share), _between(_SLOW, _FAST, share))
    share = (step - top) / (last - top) if last > top else 1.0
    return Pace(_between(1.0, _END, share), _between(_FAST, _SLOW, share))


def _between(first: float, last: float, share: float) -> float:
    """From ``first`` to ``last`` along half a cosine."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * share))
