"""Reference: the class index that a bundle gives in fp32, one image at a time; what exports and processors are held to."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from geoseg.errors import BundleError, UsageError
from geoseg.model.bundle import Bundle, read_sample

LEAST_AGREEMENT = 0.995
"""Least share of pixels in the class that the reference gives them: processors round ties differently."""


def reference_index(bundle: Bundle, images: np.ndarray) -> np.ndarray:
    """Class index uint8 (n, rows, cols) of normalized images float32 (n, bands, rows, cols): by torch or ONNX Runtime."""
    if bundle.kind == "onnx":
        return run_onnx(bundle.weights, images)
    from geoseg.model.network import class_index, load_network

    return class_index(load_network(bundle), images)


def run_onnx(graph: str | bytes, images: np.ndarray) -> np.ndarray:
    """Class index of images (n, bands, rows, cols), one at a time, by ONNX Runtime on the CPU: uint8 (n, rows, cols)."""
    runtime = installed("onnxruntime", "onnx")
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = []
    for image in images:
        logits = session.run(None, {name: image[None]})[0]
        if not np.isfinite(logits).all():
            raise BundleError.of("WEIGHTS", "sample", "the graph gives NaN or infinite logits", "Export it again")
        found.append(logits.argmax(1)[0].astype(np.uint8))
    return np.stack(found)


def trial_images(bundle: Bundle, size: int | None = None) -> np.ndarray:
    """The bundle's sample, or noise of ``size`` where it has none or another size is asked for."""
    sample = read_sample(bundle)
    if sample is not None and size is None:
        return sample[0]
    side = size or bundle.chip_size
    return np.random.default_rng(0).normal(size=(1, len(bundle.bands), side, side)).astype(np.float32)


def installed(module: str, extra: str) -> Any:
    """A module of an extra; ``UsageError`` ``BACKEND`` says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f'Run pip install "geoseg[{extra}]"'
        raise UsageError.of("BACKEND", module, "is not installed", remedy) from error
