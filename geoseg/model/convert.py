"""Convert: a bundle's network as an OpenVINO graph, kept in the user's cache so that only the first process needs torch.

A conversion takes five seconds of CPU and the memory of torch; reading the kept graph takes 0.1. Nothing is lost when the
cache is: a graph that is missing, damaged or cannot be kept is converted again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import openvino as ov

from geoseg import __version__
from geoseg.errors import BundleError

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

Shape = tuple[int, ...]

_KEPT = 16  # graphs, each as large as the bundle's weights
_GRAPH, _WEIGHTS, _SUM = "graph.xml", "graph.bin", "sha256"

log = logging.getLogger(__name__)


def graph_of(bundle: Bundle, shape: Shape) -> ov.Model:
    """The graph for images of ``shape`` (N, bands, rows, cols), float32 to logits in float32.

    Raises
    ------
    BundleError
        ``BACKEND``: OpenVINO cannot take the network. ``WEIGHTS``, ``CARD``: as for torch.
    """
    try:
        if bundle.fixed_size and shape[2:] != (bundle.chip_size, bundle.chip_size):
            raise ValueError(f"it takes chips of {bundle.chip_size} only")
        if bundle.kind == "onnx":
            return _from_onnx(bundle, shape)
        folder = _folder_of(bundle, shape)
        return _read(folder) or _keep(_from_torch(bundle, shape), folder)
    except BundleError:
        raise
    except Exception as error:  # the converters raise whatever their passes raise
        raise unfit(bundle, shape, error) from error


def unfit(bundle: Bundle, shape: Shape, error: Exception) -> BundleError:
    """The error for a network that OpenVINO does not take."""
    log.debug("OpenVINO cannot take %s", bundle.name, exc_info=error)
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    remedy = "Use --backend torch" if bundle.kind == "torch" else "Use --backend onnx"
    return BundleError.of("BACKEND", bundle.name, f"OpenVINO cannot run it on {shape}: {reason}", remedy)


def _from_torch(bundle: Bundle, shape: Shape) -> ov.Model:
    import torch

    from geoseg.model.network import load_network

    with torch.no_grad():
        program = torch.export.export(load_network(bundle), (torch.zeros(shape),))
        return ov.convert_model(program)


def _from_onnx(bundle: Bundle, shape: Shape) -> ov.Model:
    model = ov.Core().read_model(bundle.weights)
    model.reshape(list(shape))
    return model


def _folder_of(bundle: Bundle, shape: Shape) -> Path | None:
    """Where the graph is kept: named by all that made it; None without a home."""
    names = ("openvino", "torch", "segmentation-models-pytorch")
    made = [bundle.digest, shape, __version__, *(version(name) for name in names)]
    key = hashlib.sha256(json.dumps(made).encode()).hexdigest()[:32]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return root / "geoseg" / "openvino" / key


def _read(folder: Path | None) -> ov.Model | None:
    """The kept graph, its weights mapped from the file; None when it is not there or not whole."""
    if folder is None:
        return None
    try:
        if (folder / _SUM).read_text() == _sum_of(folder):
            return ov.Core().read_model(folder / _GRAPH)
    except (OSError, ValueError):
        return None
    log.info("the kept graph %s is damaged and is made again", folder)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _keep(model: ov.Model, folder: Path | None) -> ov.Model:
    """Keep the graph, whole or not at all, and give it as the next process will read it."""
    if folder is None:
        return model
    temporary = None
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        ov.save_model(model, temporary / _GRAPH, compress_to_fp16=False)
        (temporary / _SUM).write_text(_sum_of(temporary))
        with suppress(OSError):  # another process was quicker
            temporary.rename(folder)
        _prune(folder.parent)
        return _read(folder) or model
    except (OSError, RuntimeError) as error:  # a full disk comes as RuntimeError from OpenVINO
        log.info("the converted graph is not kept: %s", error)
        return model
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _sum_of(folder: Path) -> str:
    found = hashlib.sha256()
    for name in (_GRAPH, _WEIGHTS):
        with (folder / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _prune(root: Path) -> None:
    """Leave the newest graphs; whoever reads an older one keeps it until it closes the file."""
    folders = [path for path in root.iterdir() if not path.name.startswith(".")]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
