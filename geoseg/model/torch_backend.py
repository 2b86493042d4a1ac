"""Torch backend: the bundle's network in PyTorch, on the processor or on a CUDA device."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from geoseg.errors import ResourceError
from geoseg.model import argmax, devices, network
from geoseg.model.predict import Choice, Classified, Floats, LogitsPredictor, Precision

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

log = logging.getLogger(__name__)


def load(bundle: Bundle, choice: Choice, *, threads: int | None = None) -> CpuPredictor | CudaPredictor:
    """Load a torch bundle; ``threads`` sets torch's threads for the whole process.

    Raises
    ------
    BundleError
        The weights do not fit the network.
    ResourceError
        ``OOM``: the network does not fit into the device's memory.
    """
    module = fold_batch_norm(network.load_network(bundle))
    classes = len(bundle.legend.classes)
    if choice.device == "cpu":
        return CpuPredictor(
            module, classes=classes, batch_size=choice.batch_size, precision=choice.precision, threads=threads
        )
    if threads is not None:
        torch.set_num_threads(threads)
    return CudaPredictor(module, classes=classes, choice=choice)


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold batch norms into the convolutions before them, a fifth of the time; where it cannot be traced, as it was."""
    from torch.fx.experimental.optimization import fuse

    try:
        return fuse(module).eval()
    except Exception as error:  # tracing runs the network's own code, which may raise anything
        log.debug("batch norm stays unfolded: %s", error)
        return module


class CpuPredictor(LogitsPredictor):
    """A network on the processor, channels last, under ``torch.inference_mode``."""

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: int,
        batch_size: int = 1,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> None:
        """Take over ``module`` (it is changed) in ``precision``."""
        lanes, self._threads = devices.lanes(threads)
        super().__init__(classes=classes, batch_size=batch_size, lanes=lanes)
        self._layout = memory_format(module)
        self._dtype = _DTYPES[precision]
        self._module = module.to(self._dtype).to(memory_format=self._layout).eval()

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        return np.ascontiguousarray(self._logits(images))

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax, and the confidence when asked for."""
        return argmax.classify(self._logits(images), confidence=confidence)

    def _logits(self, images: Floats) -> Floats:
        if self._threads not in (None, torch.get_num_threads()):  # each thread has its own number
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            batch = as_tensor(images).to(dtype=self._dtype, memory_format=self._layout)
            logits: Floats = self._module(batch).float().numpy()
            return logits


class CudaPredictor(LogitsPredictor):
    """A network on a CUDA device: own stream, pinned memory, autocast below fp32; argmax on the device."""

    def __init__(self, module: nn.Module, *, classes: int, choice: Choice) -> None:
        """Move ``module`` to the device of ``choice``."""
        super().__init__(classes=classes, batch_size=choice.batch_size)
        self._device = torch.device(choice.device)
        self._dtype = _DTYPES[choice.precision]
        self._stream = torch.cuda.Stream(self._device)
        self._pinned = torch.empty(0)
        with self._running():
            self._module = module.to(self._device).to(memory_format=torch.channels_last).eval()

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        with self._running():
            return np.ascontiguousarray(self._logits(images).cpu().numpy())

    def classify(self, images: Floats, *, confidence: bool = False) -> Classified:
        """Class index by argmax on the device, and the confidence when asked for."""
        with self._running():
            logits = self._logits(images)
            best, index = logits.max(dim=1)
            finite = logits.isfinite().flatten(1).all(dim=1)
            percent = None
            if confidence:
                total = (logits - best[:, None]).exp().sum(dim=1)
                percent = (100 / total).nan_to_num(0).round().to(torch.uint8).cpu().numpy()
            return Classified(index.to(torch.uint8).cpu().numpy(), percent, finite.cpu().numpy())

    def _logits(self, images: Floats) -> torch.Tensor:
        if self._pinned.shape != images.shape:
            self._pinned = torch.empty(images.shape, dtype=torch.float32, pin_memory=True)
        self._pinned.numpy()[...] = images  # the stream is idle: every call ends by waiting for its results
        batch = self._pinned.to(self._device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            logits: torch.Tensor = self._module(batch)
        return logits.float()

    def _autocast(self) -> AbstractContextManager[object]:
        return nullcontext() if self._dtype is torch.float32 else torch.autocast("cuda", dtype=self._dtype)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Own stream; the same kernels in every run; fp32 is fp32, not TF32; out of memory becomes an error of ours."""
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        try:
            with torch.inference_mode(), torch.cuda.device(self._device), torch.cuda.stream(self._stream), exact:
                yield
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            what = f"a batch of {self.batch_size} chips does not fit into its memory"
            raise ResourceError.of("OOM", str(self._device), what, "Use a smaller --batch-size") from error


def memory_format(module: nn.Module) -> torch.memory_format:
    """Channels last, but planes where every convolution is 1 x 1 (4 -> 8 channels, 512 x 512: 1 ms against 6)."""
    kernels = [layer.kernel_size for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    return torch.channels_last if any(kernel != (1, 1) for kernel in kernels) else torch.contiguous_format


def as_tensor(images: Floats) -> torch.Tensor:
    """The images as a tensor on the same memory; on a copy where they are read-only, of which torch warns."""
    return torch.from_numpy(images if images.flags.writeable else images.copy())
