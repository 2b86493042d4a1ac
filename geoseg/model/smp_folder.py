"""Smp folder: what ``save_pretrained`` of segmentation-models-pytorch leaves, as a network's spec and weights; nothing is run.

``config.json`` holds the constructor's arguments and ``model.safetensors`` the state dict. Neither is trusted: the
network is named by geoseg's own list, an encoder is a plain name, and pickles are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from geoseg.errors import BundleError
from geoseg.model.card import NetworkCard, NetworkSpec, spec_of, strict_json
from geoseg.model.weights import PICKLES, read_tensors

_CONFIG_BYTES = 1 << 20
_NOT_OURS = {
    "encoder_weights",
    "activation",
    "aux_params",
}  # how training began, and what follows or stands beside the logits
_HEAD = "classification_head."  # of aux_params: never run here


def read_folder(folder: str | Path, bands: int, classes: int) -> tuple[NetworkSpec, dict[str, np.ndarray]]:
    """The network of a folder and its weights.

    Parameters
    ----------
    bands, classes
        How many the caller names. A network with one channel (smp's default) is taken for two classes, the first of
        which has the logit 0: the softmax is then the sigmoid of the channel.

    Raises
    ------
    BundleError
        ``MISSING``: no config.json or model.safetensors. ``CARD``: the config is not one of smp, or names another number
        of bands or classes. ``WEIGHTS``: the weights are a pickle, damaged, or not the network's.
    """
    folder = Path(folder)
    config = _config(folder / "config.json")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLES)
        what = f"is not there, {pickled[0]} is a pickle and never opened" if pickled else "is not there"
        remedy = "Save the network again with save_pretrained of a newer smp"
        raise BundleError.of("WEIGHTS" if pickled else "MISSING", weights, what, remedy)
    network = {
        "architecture": config.pop("_model_class", None), "encoder": config.pop("encoder_name", None),
        "in_channels": config.pop("in_channels", None), "classes": config.pop("classes", None),
        "params": {key: value for key, value in config.items() if key not in _NOT_OURS and not key.startswith("_")},
    }  # fmt: skip
    return _fitted(network, weights, bands, classes)


def read_weights(
    path: str | Path, network: Mapping[str, Any], bands: int, classes: int
) -> tuple[NetworkSpec, dict[str, np.ndarray]]:
    """The same of a bare file of safetensors; ``network`` has architecture, encoder and params."""
    return _fitted({**network, "in_channels": bands, "classes": classes}, Path(path), bands, classes)


def _fitted(network: dict[str, Any], path: Path, bands: int, classes: int) -> tuple[NetworkSpec, dict[str, np.ndarray]]:
    from geoseg.model.network import adopt

    try:
        card = NetworkCard.model_validate(network)  # before anything is built: an encoder's name could lead outside
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError.of("CARD", path, f"{place}: {first['msg']}", "Name a network of smp") from None
    binary = card.classes == 1 and classes == 2
    if card.in_channels != bands or (card.classes != classes and not binary):
        what = f"takes {card.in_channels} bands and gives {card.classes} classes, {bands} and {classes} are named"
        raise BundleError.of("CARD", path, what, "Correct --bands and --classes")
    tensors = {name: values for name, values in read_tensors(path).items() if not name.startswith(_HEAD)}
    spec = spec_of(card)
    weights = adopt(spec, tensors)
    if not binary:
        return spec, weights
    from geoseg.model.scale import with_a_class_of_zero

    return with_a_class_of_zero(spec, weights)


def _config(path: Path) -> dict[str, Any]:
    remedy = "Name the folder that save_pretrained of segmentation-models-pytorch wrote"
    if not path.is_file():
        raise BundleError.of("MISSING", path, "is not there", remedy)
    with path.open("rb") as file:
        text = file.read(_CONFIG_BYTES + 1)
    try:
        config = strict_json(text) if len(text) <= _CONFIG_BYTES else None
    except (ValueError, RecursionError) as error:
        raise BundleError.of("CARD", path, f"is not strict JSON: {error}", remedy) from None
    if not isinstance(config, dict) or "_model_class" not in config:
        raise BundleError.of("CARD", path, "is not the config of an smp network", remedy)
    return config
