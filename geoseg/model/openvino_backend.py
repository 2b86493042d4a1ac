"""OpenVINO backend: torch and ONNX bundles on the processor through Intel's runtime, which also suits AMD's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from geoseg.model import argmax, convert
from geoseg.model.predict import Choice, Classified, Floats, LogitsPredictor

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

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
        super().__init__(classes=len(bundle.legend.classes), batch_size=choice.batch_size)
        self._bundle = bundle
        self._config = config(choice, threads)
        self._requests: dict[tuple[int, ...], Any] = {}

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        return self._logits(images).copy()

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax, and the confidence when asked for."""
        return argmax.classify(self._logits(images), confidence=confidence)

    def _logits(self, images: Floats) -> Floats:
        """Logits in the request's own memory: good until the next call."""
        if images.shape not in self._requests:
            self._requests[images.shape] = self._compile(images.shape)
        request = self._requests[images.shape]
        logits: Floats = request.infer([np.ascontiguousarray(images)], share_inputs=True, share_outputs=True)[0]
        return logits

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = convert.graph_of(self._bundle, shape)
        try:
            return ov.Core().compile_model(model, "CPU", self._config).create_infer_request()
        except RuntimeError as error:
            raise convert.unfit(self._bundle, shape, error) from error


def config(choice: Choice, threads: int | None) -> dict[str, object]:
    """Settings of the CPU plugin.

    The precision is named because OpenVINO takes bf16 by itself where it can. Pinning is off because two processes
    would sit on the same cores. One stream: chips come one after the other, and all threads work on each.
    """
    settings: dict[str, object] = {
        "INFERENCE_PRECISION_HINT": _HINTS[choice.precision],
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    return settings if threads is None else {**settings, "INFERENCE_NUM_THREADS": threads}
