"""Context: whether a network sees a chip as a whole, or each pixel only its neighbourhood.

Squeeze-and-excitation, pooled pyramids and attention make every pixel depend on the whole chip; such a network is to be
given chips of the size that it was trained with. One that is made of convolutions alone may be given larger ones.
"""

from __future__ import annotations

import re

from geoseg.model.card import NetworkSpec

_ARCHITECTURES = {"Conv1x1", "Dilated", "Unet", "UnetPlusPlus", "Linknet", "FPN"}
_ENCODERS = re.compile(r"none|resnet\d+|resnext\d+.*|vgg\d+(_bn)?|densenet\d+|xception|inceptionv4")
_PARAMS = {"decoder_attention_type": None}


def is_local(network: NetworkSpec | None) -> bool:
    """True when the network is known to be convolutional throughout; unknown ones (ONNX, timm) are taken for global."""
    if network is None or network.architecture not in _ARCHITECTURES or not _ENCODERS.fullmatch(network.encoder):
        return False
    params = dict(network.params)
    return all(params.get(name) == value for name, value in _PARAMS.items())
