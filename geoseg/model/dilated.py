"""Dilated: a small network at full resolution, for few labels and coarse pixels, where a U-Net learns the map by heart."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from geoseg.model.two_dates import Fusion, by_date


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
        logits: torch.Tensor = self.head(self.dropout(self.features(images)))
        return logits

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the blocks found: (N, width, rows, cols)."""
        features: torch.Tensor = self.stem(images)
        for block in self.blocks:
            features = functional.relu(features + block(features))
        return features


class DilatedTwoDates(Dilated):
    """The same for images of two dates (N, 2 x bands, rows, cols): one stem and blocks for both, compared, ``joint`` blocks.

    Parameters
    ----------
    in_channels, classes, width, dilations, dropout
        As of :class:`Dilated`; ``in_channels`` are the bands of one date.
    fusion
        Of :class:`geoseg.model.two_dates.Fusion`.
    joint
        Dilations of the blocks that see what differs; none will do.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        fusion: str,
        width: int = 32,
        dilations: tuple[int, ...] = (1, 1, 2, 4),
        dropout: float = 0.0,
        joint: tuple[int, ...] = (1,),
    ) -> None:
        """Random weights; ``ValueError`` as of :class:`Dilated`."""
        super().__init__(in_channels, classes, width, dilations, dropout)
        if any(dilation < 1 for dilation in joint):
            raise ValueError(f"joint {joint} must be 1 or more")
        self.fuse = Fusion(fusion, width)
        self.joint = nn.ModuleList(_block(width, dilation) for dilation in joint)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the blocks found of the change: (N, width, rows, cols)."""
        features: torch.Tensor = self.fuse(super().features(by_date(images)))
        for block in self.joint:
            features = functional.relu(features + block(features))
        return features


def _block(width: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )
