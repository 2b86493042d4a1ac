"""Start: the network that a training begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from geoseg.model.stages import freeze, hold_norms


@dataclass(frozen=True, slots=True)
class Start:
    """A network before its training, and which parts of it learn how fast.

    ``stride`` is its total stride, of which crops are multiples; ``notes`` say what became of given weights.
    """

    network: nn.Module
    layer_decay: float = 1.0
    frozen: Literal["none", "encoder", "encoder_and_norms"] = "none"
    stride: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Freeze what is to be frozen."""
        if self.frozen != "none":
            freeze(self.network)

    def train(self, network: nn.Module) -> None:
        """Put the network, this one or its like, into the mode of training; frozen norms stay as they are."""
        network.train()
        if self.frozen == "encoder_and_norms":
            hold_norms(network)
