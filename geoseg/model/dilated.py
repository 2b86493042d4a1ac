"""Dilated: a small network at full resolution, for few labels and coarse pixels, where a U-Net learns the map by heart."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Dilated(nn.Module):
    """Residual 3 x 3 convolutions of growing dilation; nothing is downsampled, so its total stride is 1.

    Dilated convolutions gather context without losing resolution (Yu and Koltun 2016). A block mixes neighbours at its
    dilation, then channels; the receptive field is ``3 + 2 * sum(dilations)`` pixels across.

    Parameters
    ----------
    in_channels, classes
        Bands, and channels of the logits.
    width
        Channels inside.
    dilations
        One block for each.
    dropout
        Share of channels that is left out before the last layer in training.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        width: int = 32,
        dilations: tuple[int, ...] = (1, 1, 2, 4),
        dropout: float = 0.0,
    ) -> None:
        """Random weights; ``ValueError`` for a width or dilations below 1, or none."""
        super().__init__()
        if width < 1 or not dilations or min(dilations) < 1:
            raise ValueError(f"width {width} and dilations {dilations} must be 1 or more")
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.blocks = nn.ModuleList(_block(width, dilation) for dilation in dilations)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes, rows, cols) of images (N, bands, rows, cols)."""
        features = self.stem(images)
        for block in self.blocks:
            features = functional.relu(features + block(features))
        logits: torch.Tensor = self.head(self.dropout(features))
        return logits


def _block(width: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )
