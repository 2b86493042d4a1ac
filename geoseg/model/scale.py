"""Scale: a network whose logits are multiplied, by its weights alone: how a fitted temperature gets into every backend."""

from __future__ import annotations

import math
from collections.abc import Mapping

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
    layer = _last_layer(build(spec))
    names = [f"{layer}.{part}".lstrip(".") for part in ("weight", "bias")]
    if names[0] not in weights:
        remedy = "Weights and network are not of one model"
        raise BundleError.of("WEIGHTS", names[0], "is not among the weights", remedy)
    scaled = {
        name: np.asarray(np.float64(factor) * weights[name], weights[name].dtype) for name in names if name in weights
    }
    return {**weights, **scaled}


def _last_layer(network: nn.Module) -> str:
    """Name of the last convolution: of the head, where a network of smp has one."""
    head = getattr(network, "segmentation_head", network)
    layers = [part for part in head.modules() if isinstance(part, nn.Conv2d)]
    return next(str(name) for name, part in network.named_modules() if part is layers[-1])
