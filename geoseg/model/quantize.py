"""Quantize: an OpenVINO model to int8 by NNCF; what costs too many classes goes back to fp32, one operation at a time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.model.quiet import no_telemetry
from geoseg.model.reference import installed

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.uint8]


def quantize(model: Any, calibration: Floats, images: Floats, expected: Index, *, max_change: float) -> Any:
    """Quantize weights and what flows between operations, by their ranges on ``calibration`` (n, bands, side, side).

    While more than ``max_change`` of the pixels of ``images`` get another class than ``expected`` (n, rows, cols), the
    operation that costs most goes back to fp32 (accuracy control of NNCF). Whether that was enough is for the caller to see.

    Raises
    ------
    UsageError
        ``BACKEND``: nncf is not installed.
    """
    with no_telemetry():
        nncf = installed("nncf", "int8")
    nncf.set_log_level(logging.ERROR)

    def agreement(compiled: Any, data: Iterable[tuple[Floats, Index]]) -> tuple[float, list[float]]:
        shares = [float((compiled(image)[0].argmax(1)[0] == truth).mean()) for image, truth in data]
        return float(np.mean(shares)), shares

    judged = [(image[None], truth) for image, truth in zip(images, expected, strict=True)]  # NNCF may ask for some only

    with redirect_stdout(sys.stderr):  # NNCF draws its progress; results alone go to stdout
        return nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset([image[None] for image in calibration]),
            nncf.Dataset(judged, lambda pair: pair[0]),
            validation_fn=agreement,
            max_drop=max_change,
            drop_type=nncf.DropType.ABSOLUTE,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(calibration),
        )
