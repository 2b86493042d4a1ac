"""Torch backend: the bundle's network in PyTorch, on the processor or on a CUDA device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from geoseg.errors import BundleError, ResourceError
from geoseg.model.predict import Choice, Classified, Floats

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load(bundle: Bundle, choice: Choice, *, threads: int | None = None) -> TorchPredictor:
    """Load a torch bundle; ``threads`` sets torch's threads for the whole process."""
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchPredictor(load_network(bundle), classes=len(bundle.legend.classes), choice=choice)


def load_network(bundle: Bundle) -> torch.nn.Module:
    """The bundle's network with its weights, in evaluation mode, on the processor."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from geoseg.model import network

    assert bundle.network is not None
    module = network.build(bundle.network)
    try:
        module.load_state_dict(load_file(bundle.weights), strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise BundleError.of("WEIGHTS", bundle.weights, f"do not fit the network: {error}", "Save the bundle again") from error
    return module.eval()


class TorchPredictor:
    """A network in channels-last memory, under ``torch.inference_mode``."""

    def __init__(self, module: torch.nn.Module, *, classes: int, choice: Choice) -> None:
        """Move ``module`` to the device and into the precision of ``choice``."""
        self.batch_size = choice.batch_size
        self.classes = classes
        self._device = torch.device(choice.device)
        self._dtype = _DTYPES[choice.precision]
        try:
            self._module = module.to(self._device, memory_format=torch.channels_last).eval()
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory() from error

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        with torch.inference_mode():
            return np.ascontiguousarray(self._logits(images).float().cpu().numpy())

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax on the device, and the confidence when asked for."""
        with torch.inference_mode():
            logits = self._logits(images).float()
            finite = logits.isfinite().all(dim=3).all(dim=2).all(dim=1)
            index = logits.argmax(dim=1).to(torch.uint8)
            percent = None
            if confidence:
                top = (logits - logits.amax(dim=1, keepdim=True)).exp().sum(dim=1)
                percent = (100 / top).nan_to_num(0).round().to(torch.uint8).cpu().numpy()
            return Classified(index.cpu().numpy(), percent, finite.cpu().numpy())

    def _logits(self, images: Floats) -> torch.Tensor:
        batch = torch.from_numpy(images if images.flags.writeable else images.copy())
        try:
            batch = batch.to(self._device).contiguous(memory_format=torch.channels_last)
            with self._autocast():
                return self._module(batch)  # type: ignore[no-any-return]
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory() from error

    def _autocast(self) -> AbstractContextManager[object]:
        if self._dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)

    def _out_of_memory(self) -> ResourceError:
        what = f"a batch of {self.batch_size} chips does not fit into its memory"
        return ResourceError.of("OOM", str(self._device), what, "Use a smaller --batch-size")
