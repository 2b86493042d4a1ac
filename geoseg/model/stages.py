"""Stages: the parts of an encoder in the order that an image goes through them, for rates by layer and for freezing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

_LISTS = {"blocks", "stages", "layers", "features", "levels"}


def encoder_stages(network: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters of the encoder by stage, first the one that sees the image; none where the network has no encoder.

    A stage is what lies between two halvings of the image where the encoder says so, else each part of it: a block of a
    transformer, a stage of a timm network; what is single (a first convolution and its norm, embeddings) counts together.
    """
    encoder: Any = getattr(network, "encoder", None)
    if encoder is None:
        return []
    stages = [[p for module in part for p in module.parameters()] for part in _parts(encoder)]
    placed = {id(p) for stage in stages for p in stage}
    loose = [p for p in encoder.parameters() if id(p) not in placed]  # class tokens, position embeddings
    if loose:
        stages = [loose + (stages[0] if stages else []), *stages[1:]]
    return [stage for stage in stages if stage]


def freeze(network: nn.Module) -> None:
    """No parameter of the encoder is trained."""
    encoder: Any = getattr(network, "encoder", None)
    if encoder is not None:
        encoder.requires_grad_(False)


def hold_norms(network: nn.Module) -> None:
    """The encoder's norms that keep statistics use and keep those they have; to be said again after each ``train()``."""
    encoder: Any = getattr(network, "encoder", None)
    for module in encoder.modules() if encoder is not None else ():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.eval()


def _parts(encoder: Any) -> list[list[nn.Module]]:
    try:
        stages = encoder.get_stages() if hasattr(encoder, "get_stages") else {}
    except NotImplementedError:
        stages = {}
    if stages:
        return [list(stages[stride]) for stride in sorted(stages)]
    parts: list[list[nn.Module]] = []
    single = False
    for module in _members(getattr(encoder, "model", encoder)):
        alone = not any(True for _ in module.children())
        if parts and alone and single:
            parts[-1].append(module)
        else:
            parts.append([module])
        single = alone
    return parts


def _members(module: nn.Module) -> Iterator[nn.Module]:
    for name, child in module.named_children():
        if not any(True for _ in child.parameters()):
            continue
        if name in _LISTS and isinstance(child, nn.Sequential | nn.ModuleList):
            yield from child
        else:
            yield child
