"""Tiny bundles: a 1x1 convolution (no smp needed), a small Unet, an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from geoseg.legend import Legend
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts, NetworkSpec, save_bundle

BANDS = ("blue", "green", "red", "nir")
CLASSES = ("water", "tree", "built")
UNET = NetworkSpec("Unet", "resnet18", 4, 3, (("decoder_channels", (16, 8, 8)), ("encoder_depth", 3)))


def facts(name: str = "tiny", **changes: Any) -> BundleFacts:
    """Facts of a bundle of four bands and three classes, chips of 64 and a halo of 16."""
    bands = tuple(BandSpec(band, 0.1 + 0.05 * i, 0.05 + 0.01 * i) for i, band in enumerate(changes.pop("bands", BANDS)))
    legend = Legend.of(changes.pop("classes", CLASSES))
    return BundleFacts(name=name, bands=bands, legend=legend, **{"chip_size": 64, "halo": 16, **changes})


def sample_of(bundle_facts: BundleFacts, size: int = 64, seed: int = 0) -> np.ndarray:
    """Two normalized random images."""
    shape = (2, len(bundle_facts.bands), size, size)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv_bundle(path: Path, *, seed: int = 0, bands: tuple[str, ...] = BANDS, **changes: Any) -> Bundle:
    """A 1x1 convolution with known random weights: every pixel by itself, so any halo is enough; loads in no time."""
    made = facts(bands=bands, **changes)
    spec = NetworkSpec("Conv1x1", "none", len(made.bands), len(made.legend.classes))
    rng = np.random.default_rng(seed)
    weights = {
        "weight": rng.normal(size=(spec.classes, spec.in_channels, 1, 1)).astype(np.float32),
        "bias": rng.normal(size=spec.classes).astype(np.float32),
    }
    made = facts(bands=bands, network=spec, **changes)
    return save_bundle(path, made, weights=weights, sample=sample_of(made, made.chip_size))


def unet_bundle(path: Path, *, spec: NetworkSpec = UNET, seed: int = 0, **changes: Any) -> Bundle:
    """A small smp network with random weights."""
    import torch

    from geoseg.model.network import build

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(spec)
    made = facts(network=spec, **changes)
    return save_bundle(path, made, weights=network.state_dict(), sample=sample_of(made, made.chip_size))


def onnx_bundle(path: Path, *, seed: int = 0, size: int | None = None, **changes: Any) -> Bundle:
    """A 1x1 convolution as an ONNX graph, for chips of any size or of ``size`` only."""
    made = facts(fixed_size=size is not None, align=16, **changes)
    graph = conv_onnx(len(made.bands), len(made.legend.classes), seed=seed, size=size)
    return save_bundle(path, made, weights=graph, sample=sample_of(made, made.chip_size))


def conv_onnx(bands: int = 4, classes: int = 3, *, seed: int = 0, size: int | None = None) -> bytes:
    """The bytes of an ONNX model with one 1x1 convolution."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(classes, bands, 1, 1)).astype(np.float32)
    bias = rng.normal(size=classes).astype(np.float32)
    axes = (size, size) if size else ("rows", "cols")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", bands, *axes])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes, *axes])
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["logits"], kernel_shape=[1, 1])
    values = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph([node], "conv", [image], [logits], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
