"""Predict: what a network must do for the rest of geoseg, and the choice of backend, device, precision and batch.

Nothing here imports torch, ONNX Runtime or OpenVINO; a backend's module does so when it is loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.model.quiet import no_telemetry

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

Backend = Literal["torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "fp16"]
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
_EXTRAS = {"torch": "geoseg", "onnx": "geoseg[onnx]", "openvino": "geoseg[openvino]"}


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

    N is fixed because logits change with the batch size; the caller fills up with zeros. ``lanes`` threads may call it at
    a time; each call then has its share of the processors.
    """

    batch_size: int
    classes: int
    lanes: int

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        ...

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax on the device, and the confidence when asked for."""
        ...


class LogitsPredictor(ABC):
    """A predictor that a subclass completes with :meth:`predict`; ``classify`` follows from the logits."""

    def __init__(self, *, classes: int, batch_size: int = 1, lanes: int = 1) -> None:
        """``classes`` channels of logits, ``batch_size`` chips a call, ``lanes`` calls at a time."""
        self.classes = classes
        self.batch_size = batch_size
        self.lanes = lanes

    @abstractmethod
    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Argmax of :meth:`predict`."""
        return classify_logits(self.predict(images), confidence=confidence)


def classify_logits(logits: Floats, *, confidence: bool = False) -> Classified:
    """Argmax, confidence and finiteness of logits (N, classes, rows, cols), in NumPy: the slow and obvious way."""
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=(1, 2, 3)))
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
    ``agreement`` is the share of the self-test sample's pixels that keep the class of the reference (fp32, in torch for
    a torch bundle); None when nothing was compared.
    """

    backend: Backend
    device: str
    precision: Precision
    batch_size: int
    versions: tuple[tuple[str, str], ...]
    agreement: float | None = None


def choose(
    bundle: Bundle,
    *,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
) -> Choice:
    """Choose how to run ``bundle`` here: the same choice each time for one machine, bundle and set of packages.

    ``auto`` takes the fastest backend and precision of the device that leave at least 99.5 % of the pixels of the
    bundle's self-test sample in the class of the reference; without a sample only fp32 is taken. On a GPU a batch is
    halved until it fits.

    Raises
    ------
    UsageError
        ``BACKEND``, ``DEVICE``, ``PRECISION`` or ``BATCH_SIZE``: not installed, not here, or not for this bundle.
    BundleError
        The bundle's network cannot be loaded.
    ResourceError
        ``OOM``: a single chip does not fit into the device's memory.
    """
    from geoseg.model import precision as gate

    if batch_size is not None and batch_size < 1:
        raise UsageError.of("BATCH_SIZE", batch_size, "a batch needs at least one chip", "Give --batch-size 1 or more")
    wish = gate.Wish(device=device, backend=backend, precision=precision, batch_size=batch_size)
    return gate.choose(bundle, wish, threads=threads)


def load_predictor(bundle: Bundle, choice: Choice, *, threads: int | None = None) -> Predictor:
    """Load ``bundle`` as ``choice`` says; one predictor serves ``lanes`` threads at a time.

    ``threads`` are the processors that all calls at a time may use (torch: for the whole process); None takes all.
    """
    require(choice.backend)
    if choice.backend == "torch":
        from geoseg.model import torch_backend

        return torch_backend.load(bundle, choice, threads=threads)
    if choice.backend == "onnx":
        from geoseg.model import onnx_backend

        return onnx_backend.OnnxPredictor(bundle, choice, threads=threads)
    with no_telemetry():
        from geoseg.model import openvino_backend

    return openvino_backend.OpenVinoPredictor(bundle, choice, threads=threads)


def is_installed(backend: Backend) -> bool:
    """Whether the backend's package is there; nothing is imported."""
    return find_spec(_PACKAGES[backend]) is not None


def require(backend: Backend) -> None:
    """Refuse (``BACKEND``) a backend that is not installed, with the command that installs it."""
    if not is_installed(backend):
        what = f"{_PACKAGES[backend]} is not installed"
        raise UsageError.of("BACKEND", backend, what, f"Run: pip install '{_EXTRAS[backend]}'")
