"""TwoDates: a network that sees a place twice: one encoder for both dates, what it found compared, then the decoder.

Fully convolutional Siamese networks of Daudt, Le Saux and Boulch 2018 (ICIP, doi:10.1109/ICIP.2018.8451652), with the
encoders and decoders of segmentation-models-pytorch. Channels come as (all bands before, all bands after).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import nn

DATES = 2


class Fusion(nn.Module):
    """Features of two dates (2 N, channels, rows, cols), the dates of an image side by side, as (N, channels, rows, cols).

    ``difference``: after - before. ``absolute_difference``: its size, so that the order of the dates does not matter.
    ``concatenation``: a 1 x 1 convolution of both, which begins as the difference and learns what else tells change.
    """

    def __init__(self, kind: str, channels: int) -> None:
        """``ValueError`` for another ``kind``; 0 ``channels``, as some encoders have, are passed on."""
        super().__init__()
        if kind not in ("difference", "absolute_difference", "concatenation"):
            raise ValueError(f"there is no fusion {kind}")
        self.kind = kind
        self.join: nn.Conv2d | None = None
        if kind == "concatenation" and channels:
            self.join = nn.Conv2d(DATES * channels, channels, 1)
            same = torch.eye(channels)
            with torch.no_grad():
                self.join.weight.copy_(torch.cat([-same, same], 1)[..., None, None])
                self.join.bias.zero_()  # type: ignore[union-attr]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Compare the dates."""
        if self.join is not None:
            fused: torch.Tensor = self.join(torch.cat([features[::DATES], features[1::DATES]], 1))
            return fused
        change = features[1::DATES] - features[::DATES]
        return change.abs() if self.kind == "absolute_difference" else change


class TwoDates(nn.Module):
    """An encoder, decoder and head of segmentation-models-pytorch for images of two dates (N, 2 x bands, rows, cols).

    The names of its weights are those of the network that it was made of, and ``fuse.LEVEL...``.

    Parameters
    ----------
    network
        For one date; its parts are taken.
    fusion
        Of :class:`Fusion`.
    levels
        Levels of the encoder's features that the decoder looks at; from others only the size is taken.
    """

    def __init__(self, network: Any, fusion: str, levels: Collection[int]) -> None:
        """Take the network's parts."""
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.segmentation_head = network.segmentation_head
        channels: Sequence[int] = network.encoder.out_channels
        self.fuse = nn.ModuleDict({str(level): Fusion(fusion, channels[level]) for level in sorted(levels)})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes, rows, cols)."""
        found = self.encoder(by_date(images))
        fused = [
            self.fuse[str(level)](features) if str(level) in self.fuse else features[1::DATES]
            for level, features in enumerate(found)
        ]
        logits: torch.Tensor = self.segmentation_head(self.decoder(fused))
        return logits


def by_date(images: torch.Tensor) -> torch.Tensor:
    """Images of two dates (N, 2 x bands, rows, cols) as (2 N, bands, rows, cols), the dates of an image side by side.

    So one call of the encoder sees both, and its batch norms take one statistic of both dates.
    """
    return images.reshape(-1, images.shape[1] // DATES, *images.shape[2:])  # sizes as a tracer for ONNX can follow them
