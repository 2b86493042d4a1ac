"""Devices: which processor runs the network, what it can do, and the versions of what computes."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.model.predict import Backend, Precision

_GPU_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA, Windows' subsystem for Linux, AMD
_PACKAGES: dict[Backend, tuple[str, ...]] = {
    "torch": ("torch", "segmentation-models-pytorch", "timm"),
    "onnx": ("onnxruntime", "torch", "segmentation-models-pytorch", "timm"),
    "openvino": ("openvino", "torch", "segmentation-models-pytorch", "timm"),
}


def find(device: str, *, torch_runs: bool) -> str:
    """``cpu`` or ``cuda:N`` for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; only torch runs on a GPU.

    Raises
    ------
    UsageError
        ``DEVICE``: it does not exist, is not here, or torch does not run the bundle.
    """
    kind, _, number = device.partition(":")
    if kind not in {"auto", "cpu", "cuda"} or (number and (kind != "cuda" or not number.isdecimal())):
        raise UsageError.of("DEVICE", device, "no such device", "Use auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (kind == "auto" and not torch_runs):
        return "cpu"
    if not torch_runs:
        what = "only torch bundles with the torch backend run on a GPU"
        raise UsageError.of("DEVICE", device, what, "Use --device cpu")
    count = cuda_count()
    if kind == "auto":
        return "cuda:0" if count else "cpu"
    if int(number or 0) >= count:
        raise UsageError.of("DEVICE", device, f"torch finds {count} CUDA devices on this machine", "Use --device cpu")
    return f"cuda:{int(number or 0)}"


def cuda_count() -> int:
    """How many CUDA devices torch can use here; torch is asked only where the system shows a GPU, as its import is slow."""
    if sys.platform == "linux" and not gpus_shown():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def gpus_shown() -> bool:
    """Whether the system shows a GPU, usable or not, by its device files."""
    return any(Path(node).exists() for node in _GPU_NODES)


def precisions(backend: Backend, device: str) -> tuple[Precision, ...]:
    """Precisions that the backend can compute in on the device, the fastest first, fp32 last."""
    if backend == "torch":
        return ("bf16", "fp32") if device == "cpu" else ("bf16", "fp16", "fp32")
    if backend == "openvino" and is_fast("bf16", device):
        return ("bf16", "fp32")
    return ("fp32",)


def is_fast(precision: Precision, device: str) -> bool:
    """Whether the device computes ``precision`` in hardware; torch emulates bf16 elsewhere, slower than fp32."""
    if precision == "fp32":
        return True
    if device == "cpu":
        return precision == "bf16" and not cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
    import torch

    major, _ = torch.cuda.get_device_capability(device)
    return major >= {"fp16": 7, "bf16": 8}.get(precision, 99)


def lanes(threads: int | None) -> tuple[int, int | None]:
    """How many chips a processor takes at a time, and the threads for each: two side by side where there are two.

    One chip on all threads waits for the slowest at each layer, and while chips are prepared and laid down (two
    processors, Unet: 0.31 s a chip against 0.27); more lanes would only take more memory. One where it is not said.
    """
    return (1, threads) if threads is None or threads < 2 else (2, threads // 2)


def isa() -> str:
    """The widest instruction set of the processor that changes how networks are computed."""
    flags = cpu_flags()
    for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "sve", "asimd", "avx"):
        if name in flags:
            return name
    return "unknown"


@cache
def cpu_flags() -> frozenset[str]:
    """The processor's feature flags as Linux lists them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return frozenset(found[0]) if found else frozenset()


def versions(backend: Backend, device: str) -> tuple[tuple[str, str], ...]:
    """(name, version) of the libraries behind ``backend``, then the instruction set or the GPU that computes."""
    found = []
    for package in _PACKAGES[backend]:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    if device == "cpu":
        return (*found, ("isa", isa()))
    import torch

    return (*found, ("cuda", str(torch.version.cuda)), ("gpu", torch.cuda.get_device_name(device)))
