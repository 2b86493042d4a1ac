"""Devices: which processor runs the network, what it can do, and the versions of what computes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from geoseg.errors import UsageError

_PACKAGES = {"torch": ("torch",), "onnx": ("onnxruntime", "torch"), "openvino": ("openvino", "torch")}


def find(device: str, backend: str) -> str:
    """``cpu`` or ``cuda:N`` for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Only torch runs on a GPU; the other backends are for processors.
    """
    kind, _, number = device.partition(":")
    if kind not in {"auto", "cpu", "cuda"} or (number and (kind != "cuda" or not number.isdecimal())):
        raise UsageError.of("DEVICE", device, "no such device", "Use auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (kind == "auto" and backend != "torch"):
        return "cpu"
    if backend != "torch":
        raise UsageError.of("DEVICE", device, f"the {backend} backend runs on the processor only", "Use --backend torch")
    count = cuda_count()
    if kind == "auto":
        return "cuda:0" if count else "cpu"
    if int(number or 0) >= count:
        raise UsageError.of("DEVICE", device, f"this machine offers {count} CUDA devices", "Use --device cpu")
    return f"cuda:{int(number or 0)}"


def cuda_count() -> int:
    """How many CUDA devices torch can use here."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def fast_precisions(device: str) -> tuple[str, ...]:
    """Precisions below fp32 that ``device`` computes in hardware, the fastest first."""
    if device == "cpu":
        return ("bf16",) if cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"} else ()
    import torch

    major, _ = torch.cuda.get_device_capability(device)
    return ("fp16", "bf16") if major >= 8 else ("fp16",) if major >= 7 else ()


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


def versions(backend: str, device: str) -> tuple[tuple[str, str], ...]:
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
