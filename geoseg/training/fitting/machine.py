"""Machine: how a training uses it: reproducibly, in which precision, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from geoseg.errors import ResourceError, UsageError
from geoseg.model import devices
from geoseg.training.settings.fit import FitSettings


@contextmanager
def reproducible(settings: FitSettings, device: torch.device) -> Iterator[None]:
    """Hold torch's random numbers, its number of threads and its choice of algorithms, all only inside.

    On a processor every algorithm is deterministic. On a GPU those are that torch has such ones for.
    """
    threads = torch.get_num_threads()
    exact, only_warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    on_gpu = device.type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it when it is first used
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.set_num_threads(settings.threads)
        torch.use_deterministic_algorithms(True, warn_only=on_gpu)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(exact, warn_only=only_warns)
            torch.set_num_threads(threads)


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """What the network is computed in; weights are float32 always."""
    name = str(device)
    if precision == "auto":
        fast = [p for p in ("bf16", "fp16") if device.type == "cuda" and devices.is_fast(p, name)]
        precision = fast[0] if fast else "fp32"
    if precision == "fp16" and device.type == "cpu":
        what = "gradients in fp16 need a GPU"
        raise UsageError.of("PRECISION", "fit.precision", what, "Use auto, fp32 or bf16")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


@contextmanager
def explained(settings: FitSettings) -> Iterator[None]:
    """Say of torch's errors what the user can do about them."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        what = "the network pools the whole crop, and one sample has no mean and deviation"
        raise UsageError.of("SETTING", "fit.batch_size", what, "Use 2 or more") from None
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        remedy = f"Lower fit.batch_size ({settings.batch_size}) and raise fit.accumulate, or use smaller crops"
        raise ResourceError.of("MEMORY", settings.device, "a step does not fit into the memory", remedy) from None
