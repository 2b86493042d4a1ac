"""Export: a torch bundle as an ONNX bundle, which is run and compared before it is kept."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.errors import BundleError, Conflict, UsageError
from geoseg.model.bundle import Bundle, facts_of, read_beside, save_bundle
from geoseg.model.reference import LEAST_AGREEMENT, reference_index, run_onnx, trial_images

if TYPE_CHECKING:
    from torch import nn

OPSET = 17
"""Version of ONNX's operators that an exported graph uses."""

_DYNAMIC: tuple[dict[int, str], ...] = ({0: "batch", 2: "rows", 3: "cols"}, {0: "batch"}, {})
"""What may vary in the graph, in order of preference."""


def export_onnx(bundle: Bundle, path: str | Path, *, overwrite: bool = False) -> Bundle:
    """Write an ONNX bundle that gives the classes of the torch ``bundle``; equal bundles give equal bytes.

    The batch size and the chip's sides may vary where the network allows it; else the graph keeps the bundle's chip size.

    Raises
    ------
    BundleError
        ``WEIGHTS``: no graph gave the classes of the network. ``CARD``: the bundle is an ONNX bundle already.
    UsageError
        ``BACKEND``: onnxruntime is not installed.
    """
    refuse_existing(path, overwrite)
    graph, fixed, index = verified_graph(bundle)
    images = trial_images(bundle)
    facts = replace(facts_of(bundle), network=None, fixed_size=fixed)
    training = {**facts.training, "exported_from": bundle.id, "opset": OPSET}
    made = replace(facts, training=training)
    return save_bundle(
        path, made, weights=graph, sample=images, expected=index, beside=read_beside(bundle), overwrite=overwrite
    )


def verified_graph(bundle: Bundle) -> tuple[bytes, bool, np.ndarray]:
    """The first graph that gives the network's classes: its bytes, whether its size is fixed, its class index."""
    from geoseg.model.network import load_network

    network = load_network(bundle)
    images = trial_images(bundle)
    expected = reference_index(bundle, images)
    for axes in _DYNAMIC:
        if bundle.fixed_size and 2 in axes:
            continue
        try:
            graph = _trace(network, bundle, axes)
            index = run_onnx(graph, images)
            if _varies(axes):
                larger = trial_images(bundle, bundle.chip_size + bundle.align * 2)
                _require_agreement(bundle, run_onnx(graph, larger), reference_index(bundle, larger))
            _require_agreement(bundle, index, expected)
        except UsageError:
            raise
        except Exception as error:  # torch and ONNX Runtime raise what they like; the next form may do
            failure = error
            continue
        return graph, not _varies(axes), index
    raise BundleError.of("WEIGHTS", bundle.path, f"cannot be exported: {failure}", "Use it with --backend torch")


def _varies(axes: dict[int, str]) -> bool:
    return 2 in axes


def _trace(network: nn.Module, bundle: Bundle, axes: dict[int, str]) -> bytes:
    import torch

    batch = 2 if 0 in axes else 1
    images = torch.zeros(batch, len(bundle.bands), bundle.chip_size, bundle.chip_size)
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"]}
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.inference_mode():
        written = Path(folder, "model.onnx")
        warnings.simplefilter("ignore")  # the tracer's: it is the exporter that needs no further package
        torch.onnx.export(
            network, (images,), str(written), opset_version=OPSET, dynamo=False, **names,
            dynamic_axes={"image": axes, "logits": axes} if axes else None,
        )  # fmt: skip
        return written.read_bytes()


def _require_agreement(bundle: Bundle, index: np.ndarray, expected: np.ndarray) -> None:
    share = float((index == expected).mean())
    if share < LEAST_AGREEMENT:
        what = f"{1 - share:.1%} of the sample's pixels change class on export"
        raise BundleError.of("AGREEMENT", bundle.path, what, "Use it with --backend torch")


def refuse_existing(path: str | Path, overwrite: bool) -> None:
    """``Conflict`` ``EXISTS`` where the output is there and is not to be replaced."""
    if Path(path).exists() and not overwrite:
        raise Conflict.of("EXISTS", path, "exists already", "Add --overwrite or choose another name")
