"""Precision: the gate that lets a faster precision in only where it leaves the classes as they are."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from geoseg.errors import BundleError, UsageError
from geoseg.model import devices
from geoseg.model.predict import Choice, Floats, Precision, Predictor, load_predictor

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

MIN_AGREEMENT = 0.995
"""Share of the sample's pixels that must keep the class of fp32."""

log = logging.getLogger(__name__)


def fastest(bundle: Bundle, choice: Choice, *, threads: int | None = None) -> Choice:
    """The fastest precision of the device that passes the gate; fp32 without a sample or without such a precision."""
    images = read_sample(bundle)
    candidates = devices.fast_precisions(choice.device) if choice.backend != "onnx" else ()
    if images is None or not candidates:
        return choice
    reference = load_predictor(bundle, choice, threads=threads)
    for precision in candidates:
        candidate = replace(choice, precision=precision)
        share = agreement(reference, load_predictor(bundle, candidate, threads=threads), images)
        log.info("%s: %s agrees with fp32 on %.3f %% of the sample", bundle.name, precision, 100 * share)
        if share >= MIN_AGREEMENT:
            return replace(candidate, agreement=share)
    return choice


def forced(bundle: Bundle, choice: Choice, precision: Precision, *, threads: int | None = None) -> Choice:
    """``precision`` because the user says so; its agreement with fp32 is measured where the bundle has a sample."""
    _check_possible(choice, precision)
    candidate = replace(choice, precision=precision)
    images = read_sample(bundle)
    if images is None:
        return candidate
    reference, other = (load_predictor(bundle, c, threads=threads) for c in (choice, candidate))
    return replace(candidate, agreement=agreement(reference, other, images))


def agreement(reference: Predictor, candidate: Predictor, images: Floats) -> float:
    """Share of the pixels of ``images`` (n, bands, rows, cols) that get the same class from both; 0 when not finite."""
    same = 0
    pixels = 0
    for start in range(0, len(images), reference.batch_size):
        part = images[start : start + reference.batch_size]
        count = len(part)
        part = np.concatenate([part, np.zeros((reference.batch_size - count, *part.shape[1:]), np.float32)])
        first, second = reference.classify(part), candidate.classify(part)
        if not (first.finite[:count].all() and second.finite[:count].all()):
            return 0.0
        same += int(np.count_nonzero(first.index[:count] == second.index[:count]))
        pixels += first.index[:count].size
    return same / pixels if pixels else 0.0


def read_sample(bundle: Bundle) -> Floats | None:
    """The bundle's self-test images, float32 (n, bands, rows, cols), normalized; None when it has none."""
    if bundle.sample is None:
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        images = load_file(bundle.sample)["images"]
    except (OSError, KeyError, SafetensorError) as error:
        raise BundleError.of("SAMPLE", bundle.sample, f"cannot be read: {error}", "Save the bundle again") from error
    if images.ndim != 4 or images.shape[1] != len(bundle.bands) or images.dtype != np.float32:
        raise BundleError.of("SAMPLE", bundle.sample, f"has shape {images.shape}, {images.dtype}", "Save the bundle again")
    return images


def _check_possible(choice: Choice, precision: Precision) -> None:
    if precision not in {"bf16", "fp16"}:
        raise UsageError.of("PRECISION", precision, "no such precision", "Use auto, fp32, bf16 or fp16")
    if choice.device == "cpu" and precision == "fp16":
        raise UsageError.of("PRECISION", precision, "processors run networks in fp32 or bf16", "Use --precision auto")
    hardware = precision in devices.fast_precisions(choice.device)
    if choice.backend == "onnx" or (choice.backend == "openvino" and not hardware):
        raise UsageError.of("PRECISION", precision, f"{choice.backend} cannot compute it here", "Use --precision auto")
