"""ONNX Runtime backend: ONNX bundles, and torch bundles exported in memory, on the processor."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from geoseg.errors import BundleError, UsageError
from geoseg.model import argmax, devices
from geoseg.model.predict import Choice, Classified, Floats, LogitsPredictor

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

log = logging.getLogger(__name__)


class OnnxPredictor(LogitsPredictor):
    """One session for an ONNX bundle; for a torch bundle one per shape of images, as the export fixes it.

    Raises
    ------
    BundleError
        ``BACKEND``, with the first images: the network cannot be exported, or ONNX Runtime does not take it.
    """

    def __init__(self, bundle: Bundle, choice: Choice, *, threads: int | None = None) -> None:
        """Nothing is loaded yet; ``threads`` is for this predictor alone, None takes all."""
        lanes, each = devices.lanes(threads)
        super().__init__(classes=len(bundle.legend.classes), batch_size=choice.batch_size, lanes=lanes)
        self._bundle = bundle
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        if each is not None:
            self._options.intra_op_num_threads = each
            self._options.inter_op_num_threads = 1
        self._loading = threading.Lock()
        self._sessions: dict[tuple[int, ...], onnxruntime.InferenceSession] = {}

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        session = self._session(images.shape)
        try:
            logits: Floats = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(images)})[0]
        except Exception as error:  # onnxruntime's own exceptions have no common parent
            raise _unfit(self._bundle, error) from error
        return logits

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax, and the confidence when asked for."""
        return argmax.classify(self.predict(images), confidence=confidence)

    def _session(self, shape: tuple[int, ...]) -> onnxruntime.InferenceSession:
        key = shape if self._bundle.kind == "torch" else ()
        with self._loading:
            if key not in self._sessions:
                self._sessions[key] = self._load(shape)
            return self._sessions[key]

    def _load(self, shape: tuple[int, ...]) -> onnxruntime.InferenceSession:
        graph = export(self._bundle, shape) if self._bundle.kind == "torch" else Path(self._bundle.weights).read_bytes()
        try:
            return onnxruntime.InferenceSession(graph, self._options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _unfit(self._bundle, error) from error


def export(bundle: Bundle, shape: tuple[int, ...]) -> bytes:
    """The bytes of an ONNX model of a torch bundle, for images of ``shape``."""
    import torch

    from geoseg.model.network import load_network

    try:
        with torch.no_grad(), warnings.catch_warnings(), TemporaryDirectory() as folder:
            warnings.simplefilter(
                "ignore"
            )  # deprecated, but the other exporter needs onnxscript; sizes are meant fixed
            file = Path(folder, "model.onnx")
            torch.onnx.export(load_network(bundle), (torch.zeros(shape),), file, dynamo=False, opset_version=17)
            return file.read_bytes()
    except ImportError as error:
        remedy = "Run: pip install 'geoseg[onnx]'"
        raise UsageError.of("BACKEND", "onnx", f"the export needs {error.name}", remedy) from error
    except BundleError:
        raise
    except Exception as error:  # the exporter raises what the network's own code raises
        raise _unfit(bundle, error) from error


def _unfit(bundle: Bundle, error: Exception) -> BundleError:
    log.debug("ONNX Runtime cannot take %s", bundle.name, exc_info=error)
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return BundleError.of("BACKEND", bundle.name, f"ONNX Runtime cannot run it: {reason}", "Use another --backend")
