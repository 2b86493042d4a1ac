"""Probe: whether a device computes what the processor's plain loops compute, on a convolution too small to wait for."""

from __future__ import annotations

from geoseg.model.devices import cuda_count, gpus_shown


def torch_version() -> str:
    """The version of torch, with its CUDA where it was built for one."""
    import torch

    return str(torch.__version__)


def probe(device: str) -> str:
    """Run a 3 x 3 convolution on ``cpu`` or ``cuda:N`` and compare with sums made one by one; empty where they agree."""
    import torch

    image = torch.arange(8 * 8, dtype=torch.float32).reshape(1, 1, 8, 8)
    kernel = torch.arange(9, dtype=torch.float32).reshape(1, 1, 3, 3)
    true = torch.zeros(6, 6)
    for i in range(3):
        for j in range(3):
            true += float(kernel[0, 0, i, j]) * image[0, 0, i : i + 6, j : j + 6]
    try:
        found = torch.nn.functional.conv2d(image.to(device), kernel.to(device)).cpu()[0, 0]
    except RuntimeError as error:
        return " ".join(str(error).split())[:200]
    off = float((found - true).abs().max())
    return "" if off <= 1e-2 * float(true.abs().max()) else f"a convolution is off by {off:g}"


def gpus() -> tuple[bool, tuple[tuple[str, str], ...]]:
    """Whether the system shows a GPU, and those that torch can use: (device, name and memory)."""
    shown, count = gpus_shown(), cuda_count()
    if not count:
        return shown, ()
    import torch

    found = []
    for number in range(count):
        free, whole = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append((f"cuda:{number}", f"{name}, {free / 2**30:.1f} of {whole / 2**30:.1f} GiB free"))
    return True, tuple(found)
