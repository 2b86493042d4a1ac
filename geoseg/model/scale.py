"""Scale: the last layer of a network changed by its weights alone: logits multiplied, as a temperature asks, or one more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import nn

from geoseg.errors import BundleError, UsageError
from geoseg.model.card import NetworkSpec
from geoseg.model.network import build


def scale_logits(spec: NetworkSpec, weights: Mapping[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    """The weights with all logits multiplied by ``factor``; 1 / T for a temperature T.

    Only the last layer changes: what follows it (upsampling) is linear, and smp's activation is never used. Classes stay
    as they are but for ties that rounding decides.

    Raises
    ------
    UsageError
        ``FACTOR``: not a positive number.
    BundleError
        ``WEIGHTS``: the state dict lacks the last layer.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise UsageError.of("FACTOR", factor, "logits cannot be multiplied by it", "Give a positive number")
    last = _last_layer(spec, weights)
    return {**weights, **{name: np.asarray(np.float64(factor) * last[name], last[name].dtype) for name in last}}


def with_a_class_of_zero(
    spec: NetworkSpec, weights: Mapping[str, np.ndarray]
) -> tuple[NetworkSpec, dict[str, np.ndarray]]:
    """The network with one class more, before the others, whose logit is always 0; raises as :func:`scale_logits`."""
    last = _last_layer(spec, weights)
    wider = {name: np.concatenate([np.zeros_like(values[:1]), values]) for name, values in last.items()}
    return replace(spec, classes=spec.classes + 1), {**weights, **wider}


def _last_layer(spec: NetworkSpec, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of the last convolution, and bias if it has one: of the head, where a network of smp has one."""
    network = build(spec)
    head = getattr(network, "segmentation_head", network)
    layers = [part for part in head.modules() if isinstance(part, nn.Conv2d)]
    layer = next(str(name) for name, part in network.named_modules() if part is layers[-1])
    names = [f"{layer}.{part}".lstrip(".") for part in ("weight", "bias")]
    if names[0] not in weights:
        remedy = "Weights and network are not of one model"
        raise BundleError.of("WEIGHTS", names[0], "is not among the weights", remedy)
    return {name: weights[name] for name in names if name in weights}
