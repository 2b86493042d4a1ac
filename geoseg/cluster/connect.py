"""Connect: which pool a run gets: this process, local worker processes, one process per GPU, or a scheduler's address."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from geoseg.cluster.pool import LocalPool, Pool
from geoseg.errors import ResourceError, UsageError

_MOST_WORKERS = 64
"""Worker processes that may always be asked for, and eight for each processor: each takes 200 MB before it has done anything."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """``workers`` processes on this machine (0: this process alone), or the ``scheduler`` at an address.

    ``patience`` is how many seconds a run waits for a worker before the cluster counts as lost.
    """

    workers: int = 0
    scheduler: str | None = None
    device: str = "auto"
    threads: int | None = None
    patience: float = 45.0

    @property
    def gpu(self) -> bool:
        """True when tasks must run where a GPU is offered."""
        return self.device.startswith("cuda")


def connect(settings: ClusterSettings) -> Pool:
    """Make the pool; it starts when its context is entered.

    Raises
    ------
    UsageError
        A negative number of workers, or far more than the machine has processors.
    ResourceError
        CUDA was asked for on this machine and there is none.
    """
    if settings.workers < 0:
        raise UsageError.of("WORKERS", settings.workers, "the number of workers is negative", "Use --workers 0 or more")
    if settings.scheduler is not None:
        if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", settings.scheduler):
            what = "is no address of a scheduler"
            raise UsageError.of("SCHEDULER", settings.scheduler or "''", what, "Write it like tcp://host:8786")
        from geoseg.cluster.dask_pool import DaskPool, remote

        return DaskPool(lambda: remote(settings.scheduler or "", settings.patience), settings)
    if settings.workers == 0:
        return LocalPool()
    from geoseg.cluster.dask_pool import DaskPool, local, local_cuda

    most = max(_MOST_WORKERS, 8 * (_processors() or 1))
    if settings.workers > most:
        what = f"this machine can hold {most} worker processes"
        raise UsageError.of("WORKERS", settings.workers, what, "One for each processor is enough")
    if settings.gpu:
        gpus = visible_gpus()
        if not gpus:
            remedy = "Use --device cpu, or a machine with an NVIDIA GPU and its driver"
            raise ResourceError.of("DEVICE", settings.device, "no CUDA device is visible", remedy)
        chosen = [settings.device.partition(":")[2]] if ":" in settings.device else gpus[: settings.workers]
        return DaskPool(lambda: local_cuda(chosen), settings)
    return DaskPool(lambda: local(settings.workers), settings)


def threads_each(settings: ClusterSettings) -> int | None:
    """Network threads of each worker: the processors shared out; None on a scheduler, whose workers know best."""
    if settings.threads or settings.scheduler:
        return settings.threads
    processors = _processors()
    return max(processors // max(settings.workers, 1), 1) if processors else None


def _processors() -> int | None:
    """Processors that this process may use; None where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def visible_gpus() -> list[str]:
    """Names of the CUDA devices that a process started here would see, without loading torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() and name.strip() != "-1"]
    try:
        return sorted(name for name in os.listdir("/proc/driver/nvidia/gpus") if name) and _indices()
    except OSError:
        return []


def _indices() -> list[str]:
    return [str(i) for i in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
