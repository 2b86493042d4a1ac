"""Compute: checks of what the network runs on: the processor, GPUs, and a cluster of two processes."""

from __future__ import annotations

import os
import time

from geoseg.jobs.doctor.finding import Finding, fail, ok, warn


def network(_: str) -> Finding:
    """A convolution on the processor, and what the processor can do quickly."""
    from geoseg.model.devices import is_fast, isa
    from geoseg.model.probe import probe, torch_version

    off = probe("cpu")
    text = f"torch {torch_version()} computes on the processor ({isa()}{', bf16' if is_fast('bf16', 'cpu') else ''})"
    if off:
        return fail("network", f"{text}, but wrongly: {off}", "Run: pip install --force-reinstall torch")
    return ok("network", text)


def gpu(_: str) -> Finding:
    """GPUs that the system shows, whether torch can use them, and a convolution on each."""
    from geoseg.model.probe import gpus, probe

    shown, usable = gpus()
    if not shown:
        return ok("gpu", "none: networks run on the processor")
    if not usable:
        remedy = "Install torch for CUDA and a driver that is new enough (nvidia-smi says its version)"
        if os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
            remedy = f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']} hides them; unset it. Else: {remedy}"
        return warn("gpu", "the system shows a GPU that torch does not use", remedy)
    wrong = [f"{device}: {off}" for device, _ in usable if (off := probe(device))]
    if wrong:
        return fail("gpu", "; ".join(wrong), "Use --device cpu; update the driver, or torch")
    return ok("gpu", "; ".join(f"{device} {text}" for device, text in usable))


def cluster(_: str) -> Finding:
    """Two worker processes of Dask that each run something, and end."""
    from geoseg.cluster.connect import ClusterSettings, connect

    begun = time.perf_counter()
    with connect(ClusterSettings(workers=2, patience=30)) as pool:
        ready = time.perf_counter() - begun
        found = set(pool.in_order(_where, range(8)))
    if os.getpid() in found:
        return fail("cluster", "work did not leave this process", "Run: pip install --force-reinstall distributed")
    return ok("cluster", f"two processes started in {ready:.1f} s, and did what they were given")


def numba(_: str) -> Finding:
    """A compiled loop, and whether the machine code can be kept for the next process."""
    import numba as library
    import numpy as np

    from geoseg.raster.histogram import histogram

    counts = histogram(np.array([1, 1, 2, 0], np.uint8))
    text = f"numba {library.__version__} compiles"
    if counts[:3].tolist() != [1, 2, 1]:
        return fail("numba", f"{text}, but counts wrongly", "Run: pip install --force-reinstall numba")
    kept = getattr(getattr(histogram, "_cache", None), "cache_path", None)
    if kept is None:
        remedy = "Set NUMBA_CACHE_DIR to a folder that can be written"
        return warn("numba", f"{text}, but cannot keep the code: each run compiles again", remedy)
    return ok("numba", f"{text}, and the code is kept")


def _where(_: int) -> int:
    return os.getpid()
