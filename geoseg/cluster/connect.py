"""Connect: which pool a run gets: this process, local processes, one per GPU, a scheduler's address, SLURM, or a hook's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from geoseg.cluster.address import certificates, checked
from geoseg.cluster.keep import KeptPool, kept
from geoseg.cluster.pool import LocalPool, Pool
from geoseg.cluster.script import check_script
from geoseg.config import ClusterChoice, SlurmChoice
from geoseg.errors import ResourceError, UsageError
from geoseg.vector.threads import cores

_MOST_WORKERS = 64
"""Worker processes that may always be asked for, and eight for each processor: each takes 200 MB before it has done anything."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """``workers`` processes on this machine (0: this process alone), the ``scheduler`` at an address, SLURM, or a hook.

    ``patience`` is how many seconds a run waits for a worker before the cluster counts as lost. ``hook`` gives a Dask client,
    or a cluster with ``get_client()`` (Gateway, Kubernetes, ...); what it gives is not closed. It comes from Python only:
    a file or a command line that could name one could run anything.
    """

    workers: int = 0
    scheduler: str | None = None
    device: str = "auto"
    threads: int | None = None
    patience: float = 45.0
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    insecure: bool = False
    slurm: SlurmChoice | None = None
    hook: Callable[[], Any] | None = None

    @classmethod
    def of(cls, choice: ClusterChoice, *, device: str = "auto", threads: int | None = None) -> Self:
        """The settings of a job as the cluster needs them."""
        chosen = {name: getattr(choice, name) for name in ClusterChoice.model_fields}
        return cls(**chosen, device=device, threads=threads)

    @property
    def gpu(self) -> bool:
        """True when tasks must run where a GPU is offered."""
        return self.device.startswith("cuda")

    @property
    def alone(self) -> bool:
        """True when this process does the work."""
        return not (self.workers or self.scheduler is not None or self.slurm or self.hook)

    @property
    def elsewhere(self) -> bool:
        """True when workers may be on other machines: they know their own processors, and may not see our files."""
        return bool(self.scheduler or self.slurm or self.hook)

    @property
    def wait(self) -> float:
        """Seconds without any worker after which the cluster counts as lost: jobs of SLURM may be long in its queue."""
        return max(self.slurm.wait * 60, 1) if self.slurm else self.patience

    @property
    def where(self) -> str:
        """The cluster, in errors."""
        return self.scheduler or ("SLURM" if self.slurm else "cluster" if self.hook else "local cluster")


def connect(settings: ClusterSettings) -> Pool | KeptPool:
    """Make the pool; it starts when its context is entered.

    Within :func:`geoseg.cluster.keep.pools_kept` it may be one that was started before, and stays open.

    Raises
    ------
    UsageError
        A negative number of workers, or far more than the machine has processors; an address that is none, or may not be
        talked to without TLS; certificates that are none; two kinds of clusters at once. ``MAIN``: see
        :func:`geoseg.cluster.script.check_script`.
    ResourceError
        CUDA was asked for on this machine and there is none.
    """
    _check_kinds(settings)
    return kept(settings, _pool) or _pool(settings)


def _pool(settings: ClusterSettings) -> Pool:
    if settings.alone:
        return LocalPool()
    tls = certificates(settings.tls_ca, settings.tls_cert, settings.tls_key)
    if settings.scheduler is not None:
        address = checked(settings.scheduler, tls, insecure=settings.insecure)
        if tls:
            tls.check()
    from geoseg.cluster import start
    from geoseg.cluster.dask_pool import DaskPool

    if settings.hook is not None:
        hook = settings.hook
        return DaskPool(lambda: start.hooked(hook), settings)
    if settings.scheduler is not None:
        return DaskPool(lambda: start.remote(address, settings.patience, tls), settings)
    if settings.slurm is not None:
        slurm = settings.slurm
        return DaskPool(lambda: start.slurm(slurm, settings.workers), settings)
    check_script()
    most = max(_MOST_WORKERS, 8 * cores())
    if settings.workers > most:
        what = f"this machine can hold {most} worker processes"
        raise UsageError.of("WORKERS", settings.workers, what, "One for each processor is enough")
    if settings.gpu:
        devices = _devices(settings)
        return DaskPool(lambda: start.local_cuda(devices), settings)
    return DaskPool(lambda: start.local(settings.workers), settings)


def threads_each(settings: ClusterSettings) -> int | None:
    """Network threads of each worker: the processors shared out; None on other machines, whose workers know best."""
    if settings.threads or settings.elsewhere:
        return settings.threads
    return max(cores() // max(settings.workers, 1), 1)


def visible_gpus() -> list[str]:
    """Names of the CUDA devices that a process started here would see, without loading torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() and name.strip() != "-1"]
    try:
        return sorted(name for name in os.listdir("/proc/driver/nvidia/gpus") if name) and _indices()
    except OSError:
        return []


def _check_kinds(settings: ClusterSettings) -> None:
    if settings.workers < 0:
        raise UsageError.of("WORKERS", settings.workers, "the number of workers is negative", "Use --workers 0 or more")
    kinds = [settings.scheduler is not None, settings.slurm is not None, settings.hook is not None]
    if sum(kinds) > 1:
        raise UsageError.of("CLUSTER", settings.where, "two kinds of clusters", "Choose one of --scheduler and --slurm")
    if settings.slurm and not settings.workers:
        raise UsageError.of("WORKERS", "SLURM", "the number of jobs is missing", "Say --workers N")
    tls = settings.tls_ca or settings.tls_cert or settings.tls_key
    if tls and settings.scheduler is None:
        raise UsageError.of("TLS", tls, "goes with a scheduler's address", "Add --scheduler tls://HOST:PORT")


def _devices(settings: ClusterSettings) -> list[str]:
    gpus = visible_gpus()
    if not gpus:
        remedy = "Use --device cpu, or a machine with an NVIDIA GPU and its driver"
        raise ResourceError.of("DEVICE", settings.device, "no CUDA device is visible", remedy)
    return [settings.device.partition(":")[2]] if ":" in settings.device else gpus[: settings.workers]


def _indices() -> list[str]:
    return [str(i) for i in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
