"""OpenVINO export: a bundle as an .xml with a .bin beside it, in fp32 or int8; kept only where its classes stay."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError, UsageError
from geoseg.model.bundle import Bundle, read_sample
from geoseg.model.export import refuse_existing, verified_graph
from geoseg.model.quiet import no_telemetry
from geoseg.model.reference import installed, reference_index, trial_images
from geoseg.raster.files import complete_or_absent

MOST_CHANGED = 0.005
"""Share of pixels whose class an export may change; the rest of what changes are ties that rounding decides."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Exported:
    """A model that was written: the .xml, the share of pixels whose class changed, of how many, and what runs in int8.

    ``int8`` are the convolutions and products that compute in int8, of ``operations`` in all.
    """

    path: Path
    changed: float
    pixels: int
    int8: int
    operations: int


def export_openvino(
    bundle: Bundle,
    path: str | Path,
    *,
    precision: Literal["fp32", "int8"] = "fp32",
    calibration: Floats | None = None,
    max_change: float = MOST_CHANGED,
    overwrite: bool = False,
) -> Exported:
    """Write an OpenVINO model, ``path`` (.xml) and its weights beside it (.bin); weights are never rounded to fp16.

    Parameters
    ----------
    precision
        ``int8``: quantized after training by NNCF; operations that cost too many classes stay in fp32.
    calibration
        Normalized images float32 (n, bands, side, side) that the network is quantized on
        (:func:`geoseg.model.calibrate.chips_of`); None: the bundle's sample.
    max_change
        Share of the sample's pixels that may change class against fp32. A bundle without a sample is judged by every
        other image of ``calibration``, which it is then not quantized on.

    Raises
    ------
    BundleError
        ``AGREEMENT``: more classes change. ``WEIGHTS``: the network cannot be exported.
    UsageError
        ``BACKEND``: openvino, onnxruntime or nncf is not installed. ``NAME``: ``path`` does not end in .xml.
        ``CALIBRATE``: int8 of a bundle without a sample needs images.
    Conflict
        ``EXISTS``: the .xml or the .bin is there and ``overwrite`` is False.
    """
    path = Path(path)
    if path.suffix != ".xml":
        raise UsageError.of("NAME", path, "an OpenVINO model is an .xml file with a .bin beside it", "End OUT in .xml")
    for file in (path, path.with_suffix(".bin")):
        refuse_existing(file, overwrite)
    with no_telemetry():
        openvino = installed("openvino", "openvino")
    graph = Path(bundle.weights).read_bytes() if bundle.kind == "onnx" else verified_graph(bundle)[0]
    model = openvino.Core().read_model(io.BytesIO(graph))
    images, measured = _images(bundle, calibration, precision)
    expected = reference_index(bundle, images)
    if precision == "int8":
        from geoseg.model.quantize import quantize

        model = quantize(model, measured, images, expected, max_change=max_change)
    changed = float((class_index(model, images) != expected).mean())
    made = Exported(path, changed, expected.size, *_counted(model))
    _judge(bundle, made, precision, max_change)
    model.set_rt_info(f"{bundle.id} {precision}", ["geoseg", "bundle"])
    with complete_or_absent(path) as temporary:
        openvino.save_model(model, str(temporary), compress_to_fp16=False)
    return made


def class_index(model: Any, images: Floats) -> npt.NDArray[np.uint8]:
    """Class index uint8 (n, rows, cols) that an OpenVINO model gives, one image at a time; int8 where it is quantized."""
    openvino = installed("openvino", "openvino")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([compiled(image[None])[0].argmax(1)[0].astype(np.uint8) for image in images])


def _images(bundle: Bundle, calibration: Floats | None, precision: str) -> tuple[Floats, Floats]:
    """What the export is judged by, and what it is quantized on."""
    if precision == "fp32" or read_sample(bundle) is not None:
        images = trial_images(bundle)
        return images, images if calibration is None else calibration
    if calibration is None or len(calibration) < 2:
        what = "the bundle has no sample to quantize on"
        raise UsageError.of("CALIBRATE", bundle.path, what, "Name a scene of at least two chips: --calibrate SCENE")
    return calibration[1::2], calibration[::2]


def _counted(model: Any) -> tuple[int, int]:
    """Convolutions and products whose input comes from a quantizer, and all of them."""
    kinds = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"}
    operations = [op for op in model.get_ordered_ops() if op.get_type_name() in kinds]
    sources = [op.input_value(0).get_node().get_type_name() for op in operations]
    return sources.count("FakeQuantize"), len(operations)


def _judge(bundle: Bundle, made: Exported, precision: str, max_change: float) -> None:
    if made.changed > max_change:
        what = f"{made.changed:.2%} of the sample's pixels change class in {precision}, more than {max_change:.2%}"
        remedy = "Calibrate it on a scene (--calibrate), allow more (--max-change), or export fp32"
        raise BundleError.of("AGREEMENT", bundle.path, what, remedy if precision == "int8" else "Use --backend torch")
    if precision == "int8" and not made.int8:
        what = f"no operation can be int8 without changing more than {max_change:.2%} of the sample's classes"
        raise BundleError.of("AGREEMENT", bundle.path, what, "Allow more (--max-change), or export fp32")
