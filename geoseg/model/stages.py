"""Stages: the parts of an encoder in the order that an image goes through them, for rates by layer and for freezing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_LISTS = {"blocks", "_blocks", "stages", "layers", "features", "levels"}
_SIDES = (64, 224)  # of an image that is shown to the encoder; some transformers take only what they were made for


def encoder_stages(network: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters of the encoder by stage, first the one that sees the image; none where the network has no encoder.

    A stage is what works at one resolution; in a transformer of one resolution it is a block. Found by showing the encoder
    an empty image.
    """
    encoder: Any = getattr(network, "encoder", None)
    if encoder is None:
        return []
    parts = list(_members(getattr(encoder, "model", encoder)))
    stages = _by_size(encoder, parts)
    if len(stages) < 3:
        stages = [[part] for part in parts]
    found = [[p for part in stage for p in part.parameters()] for stage in stages]
    placed = {id(p) for stage in found for p in stage}
    loose = [
        p for p in encoder.parameters() if id(p) not in placed
    ]  # class tokens, position embeddings, what never runs
    return [loose + found[0], *found[1:]] if found else [loose]


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


def _members(module: nn.Module) -> Iterator[nn.Module]:
    for name, child in module.named_children():
        if not any(True for _ in child.parameters()):
            continue
        if name in _LISTS and isinstance(child, nn.Sequential | nn.ModuleList):
            yield from (part for part in child if any(True for _ in part.parameters()))
        else:
            yield child


def _by_size(encoder: nn.Module, parts: list[nn.Module]) -> list[list[nn.Module]]:
    """The parts in the order that they run in, those of one size of output together; none where no image can be shown."""
    ran: list[tuple[nn.Module, tuple[int, ...]]] = []

    def note(part: nn.Module, given: Any, answer: Any) -> None:
        answer = answer[0] if isinstance(answer, tuple | list) else answer
        size = tuple(answer.shape[2:]) if answer.ndim == 4 else (answer.shape[1],)  # rows and columns, or tokens
        if all(part is not done for done, _ in ran):
            ran.append((part, size))

    first = next(p for p in encoder.parameters() if p.ndim == 4)
    hooks = [part.register_forward_hook(note) for part in parts]
    try:
        with _evaluating(encoder), torch.no_grad():
            _show(encoder, first)
    finally:
        for hook in hooks:
            hook.remove()
    stages: dict[tuple[int, ...], list[nn.Module]] = {}
    for part, size in ran:
        stages.setdefault(size, []).append(part)
    return list(stages.values())


def _show(encoder: nn.Module, first: nn.Parameter) -> None:
    for side in _SIDES:
        try:
            encoder(torch.zeros(1, first.shape[1], side, side, device=first.device))
        except (RuntimeError, AssertionError, ValueError):
            continue
        return


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """In evaluation mode inside; each part is in its own mode again after."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
