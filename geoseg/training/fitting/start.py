"""Start: the network that a training begins with: random, with the weights of a file in its encoder, or a bundle's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy.typing as npt
import torch
from torch import nn

from geoseg.errors import BundleError, UsageError
from geoseg.model.adapt import Adapted, Side, for_fine_tuning, with_encoder
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.card import NetworkSpec
from geoseg.model.network import build, divisor, load_weights
from geoseg.model.stages import freeze, hold_norms
from geoseg.model.weights import read_tensors
from geoseg.raster.dated import undated
from geoseg.training.settings.fit import NetworkChoice


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


def spec_of(choice: NetworkChoice, *, bands: int, classes: int, dates: int = 1) -> NetworkSpec:
    """The network that a job names, or that of the bundle it starts from, for so many bands, at each date, and classes.

    Of two dates it compares by the fusion that is named, else by that of the bundle, else by concatenation.

    Raises
    ------
    BundleError
        What :func:`geoseg.model.bundle.open_bundle` raises; ``CARD`` where the bundle holds an ONNX network.
    """
    if choice.start_from is None:
        spec = NetworkSpec(choice.architecture, choice.encoder, bands, classes, tuple(sorted(choice.params.items())))
    else:
        spec = _spec(open_bundle(choice.start_from))
    fusion = (choice.fusion or spec.fusion or "concatenation") if dates > 1 else None
    return replace(spec, in_channels=dates * bands, classes=classes, dates=dates, fusion=fusion)


def begin(choice: NetworkChoice, *, bands: Sequence[str], classes: Sequence[str], seed: int, dates: int = 1) -> Start:
    """The network that a job names, ready to be trained.

    Parameters
    ----------
    bands, classes
        Names, in channel order; of two ``dates`` the bands of one.
    seed
        Of the random weights; torch's own random numbers are left as they are.

    Raises
    ------
    UsageError
        ``SETTING``: settings of the network that exclude each other or do not fit it.
    BundleError
        ``CARD``: there is no such network. ``WEIGHTS``, ``MISSING``: the given weights are not its own or not there.
    """
    if choice.start_from and choice.encoder_weights:
        what = "is set, and so is start_from: the encoder's weights are the bundle's"
        raise UsageError.of("SETTING", "network.encoder_weights", what, "Leave one of them out")
    spec = spec_of(choice, bands=len(bands), classes=len(classes), dates=dates)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(spec)
        adapted = _weights(choice, network, Side(spec, tuple(bands), tuple(classes)))
        if adapted:
            load_weights(network, adapted.weights, choice.start_from or choice.encoder_weights or "")
        stride = divisor(spec)
    if choice.freeze != "none" and not hasattr(network, "encoder"):
        raise UsageError.of("SETTING", "network.freeze", f"{spec.architecture} has no encoder", "Leave it out")
    notes = adapted.notes if adapted else ()
    if choice.freeze != "none" and not adapted:
        notes += ("the encoder is frozen with random weights: give encoder_weights or start_from",)
    return Start(network, choice.layer_decay, choice.freeze, stride, notes)


def _weights(choice: NetworkChoice, network: nn.Module, own: Side) -> Adapted | None:
    """The weights that are given, for the network; None where none are."""
    fresh: Mapping[str, npt.NDArray[Any]] = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    if choice.start_from:
        bundle = open_bundle(choice.start_from)
        there = tuple(band.name for band in bundle.bands)
        names = undated(there) or there, tuple(item.name for item in bundle.legend.classes)
        return for_fine_tuning(read_tensors(bundle.weights), fresh, Side(_spec(bundle), *names), own)
    if choice.encoder_weights:
        if not hasattr(network, "encoder"):
            what = f"{own.spec.architecture} has no encoder"
            raise UsageError.of("SETTING", "network.encoder_weights", what, "Leave it out")
        return with_encoder(choice.encoder_weights, fresh, own.spec, own.bands)
    return None


def _spec(bundle: Bundle) -> NetworkSpec:
    if bundle.network is None:
        what = "is an ONNX bundle, which cannot be trained on"
        raise BundleError.of("CARD", bundle.path, what, "Start from a bundle that geoseg trained or imported from smp")
    return bundle.network
