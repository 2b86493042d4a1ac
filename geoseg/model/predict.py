"""Predict: what a network must do for the rest of geoseg, and the choice of backend, device, precision and batch.

Nothing here imports torch, ONNX Runtime or OpenVINO; a backend's module does so when it is loaded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from geoseg.errors import ResourceError, UsageError
from geoseg.model import devices

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

Backend = Literal["torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "fp16"]
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

log = logging.getLogger(__name__)

_CUDA_BATCH = 16
_EXTRAS = {"torch": ("torch", "geoseg"), "onnx": ("onnxruntime", "geoseg[onnx]"), "openvino": ("openvino", "geoseg[openvino]")}


@dataclass(slots=True)
class Classified:
    """What leaves the device for a batch of chips.

    ``index`` is the class index, uint8 (N, rows, cols); of equal logits the lowest index wins. ``confidence`` is the
    largest softmax probability in percent, rounded, uint8 (N, rows, cols), or None when it was not asked for.
    ``finite`` is bool (N,): False where a chip has a NaN or infinite logit; that chip's other values mean nothing.
    """

    index: Bytes
    confidence: Bytes | None
    finite: npt.NDArray[np.bool_]


class Predictor(Protocol):
    """A network on a device. ``images`` are normalized, float32 (N, bands, rows, cols), N exactly ``batch_size``.

    N is fixed because logits change with the batch size; the caller fills up with zeros.
    """

    batch_size: int
    classes: int

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        ...

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax on the device, and the confidence when asked for."""
        ...


class LogitsPredictor:
    """A predictor that a subclass completes with :meth:`predict`; ``classify`` follows from the logits."""

    def __init__(self, *, classes: int, batch_size: int = 1) -> None:
        """``classes`` channels of logits, ``batch_size`` chips a call."""
        self.classes = classes
        self.batch_size = batch_size

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        raise NotImplementedError

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Argmax of :meth:`predict`."""
        return classify_logits(self.predict(images), confidence=confidence)


def classify_logits(logits: Floats, *, confidence: bool = False) -> Classified:
    """Argmax, confidence and finiteness of logits (N, classes, rows, cols), in NumPy: the slow and obvious way."""
    finite = np.isfinite(logits).all(axis=(1, 2, 3))
    percent = None
    if confidence:
        with np.errstate(all="ignore"):
            top = np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
            percent = np.where(finite[:, None, None], np.rint(100 / top), 0).astype(np.uint8)
    return Classified(logits.argmax(axis=1).astype(np.uint8), percent, finite)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a bundle is run: everything that can change a byte of the mask, so that it belongs in the plan's digest.

    ``versions`` holds (name, version) of the libraries that compute and the processor's instruction set as ``isa``.
    ``agreement`` is the share of the self-test sample's pixels whose class is the one of fp32; None when nothing was compared.
    """

    backend: Backend
    device: str
    precision: Precision
    batch_size: int
    versions: tuple[tuple[str, str], ...]
    agreement: float | None = None


def choose(  # noqa: PLR0913 - one keyword for each option of the command line
    bundle: Bundle,
    *,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
) -> Choice:
    """Choose how to run ``bundle`` here: deterministic for one machine, bundle and set of installed packages.

    ``precision="auto"`` takes the fastest precision of the device that leaves at least 99.5 % of the pixels of the bundle's
    self-test sample in the class that fp32 gives them, and fp32 where the bundle has no sample.

    Raises
    ------
    UsageError
        ``BACKEND``, ``DEVICE`` or ``PRECISION``: it is not installed, not here, or does not fit the bundle.
    ResourceError
        ``OOM``: a single chip does not fit into the device's memory.
    """
    _check_batch(batch_size)
    found_backend = _choose_backend(bundle, backend, device)
    found_device = devices.find(device, found_backend)
    size = batch_size or (_CUDA_BATCH if found_device.startswith("cuda") else 1)
    choice = Choice(found_backend, found_device, "fp32", size, devices.versions(found_backend, found_device))
    choice = _fit_batch(bundle, choice, threads)
    return _choose_precision(bundle, choice, precision, threads)


def load_predictor(bundle: Bundle, choice: Choice, *, threads: int | None = None) -> Predictor:
    """Load ``bundle`` as ``choice`` says.

    ``threads`` sets the threads of this process's backend (torch: for the whole process); None leaves them alone.
    """
    _require(choice.backend)
    if choice.backend == "torch":
        from geoseg.model import torch_backend

        return torch_backend.load(bundle, choice, threads=threads)
    if choice.backend == "onnx":
        from geoseg.model import onnx_backend

        return onnx_backend.load(bundle, choice, threads=threads)
    from geoseg.model import openvino_backend

    return openvino_backend.load(bundle, choice, threads=threads)


def _check_batch(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise UsageError.of("BATCH_SIZE", batch_size, "a batch needs at least one chip", "Give --batch-size 1 or more")


def _choose_backend(bundle: Bundle, backend: str, device: str) -> Backend:
    """The backend by name, or the fastest one that is installed and can run the bundle on the device."""
    if backend == "auto":
        return _auto_backend(bundle, device)
    if backend not in _EXTRAS:
        raise UsageError.of("BACKEND", backend, "no such backend", "Use torch, onnx, openvino or auto")
    if backend == "torch" and bundle.kind == "onnx":
        raise UsageError.of(
            "BACKEND", bundle.name, "the bundle holds an ONNX network, which torch cannot run", "Use --backend openvino or onnx"
        )
    _require(backend)
    return cast(Backend, backend)


def _auto_backend(bundle: Bundle, device: str) -> Backend:
    if bundle.kind == "torch":
        return "torch"
    return "openvino" if find_spec("openvino") else cast(Backend, _require("onnx"))


def _require(backend: str) -> str:
    package, requirement = _EXTRAS[backend]
    if find_spec(package) is None:
        raise UsageError.of("BACKEND", backend, f"{package} is not installed", f"Run: pip install '{requirement}'")
    return backend


def _choose_precision(bundle: Bundle, choice: Choice, precision: str, threads: int | None) -> Choice:
    from geoseg.model import precision as gate

    if precision == "fp32":
        return choice
    if precision != "auto":
        return gate.forced(bundle, choice, cast(Precision, precision), threads=threads)
    return gate.fastest(bundle, choice, threads=threads)


def _fit_batch(bundle: Bundle, choice: Choice, threads: int | None) -> Choice:
    """Halve the batch until one fits into the GPU's memory; on a CPU there is nothing to try."""
    while choice.device.startswith("cuda"):
        try:
            predictor = load_predictor(bundle, choice, threads=threads)
            bands = len(bundle.bands)
            predictor.classify(np.zeros((choice.batch_size, bands, bundle.chip_size, bundle.chip_size), np.float32), confidence=True)
        except ResourceError:
            if choice.batch_size == 1:
                raise
            log.info("a batch of %d chips does not fit into the memory of %s", choice.batch_size, choice.device)
            choice = replace(choice, batch_size=choice.batch_size // 2)
        else:
            break
    return choice
