"""Precision: the gate that lets a faster backend or precision in only where it leaves the classes as they are."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from geoseg.errors import BundleError, ResourceError, UsageError
from geoseg.model import devices
from geoseg.model.bundle import read_sample
from geoseg.model.predict import (
    Backend,
    Bytes,
    Choice,
    Floats,
    Precision,
    Predictor,
    is_installed,
    load_predictor,
    require,
)
from geoseg.model.reference import LEAST_AGREEMENT

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_CUDA_BATCH = 16
_KINDS: dict[str, tuple[Backend, ...]] = {"torch": ("openvino", "torch"), "onnx": ("openvino", "onnx")}  # fastest first

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks for; ``auto`` leaves it to :func:`choose`, a ``batch_size`` of None too."""

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None


def choose(bundle: Bundle, wish: Wish, *, threads: int | None = None) -> Choice:
    """The first candidate that loads and passes the gate; see :func:`geoseg.model.predict.choose`."""
    candidates = _fit_batch(bundle, _candidates(bundle, wish), threads)
    trial = Trial(bundle, replace(candidates[-1], precision="fp32"), threads)
    if wish.precision not in ("auto", "fp32"):
        return trial.measure(candidates[0])
    for candidate in candidates[:-1]:
        passed = trial.passes(candidate)
        if passed is not None:
            return passed
    return candidates[-1]


def agreement(predictor: Predictor, images: Floats, expected: Bytes) -> float:
    """Share of the pixels of ``images`` (n, bands, rows, cols) that get the ``expected`` class; 0 when not finite."""
    found = class_index(predictor, images)
    return 0.0 if found is None else float(np.mean(found == expected))


def class_index(predictor: Predictor, images: Floats) -> Bytes | None:
    """Class index of images (n, bands, rows, cols) in batches filled up with zeros; None when not finite."""
    found = []
    for start in range(0, len(images), predictor.batch_size):
        part = images[start : start + predictor.batch_size]
        missing = np.zeros((predictor.batch_size - len(part), *part.shape[1:]), np.float32)
        result = predictor.classify(np.concatenate([part, missing]))
        if not result.finite[: len(part)].all():
            return None
        found.append(result.index[: len(part)])
    return np.concatenate(found)


class Trial:
    """Candidates against the class index that fp32 gives for the bundle's sample: the bundle's own, or computed once."""

    def __init__(self, bundle: Bundle, reference: Choice, threads: int | None = None) -> None:
        """Read the sample; ``reference`` is loaded only where the bundle does not say what is expected."""
        self.bundle = bundle
        self.reference = reference
        self.threads = threads
        self.images: Floats | None = None
        self._expected: Bytes | None = None
        found = read_sample(bundle)
        if found is not None:
            self.images, self._expected = found

    def passes(self, candidate: Choice) -> Choice | None:
        """The candidate with its agreement, or None when it does not load or changes too many pixels."""
        if self.images is None and candidate.precision != "fp32":
            return None
        try:
            measured = self.measure(candidate)
        except BundleError as error:
            if error.code != "BACKEND":
                raise
            log.info("%s", error)
            return None
        return measured if measured.agreement is None or measured.agreement >= LEAST_AGREEMENT else None

    def measure(self, candidate: Choice) -> Choice:
        """The candidate with its agreement; without a sample it only has to run."""
        predictor = load_predictor(self.bundle, candidate, threads=self.threads)
        if self.images is None:
            _run_zeros(self.bundle, predictor)
            return candidate
        share = agreement(predictor, self.images, self.expected(self.images))
        name = f"{candidate.backend} {candidate.precision}"
        log.info("%s: %s keeps %.3f %% of the sample's classes", self.bundle.name, name, 100 * share)
        return replace(candidate, agreement=share)

    def expected(self, images: Floats) -> Bytes:
        """Class index of the sample in fp32."""
        if self._expected is None:
            self._expected = class_index(load_predictor(self.bundle, self.reference, threads=self.threads), images)
        if self._expected is None:
            remedy = "Train or export the model again"
            raise BundleError.of(
                "WEIGHTS", self.bundle.path, "gives logits that are not finite for its own sample", remedy
            )
        return self._expected


def _candidates(bundle: Bundle, wish: Wish) -> list[Choice]:
    """What may be tried, the fastest first; where the precision is free or fp32, the last one is the reference."""
    device = devices.find(wish.device, torch_runs=bundle.kind == "torch" and wish.backend in ("auto", "torch"))
    size = wish.batch_size or (_CUDA_BATCH if device != "cpu" else 1)
    return [
        Choice(backend, device, precision, size, devices.versions(backend, device))
        for backend in _backends(bundle, wish.backend, device)
        for precision in _precisions(wish.precision, backend, device)
    ]


def _backends(bundle: Bundle, backend: str, device: str) -> list[Backend]:
    if backend == "auto":
        if device != "cpu":
            return ["torch"]
        fitting = [b for b in _KINDS[bundle.kind] if is_installed(b)]
        if not fitting:
            require(_KINDS[bundle.kind][-1])
        return fitting
    for known in get_args(Backend):
        if backend == known:
            if known == "torch" and bundle.kind == "onnx":
                what = "the bundle holds an ONNX network, which torch does not run"
                raise UsageError.of("BACKEND", bundle.name, what, "Use --backend openvino or onnx")
            require(known)
            return [known]
    raise UsageError.of("BACKEND", backend, "no such backend", f"Use auto, {', '.join(get_args(Backend))}")


def _precisions(precision: str, backend: Backend, device: str) -> list[Precision]:
    possible = devices.precisions(backend, device)
    if precision == "auto":
        return [p for p in possible if p == "fp32" or devices.is_fast(p, device)]
    found = [p for p in possible if p == precision]
    if not found:
        what = f"{backend} on {device} computes in {', '.join(possible)}"
        raise UsageError.of("PRECISION", precision, what, "Use --precision auto")
    return found


def _fit_batch(bundle: Bundle, candidates: list[Choice], threads: int | None) -> list[Choice]:
    """Halve the batch until the reference fits into the GPU's memory; on a processor there is nothing to try."""
    while candidates[-1].device != "cpu":
        size = candidates[-1].batch_size
        try:
            _run_zeros(bundle, load_predictor(bundle, candidates[-1], threads=threads))
        except ResourceError:
            if size == 1:
                raise
            log.info("a batch of %d chips does not fit into the memory of %s", size, candidates[-1].device)
            candidates = [replace(candidate, batch_size=size // 2) for candidate in candidates]
        else:
            break
    return candidates


def _run_zeros(bundle: Bundle, predictor: Predictor) -> None:
    shape = (predictor.batch_size, len(bundle.bands), bundle.chip_size, bundle.chip_size)
    predictor.classify(np.zeros(shape, np.float32), confidence=True)
