"""Adapt: weights of one network for another one with other bands or other classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError
from geoseg.model.card import NetworkSpec
from geoseg.model.network import build, encoder_names, resized_positions
from geoseg.model.weights import read_tensors

Array = npt.NDArray[Any]
_RGB = ("red", "green", "blue")
_PREFIX = re.compile(r"(module\.|backbone\.|encoder\.|model\.|trunk\.)+")
_FUSION = re.compile(r"(fuse|joint)\.")
_HEAD = re.compile(
    r"(fc|classifier|head\w*|last_linear|logits|pre_logits|conv_head|bn2|norm|norm_pre|fc_norm|final_conv|aux\w*|_fc|_conv_head|_bn1"
    r"|decoder|segmentation_head|classification_head|classif)(\.|$)"
)  # of the classifier or the whole network that a file of encoder weights was taken from


@dataclass(frozen=True, slots=True)
class Adapted:
    """A state dict for a network, and lines that say what became of what it was made from."""

    weights: dict[str, Array]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """A network with the names of its bands, of one date, and of its classes, in channel order."""

    spec: NetworkSpec
    bands: tuple[str, ...]
    classes: tuple[str, ...]


def for_fine_tuning(given: Mapping[str, Array], fresh: Mapping[str, Array], before: Side, after: Side) -> Adapted:
    """Weights of ``before`` for ``after``, which differs in bands and classes only.

    Bands and classes are found by name, so a change of order changes nothing. A new band gets the mean of the bundle's bands;
    a new class keeps the ``fresh`` (random) weights, and so does the fusion of two dates that one of one date lacks.

    Raises
    ------
    BundleError
        ``WEIGHTS``: they do not fit.
    """
    of_bands, of_classes = adapting_names(after.spec)
    weights = {}
    for name, own in fresh.items():
        values = given.get(name)
        if values is None and after.spec.dates > before.spec.dates and _FUSION.match(name):
            values = own
        if values is None:
            raise BundleError.of("WEIGHTS", before.spec.encoder, f"lacks {name}", "Make the bundle again")
        if name in of_bands:
            values = _by_name(values, _folded(before.bands), _folded(after.bands))
        if name in of_classes:
            values = _rows(values, own, _folded(before.classes), _folded(after.classes))
        if values.shape != own.shape:
            what = f"has the shape {values.shape} for {name}, the network {own.shape}"
            raise BundleError.of("WEIGHTS", before.spec.encoder, what, "Make the bundle again")
        weights[name] = values.astype(own.dtype)
    fused = any(name not in given for name in weights)
    notes = ["the fusion of the dates begins as their difference"] if fused else []
    return Adapted(weights, (*_told("band", before.bands, after.bands, "the mean of the others'"),
                             *_told("class", before.classes, after.classes, "random weights"), *notes))  # fmt: skip


def with_encoder(path: str | Path, fresh: Mapping[str, Array], spec: NetworkSpec, bands: Sequence[str]) -> Adapted:
    """``fresh`` with the encoder's weights from a safetensors file: of timm, of smp's encoders, or of a whole smp network.

    Of a file for red, green and blue, bands of these names take theirs and others their mean; where no band has such a name
    they are taken in turn. All are scaled by 3 / bands, so that what the first layer gives stays as large, as timm does it.

    Raises
    ------
    BundleError
        ``WEIGHTS``: no safetensors, or not the weights of this encoder.
    """
    path = Path(path)
    if not path.is_file():
        raise BundleError.of("MISSING", path, "is not there", "Name a safetensors file of encoder weights")
    found = _sorted(path, read_tensors(path), spec)
    of_bands, _ = adapting_names(spec)
    weights = dict(fresh)
    lacking, odd = [], []
    for name, own in fresh.items():
        if not name.startswith("encoder."):
            continue
        values = found.get(_plain(name))
        if values is None:
            lacking += [] if name.endswith("num_batches_tracked") else [name]
            continue
        if name in of_bands and values.ndim == own.ndim:
            values = _from_pictures(values, _folded(bands))
        elif name.endswith("pos_embed") and values.shape != own.shape:
            values = resized_positions(values, own.shape)
        if values.shape != own.shape:
            odd.append(name)
        else:
            weights[name] = values.astype(own.dtype)
    for what, names in (("lacks", lacking), ("has the wrong shape for", odd)):
        if names:
            _refuse(path, what, names, spec)
    return Adapted(weights, (f"the encoder begins with the weights of {path.name}",))


def adapting_names(spec: NetworkSpec) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the tensors whose second axis are the bands, and of those whose first axis are the classes.

    Found by building the network with one more of each. ``BundleError`` ``CARD`` where a layer folds bands into another axis.
    """
    here = build(spec).state_dict()
    there = build(replace(spec, in_channels=spec.in_channels + spec.dates, classes=spec.classes + 1)).state_dict()
    grown = {
        name: tuple(more - own for own, more in zip(tensor.shape, there[name].shape, strict=True))
        for name, tensor in here.items()
        if tensor.shape != there[name].shape
    }
    if not all(set(steps) <= {0, 1} and not any(steps[2:]) for steps in grown.values()):
        what = "mixes bands in its first layer, which cannot be adapted to others"
        raise BundleError.of("CARD", f"{spec.architecture} {spec.encoder}", what, "Choose another encoder")
    return (
        frozenset(name for name, steps in grown.items() if steps[1:2] == (1,)),
        frozenset(name for name, steps in grown.items() if steps[0] == 1),
    )


def _sorted(path: Path, tensors: Mapping[str, Array], spec: NetworkSpec) -> dict[str, Array]:
    """The file's tensors by plain name, those of heads left out; refused where it has parts that the encoder has not."""
    known = {_plain(name) for name in encoder_names(spec)}
    found: dict[str, Array] = {}
    surplus = []
    for name, values in tensors.items():
        plain = _plain(name)
        if plain in found:
            _refuse(path, "has twice", [name], spec)
        if plain in known:
            found[plain] = values
        elif not _HEAD.match(_PREFIX.sub("", name, count=1)):
            surplus.append(name)
    if surplus:
        _refuse(path, "has a surplus", surplus, spec)
    return found


def _plain(name: str) -> str:
    """A name as all libraries have it: timm's feature networks write ``stages_0.`` where its files have ``stages.0.``."""
    return _PREFIX.sub("", name, count=1).replace(".", "_")


def _from_pictures(values: Array, bands: tuple[str, ...]) -> Array:
    """First weights (out, channels, ...) of pictures for ``bands``."""
    channels, count = values.shape[1], len(bands)
    mean = values.mean(1)
    if channels == len(_RGB) and any(band in _RGB for band in bands):
        picked = [values[:, _RGB.index(band)] if band in _RGB else mean for band in bands]
    elif count < channels:
        picked = [mean] * count
    else:
        picked = [values[:, i % channels] for i in range(count)]
    scaled: Array = np.stack(picked, 1) * np.float32(channels / count)
    return scaled


def _by_name(values: Array, before: tuple[str, ...], after: tuple[str, ...]) -> Array:
    mean = values.mean(1)
    return np.stack([values[:, before.index(band)] if band in before else mean for band in after], 1)


def _rows(values: Array, fresh: Array, before: tuple[str, ...], after: tuple[str, ...]) -> Array:
    return np.stack([values[before.index(name)] if name in before else fresh[i] for i, name in enumerate(after)])


def _folded(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)


def _told(what: str, before: Sequence[str], after: Sequence[str], begins: str) -> list[str]:
    new = [name for name in after if name.casefold() not in _folded(before)]
    gone = [name for name in before if name.casefold() not in _folded(after)]
    lines = [f"new {what} {name}: begins with {begins}" for name in new]
    return lines + [f"{what} {name} of the bundle is left out" for name in gone]


def _refuse(path: Path, what: str, names: Sequence[str], spec: NetworkSpec) -> None:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    remedy = f"Give weights of {spec.encoder}, as timm or segmentation-models-pytorch name them"
    raise BundleError.of("WEIGHTS", path, f"{what} {names[0]}{more}", remedy)
