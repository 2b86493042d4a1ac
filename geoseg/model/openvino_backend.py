"""OpenVINO backend: torch and ONNX bundles on the processor through Intel's runtime, which also suits AMD's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from geoseg.model import argmax, convert, devices
from geoseg.model.predict import Choice, Classified, Floats, LogitsPredictor

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_first = threading.Lock()
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoPredictor(LogitsPredictor):
    """One network of either kind, converted and compiled for each shape of images when it first comes.

    Raises
    ------
    BundleError
        With the first images. ``BACKEND``: OpenVINO cannot convert or compile the network. ``WEIGHTS``: as for torch.
    """

    def __init__(self, bundle: Bundle, choice: Choice, *, threads: int | None = None) -> None:
        """Nothing is converted yet; ``threads`` is for this predictor alone, None takes all."""
        lanes, _ = devices.lanes(threads)
        super().__init__(classes=len(bundle.legend.classes), batch_size=choice.batch_size, lanes=lanes)
        self._bundle = bundle
        self._config = config(choice, threads)
        _wake()
        self._compiling = threading.Lock()
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._own = threading.local()  # requests: each has its memory for images and logits, and serves one thread

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        return self._logits(images).copy()

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax, and the confidence when asked for."""
        return argmax.classify(self._logits(images), confidence=confidence)

    def _logits(self, images: Floats) -> Floats:
        """Logits in the memory of this thread's request: good until its next call."""
        request = self._request(images.shape)
        logits: Floats = request.infer([np.ascontiguousarray(images)], share_inputs=True, share_outputs=True)[0]
        return logits

    def _request(self, shape: tuple[int, ...]) -> Any:
        requests: dict[tuple[int, ...], Any] = self._own.__dict__.setdefault("requests", {})
        if shape not in requests:
            with self._compiling:
                if shape not in self._compiled:
                    self._compiled[shape] = self._compile(shape)
                requests[shape] = self._compiled[shape].create_infer_request()
        return requests[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = convert.graph_of(self._bundle, shape)
        try:
            return ov.Core().compile_model(model, "CPU", self._config)
        except RuntimeError as error:
            raise convert.unfit(self._bundle, shape, error) from error


def _wake() -> None:
    """Infer once, on one number, by one thread: OpenVINO's Python bindings set themselves up in the first call.

    Two threads in their first call ever may wait for each other for good.
    """
    with _first:
        number = opset.parameter([1], np.float32)
        model = ov.Model([opset.result(opset.relu(number))], [number])
        request = ov.Core().compile_model(model, "CPU").create_infer_request()
        request.infer([np.zeros(1, np.float32)], share_inputs=True, share_outputs=True)


def config(choice: Choice, threads: int | None) -> dict[str, object]:
    """Settings of the CPU plugin.

    The precision is named because OpenVINO takes bf16 by itself where it can. Pinning is off because two processes
    would sit on the same cores. A stream for each lane: the threads are shared out to chips side by side.
    """
    streams, _ = devices.lanes(threads)
    settings: dict[str, object] = {
        "INFERENCE_PRECISION_HINT": _HINTS[choice.precision],
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
    }
    return settings if threads is None else {**settings, "INFERENCE_NUM_THREADS": threads}
