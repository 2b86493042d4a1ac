"""Network: spec -> torch module; the only place that imports segmentation-models-pytorch, and it never downloads."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from geoseg.errors import BundleError
from geoseg.model.card import ARCHITECTURES, NetworkSpec
from geoseg.model.dilated import Dilated, DilatedTwoDates
from geoseg.model.two_dates import DATES, TwoDates
from geoseg.model.weights import read_tensors

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_OWN_NETWORKS = {
    "Conv1x1": (),
    "Dilated": ("width", "dilations", "dropout"),
    "Dilated of two dates": ("width", "dilations", "dropout", "joint"),
}  # at full resolution; with their parameters
_OWN = {"self", "encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params", "kwargs"}
_TIMM = {"DPT": {"img_size", "dynamic_img_size"}}
_HEADS = {"EfficientNetEncoder": ("_conv_head", "_bn1")}  # of the classifier that the encoder was made from
# How often the decoder halves the encoder's last map again: PAN's feature pyramid attention three times, DPT once.
_PYRAMID = {"PAN": 8, "DPT": 2}
# Levels of the encoder's features that a decoder looks at, where it is not all but the first: the image, or what is as large.
_LEVELS = {
    "FPN": slice(-4, None),
    "PSPNet": slice(-1, None),
    "PAN": slice(2, None),
    "UPerNet": slice(2, None),
    "DeepLabV3": slice(-1, None),
}


def build(spec: NetworkSpec) -> nn.Module:
    """Make the network with random weights; it gives logits (N, classes, rows, cols) of the input's size.

    One of two dates is :class:`geoseg.model.two_dates.TwoDates`, made of the network that is named.

    Raises
    ------
    BundleError
        ``CARD``: an architecture, encoder or parameter that does not exist or does not fit.
    """
    if spec.architecture in _OWN_NETWORKS:
        return _construct_own(spec)
    network = _construct(spec)
    _drop_unused(network)
    return network


def divisor(spec: NetworkSpec) -> int:
    """Total stride of the network in pixels: chip sides, halo and read origins are multiples of it."""
    return _stride(spec, build(spec))


def load_network(bundle: Bundle) -> nn.Module:
    """Build the bundle's network and load its weights, in evaluation mode.

    Raises
    ------
    BundleError
        ``WEIGHTS``: missing, surplus, wrong-shaped, wrong-typed or non-finite weights. ``CARD``: as :func:`build`.
    """
    if bundle.network is None:
        raise BundleError.of("CARD", bundle.path, "is an ONNX bundle and has no torch network", "Use --backend onnx")
    network = build(bundle.network)
    load_weights(network, read_tensors(bundle.weights), bundle.weights)
    return network.eval()


def load_weights(network: nn.Module, weights: Mapping[str, np.ndarray], where: str | Path) -> None:
    """Put ``weights`` into the network; names and shapes must be exactly its own, floats may have another width."""
    own = network.state_dict()
    common = sorted(own.keys() & weights.keys())
    problems = {
        "lacks": sorted(own.keys() - weights.keys()),
        "has a surplus": sorted(weights.keys() - own.keys()),
        "has the wrong shape for": [name for name in common if tuple(own[name].shape) != weights[name].shape],
        "has the wrong type for": [
            name for name in common if own[name].is_floating_point() != (weights[name].dtype.kind == "f")
        ],
    }
    for what, names in problems.items():
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            remedy = "Weights and network are not of one model"
            raise BundleError.of("WEIGHTS", where, f"{what} {names[0]}{more}", remedy)
    broken = [name for name, values in weights.items() if values.dtype.kind == "f" and not np.isfinite(values).all()]
    if broken:
        raise BundleError.of("WEIGHTS", where, f"{broken[0]} has NaN or infinite values", "Train the model again")
    tensors = {name: torch.from_numpy(np.array(values)).to(own[name].dtype) for name, values in weights.items()}
    network.load_state_dict(tensors, strict=True)


def class_index(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Argmax of the logits for images (n, bands, rows, cols), one at a time: uint8 (n, rows, cols); NaN is refused."""
    network.eval()
    found = []
    with torch.inference_mode():
        for image in images:
            logits = network(torch.from_numpy(np.ascontiguousarray(image[None], dtype=np.float32)))
            if not bool(torch.isfinite(logits).all()):
                raise BundleError.of("WEIGHTS", "sample", "the network gives NaN or infinite logits", "Train it again")
            found.append(logits.argmax(1).to(torch.uint8).numpy()[0])
    return np.stack(found)


def adopt(spec: NetworkSpec, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights without those of encoder parts that never run and that :func:`build` leaves out."""
    whole = set() if spec.architecture in _OWN_NETWORKS else _construct(spec).state_dict().keys()
    unused = whole - build(spec).state_dict().keys()
    return {name: values for name, values in weights.items() if name not in unused}


def encoder_names(spec: NetworkSpec) -> set[str]:
    """Names of the tensors of the whole encoder, also of stages and heads that the network leaves out."""
    if spec.encoder.startswith("tu-"):
        import timm

        return set(timm.create_model(spec.encoder[3:], pretrained=False).state_dict())
    from segmentation_models_pytorch.encoders import get_encoder

    return set(get_encoder(spec.encoder, weights=None).state_dict())


def resized_positions(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Position embeddings (1, tokens, width) of square images for another number of tokens; as they are where none fits."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    if values.ndim != 3 or len(shape) != 3 or values.shape[2] != shape[2]:
        return values
    for prefix in (0, 1, 2, 5):  # class token, distillation token, registers
        sides = [math.isqrt(max(tokens - prefix, 0)) for tokens in (values.shape[1], shape[1])]
        if all(side and side**2 == n - prefix for side, n in zip(sides, (values.shape[1], shape[1]), strict=True)):
            tensor = torch.from_numpy(np.asarray(values, np.float32))
            grid, before = [sides[1]] * 2, [sides[0]] * 2
            resized = resample_abs_pos_embed(tensor, grid, before, num_prefix_tokens=prefix)
            return np.asarray(resized.numpy())
    return values


@dataclass(frozen=True, slots=True)
class Examined:
    """What a network turned out to be: its total stride, whether it takes one chip size only, its answer to a sample."""

    stride: int
    fixed_size: bool
    index: np.ndarray | None


def examine(
    spec: NetworkSpec, weights: Mapping[str, np.ndarray], chip_size: int, sample: np.ndarray | None = None
) -> Examined:
    """Check that weights and network fit and that a chip gives finite logits of its own size.

    ``sample`` are images (n, bands, rows, cols); ``index`` is then the class of each pixel, on the CPU in fp32.
    """
    network = build(spec)
    load_weights(network, weights, f"{spec.architecture}-{spec.encoder}")
    network.eval()
    try:
        with torch.inference_mode():
            logits = network(torch.zeros(1, spec.in_channels, chip_size, chip_size))
        index = None if sample is None else class_index(network, sample)
    except BundleError:
        raise
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        raise _misfit(spec, f"does not take chips of {chip_size}: {error}") from error
    if tuple(logits.shape) != (1, spec.classes, chip_size, chip_size):
        raise _misfit(spec, f"gives logits of shape {tuple(logits.shape)} for a chip of {chip_size}")
    return Examined(_stride(spec, network), _is_fixed(spec), index)


def _construct(spec: NetworkSpec) -> nn.Module:
    constructor = _constructor(spec)
    params = {key: list(value) if isinstance(value, tuple) else value for key, value in spec.params}
    channels = {"in_channels": _bands_each(spec), "classes": spec.classes}
    try:
        network: nn.Module = constructor(encoder_name=spec.encoder, encoder_weights=None, **channels, **params)
        if spec.fusion is not None:
            network = TwoDates(network, spec.fusion, _levels(spec, network))
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError, IndexError, NotImplementedError) as error:
        raise _misfit(spec, f"cannot be built: {error}") from error
    return network


def _bands_each(spec: NetworkSpec) -> int:
    """Bands of one date."""
    if (spec.dates, spec.fusion is None) not in ((1, True), (DATES, False)) or spec.in_channels % spec.dates:
        raise _misfit(spec, f"has {spec.in_channels} bands of {spec.dates} dates and the fusion {spec.fusion}")
    if spec.dates > 1 and spec.architecture in ("Conv1x1", "DPT"):
        raise _misfit(spec, "is for one date; for two there are Dilated and those of smp but DPT")
    return spec.in_channels // spec.dates


def _levels(spec: NetworkSpec, network: Any) -> list[int]:
    """The levels that the decoder looks at."""
    levels = list(range(len(network.encoder.out_channels)))
    if spec.architecture == "DeepLabV3Plus":
        return [levels[2], levels[-1]]
    return levels[_LEVELS.get(spec.architecture, slice(1, None))]


def _drop_unused(network: nn.Module) -> None:
    """Take out what the encoder has and never runs: heads, and stages below ``encoder_depth`` (42 of 45 MB, resnet18)."""
    encoder: Any = network.encoder
    try:
        stages = encoder.get_stages() if hasattr(encoder, "get_stages") else {}
    except NotImplementedError:
        stages = {}
    depth = getattr(encoder, "_depth", 5)
    unused = {id(part) for stride, parts in stages.items() if stride > 2**depth for part in parts}
    for name, part in list(encoder.named_children()):
        if id(part) in unused or name in _HEADS.get(type(encoder).__name__, ()):
            setattr(encoder, name, nn.Identity())


def _stride(spec: NetworkSpec, network: nn.Module) -> int:
    if spec.architecture in _OWN_NETWORKS:
        return 1
    encoder: Any = network.encoder
    strides = getattr(encoder, "output_strides", None) or [encoder.output_stride]
    return math.lcm(*(int(stride) for stride in strides)) * _PYRAMID.get(spec.architecture, 1)


def _is_fixed(spec: NetworkSpec) -> bool:
    return spec.architecture == "DPT" and not dict(spec.params).get("dynamic_img_size", False)


def _constructor(spec: NetworkSpec) -> Any:
    import segmentation_models_pytorch as smp  # takes seconds, so only when a network is built

    if spec.architecture not in ARCHITECTURES:
        raise _misfit(spec, "is no known architecture")
    constructor = getattr(smp, spec.architecture)
    known = set(inspect.signature(constructor.__init__).parameters) - _OWN
    _check_params(spec, known | _TIMM.get(spec.architecture, set()))
    return constructor


def _check_params(spec: NetworkSpec, known: set[str]) -> None:
    for key, value in spec.params:
        if key not in known:
            raise _misfit(spec, f"has no parameter {key} (it has: {', '.join(sorted(known)) or 'none'})")
        numbers = value if isinstance(value, tuple | list) else [value]
        if any(isinstance(number, int | float) and abs(number) > 65536 for number in numbers):
            raise _misfit(spec, f"has a parameter {key} beyond 65536")


def _construct_own(spec: NetworkSpec) -> nn.Module:
    bands = _bands_each(spec)
    _check_params(spec, set(_OWN_NETWORKS[spec.architecture + (" of two dates" if spec.dates > 1 else "")]))
    if spec.architecture == "Conv1x1":
        return nn.Conv2d(bands, spec.classes, 1)
    params: dict[str, Any] = dict(spec.params)
    try:
        if spec.fusion is not None:
            return DilatedTwoDates(bands, spec.classes, spec.fusion, **params)
        return Dilated(bands, spec.classes, **params)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _misfit(spec, f"cannot be made: {error}") from error


def _misfit(spec: NetworkSpec, what: str) -> BundleError:
    text = what if len(what) < 300 else what[:300] + "..."
    return BundleError.of("CARD", f"{spec.architecture} {spec.encoder}", text, "Correct the network in the card")
