"""Receptive field: how far a network looks around a pixel, measured, and the halo that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from geoseg.errors import BundleError
from geoseg.model.card import NetworkSpec
from geoseg.model.context import is_local

SHARE = 0.999
"""Share of the gradient that the effective field holds; what lies beyond it moves a logit by no more than noise does."""

LARGEST_HALO = 1 / 4
"""Most of a chip's side that ``halo: auto`` takes on each side: a quarter of the pixels read are then kept."""

LARGEST_GLOBAL_HALO = 1 / 8
"""The same where a network sees the chip as a whole: no halo makes it exact, so that a larger one buys little."""

_DRAWS = 4  # noise images


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Distances in pixels from a pixel to the sides of the square around it that decides its class.

    ``effective`` is the smallest square with :data:`SHARE` of the gradient (Luo et al. 2016, "Understanding the effective
    receptive field"); ``hard`` the smallest with all of it, None where it reaches the edge of a chip of ``size``.
    """

    effective: int
    hard: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Halo:
    """A halo that was chosen, in pixels: from ``field``, rounded up to ``align``, and cut to ``most``."""

    pixels: int
    field: ReceptiveField
    most: int

    @property
    def is_cut(self) -> bool:
        """Whether the field is larger than the halo."""
        return self.field.effective > self.pixels

    def facts(self) -> dict[str, Any]:
        """What the card says of it."""
        return {
            "halo_px": self.pixels, "effective_px": self.field.effective, "effective_share": SHARE,
            "hard_px": self.field.hard, "measured_on_px": self.field.size, "largest_allowed_px": self.most,
        }  # fmt: skip


def halo_of(
    network: nn.Module, spec: NetworkSpec, *, chip_size: int, align: int, images: npt.NDArray[np.float32] | None = None
) -> Halo:
    """The halo for ``halo: auto``: the effective field of the fitted network, a multiple of ``align``.

    Never more than :data:`LARGEST_HALO` of the chip, or :data:`LARGEST_GLOBAL_HALO` where the network has global context;
    0 where the chip is so small that not even one ``align`` fits into that share.

    Parameters
    ----------
    network
        With its fitted weights: the effective field of random ones is much smaller.
    spec
        What ``network`` was built from.
    chip_size, align
        Side of a chip and total stride of the network, pixels.
    images
        As :func:`measure`.
    """
    field = measure(network, spec.in_channels, size=chip_size, stride=align, images=images)
    largest = LARGEST_HALO if is_local(spec) else LARGEST_GLOBAL_HALO
    most = int(chip_size * largest) // align * align
    return Halo(min(-(-field.effective // align) * align, most), field, most)


def measure(
    network: nn.Module,
    bands: int,
    *,
    size: int,
    stride: int = 1,
    images: npt.NDArray[np.float32] | None = None,
    share: float = SHARE,
) -> ReceptiveField:
    """Measure the field by the gradient of logits at a chip's centre with respect to the chip.

    Parameters
    ----------
    network
        Gives logits (N, classes, rows, cols) of the input's size; left as it was.
    bands, size
        The chip: ``bands`` x ``size`` x ``size``.
    stride
        The network's total stride: pixels at the places of one stride look differently far, the farthest counts.
    images
        Normalized chips float32 (n, bands, size, size) to look at; None: normal noise, which opens every path through
        activations and maxima sooner or later.
    share
        Share of the sum of absolute gradients that the effective field holds.

    Raises
    ------
    BundleError
        ``WEIGHTS``: the gradient is NaN or infinite.
    """
    rng = np.random.default_rng(0)
    if images is None:
        images = rng.standard_normal((_DRAWS, bands, size, size), np.float32)
    places = _places(size, stride)
    mass = np.zeros((len(places), size))
    reaches_edge = False
    training = network.training
    network.eval()
    try:
        for image in images:
            for i, gradient in enumerate(_gradients(network, image, places, rng)):
                mass[i] += _by_distance(gradient, places[i])
                reaches_edge |= bool(gradient[[0, -1]].any() or gradient[:, [0, -1]].any())
    finally:
        network.train(training)
    hard = int(np.flatnonzero(mass.any(axis=0)).max(initial=0))
    return ReceptiveField(max(_effective(row, share) for row in mass), None if reaches_edge else hard, size)


def _places(size: int, stride: int) -> list[int]:
    """Rows (and columns) of the pixels looked at: the ends and the middle of the stride at the centre."""
    first = size // 2 // stride * stride if size > stride else 0
    within = {0, max(stride // 2 - 1, 0), stride // 2, stride - 1}
    return sorted({min(first + offset, size - 1) for offset in within})


def _gradients(
    network: nn.Module, image: npt.NDArray[np.float32], places: list[int], rng: np.random.Generator
) -> list[npt.NDArray[np.float64]]:
    """|gradient| float64 (rows, cols), summed over bands, of a random mixture of the logits at each place."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    found = []
    with torch.enable_grad():
        chip = torch.from_numpy(np.ascontiguousarray(image[None], np.float32)).to(device).requires_grad_()
        logits = network(chip)
        for place in places:
            mixture = torch.from_numpy(rng.standard_normal(logits.shape[1], np.float32)).to(device)
            (gradient,) = torch.autograd.grad((logits[0, :, place, place] * mixture).sum(), chip, retain_graph=True)
            values = gradient[0].abs().sum(0).double().cpu().numpy()
            if not np.isfinite(values).all():
                raise BundleError.of("WEIGHTS", "network", "has NaN or infinite gradients", "Train it again")
            found.append(values)
    return found


def _by_distance(gradient: npt.NDArray[np.float64], place: int) -> npt.NDArray[np.float64]:
    """Sums of the gradient over the rings of equal distance (the larger of rows and columns) around the place."""
    away = np.abs(np.arange(len(gradient)) - place)
    distance = np.maximum(away[:, None], away[None, :])
    return np.asarray(np.bincount(distance.ravel(), gradient.ravel(), len(gradient)), np.float64)


def _effective(mass: npt.NDArray[np.float64], share: float) -> int:
    inside = np.cumsum(mass)
    return int(np.searchsorted(inside, share * inside[-1])) if inside[-1] > 0 else 0
