"""Start: Dask clusters of every kind, and the clients that reach them; time-outs are set, never Dask's endless ones."""

from __future__ import annotations

import logging
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny, Scheduler, Security, SpecCluster, Status

from geoseg.cluster.address import Certificates
from geoseg.cluster.worker import READ_AHEAD
from geoseg.config import SlurmChoice
from geoseg.errors import ClusterLost, ResourceError, UsageError

_log = logging.getLogger(__name__)

CONFIG = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.no-workers-timeout": "45s",
    "distributed.scheduler.worker-ttl": "120s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.comm.timeouts.connect": "20s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.deploy.lost-worker-timeout": "60s",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    # What workers do to watch themselves takes 6 % of a processor each by default; blocks last seconds.
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.memory.monitor-interval": "5s",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 10,  # messages that each side keeps, of up to a thousand blocks
    "distributed.logging": {
        "distributed": "critical",
        "distributed.nanny": "critical",
        "distributed.worker": "critical",
    },
}
"""Dask's settings while a pool is open. Workers that die come back by themselves, so that one counts as lost late."""

_ROLES = ("client", "scheduler", "worker")

Started = tuple[Client, Any]
"""A client, and the cluster that ends with it; None where it is somebody else's."""


def local(workers: int) -> Started:
    """Worker processes on this machine, bound to loopback, supervised, without a dashboard."""
    with _deaf_to_interrupts():
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=READ_AHEAD, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=50,
        )  # fmt: skip
    return Client(cluster, set_as_default=False), cluster


def local_cuda(devices: list[str]) -> Started:
    """One supervised worker process for each CUDA device, each seeing only its own."""
    workers = {
        device: {
            "cls": Nanny,
            "options": {
                "nthreads": READ_AHEAD, "resources": {"GPU": 1}, "env": {"CUDA_VISIBLE_DEVICES": device},
                "memory_limit": 0, "dashboard": False, "host": "127.0.0.1", "silence_logs": 50,
            },
        }
        for device in devices
    }  # fmt: skip
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    with _deaf_to_interrupts():
        cluster = SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50)
    return Client(cluster, set_as_default=False), cluster


def remote(address: str, patience: float, tls: Certificates | None = None) -> Started:
    """A client of the scheduler at ``address``; with TLS nothing is said to who shows no certificate of the authority."""
    security = Security(require_encryption=False)
    if tls is not None:
        security = Security(
            tls_ca_file=tls.ca, tls_client_cert=tls.cert, tls_client_key=tls.key, require_encryption=True
        )
    wait = min(patience, 20)
    try:
        return Client(address, timeout=wait, set_as_default=False, direct_to_workers=False, security=security), None
    except (OSError, TimeoutError, ValueError) as error:
        remedy = "Check --scheduler and the network" + (
            ", and that the certificates are of one authority" if tls else ""
        )
        raise ClusterLost.of("CLUSTER", address, f"cannot reach the scheduler ({_cause(error)})", remedy) from None


def slurm(choice: SlurmChoice, workers: int) -> Started:
    """Workers as jobs of SLURM, kept at their number; they and the scheduler here speak TLS with certificates of this run."""
    try:
        from dask_jobqueue.slurm import SLURMCluster

        made = Security.temporary()
    except ImportError:
        remedy = "Run: pip install 'geoseg[slurm]'"
        raise UsageError.of("SLURM", "dask-jobqueue", "it or cryptography is not installed", remedy) from None
    folder = Path(choice.folder or ".").absolute()
    papers = ""
    gpu = [f"--gres=gpu:{choice.gpus}"] if choice.gpus else []
    try:
        papers = tempfile.mkdtemp(prefix=".geoseg-", dir=folder)
        security = _kept(made, Path(papers))
        with dask.config.set({"distributed.scheduler.no-workers-timeout": f"{choice.wait} minutes"}):
            cluster = SLURMCluster(
                cores=READ_AHEAD, processes=1, job_cpu=choice.cores, memory=choice.memory,
                queue=choice.queue, account=choice.account, walltime=choice.walltime, interface=choice.interface,
                job_extra_directives=gpu, worker_extra_args=["--resources", "GPU=1"] if gpu else [],
                log_directory=None, shared_temp_directory=papers, security=security, protocol="tls://",
                scheduler_options={"dashboard": False, "dashboard_address": ":0"}, silence_logs="critical", death_timeout=60,
            )  # fmt: skip
        cluster.adapt(minimum=workers, maximum=workers)
    except (OSError, ValueError, RuntimeError) as error:
        shutil.rmtree(papers, ignore_errors=True)
        remedy = "Check --slurm; its folder must be one that all nodes see"
        raise ResourceError.of("SLURM", folder, f"cannot start ({_cause(error)})", remedy) from None
    return Client(cluster, set_as_default=False), cluster


def hooked(hook: Callable[[], Any]) -> Started:
    """A client of what ``hook`` gives: a Dask client, or a cluster that has one (Gateway, Kubernetes); what it gave stays open."""
    found = hook()
    if isinstance(found, Client):
        scheduler: Any = found.scheduler
        return Client(scheduler.address, security=found.security, set_as_default=False), None
    if not hasattr(found, "get_client"):
        what = f"gave {type(found).__name__}, which is no Dask client and has no get_client()"
        raise UsageError.of("CLUSTER", "hook", what, "Return a Client, or a cluster")
    client = found.get_client()
    if not isinstance(client, Client) or client.asynchronous:
        raise UsageError.of("CLUSTER", "hook", "gave no client for threads", "Leave out asynchronous=True")
    return client, None


def _kept(made: Security, folder: Path) -> Security:
    """Certificates as files that only this user reads, so that it is we who remove them."""
    files = {}
    for name in ("ca_file", "client_cert", "client_key"):
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(getattr(made, f"tls_{name}"))
        files[name] = str(path)
    pairs = {f"tls_{who}_{what}": files[f"client_{what}"] for who in _ROLES for what in ("cert", "key")}
    return Security(tls_ca_file=files["ca_file"], require_encryption=True, **pairs)


def close(cluster: Any) -> None:
    """End a cluster that was started here; keys that its jobs read do not stay.

    That its workers take longer to end than one waits, on a busy machine, is no reason to fail what they have done: they go
    on ending, at the latest with this process.
    """
    try:
        cluster.close(timeout=10)
    except TimeoutError as error:
        _log.info("%s: workers have not ended yet: %s", getattr(cluster, "scheduler_address", "cluster"), error)
    if papers := getattr(cluster, "shared_temp_directory", None):
        shutil.rmtree(papers, ignore_errors=True)


def revive(cluster: Any) -> None:
    """Start again the workers of a local cluster whose nannies have closed or failed; the others restart theirs."""

    def again() -> None:
        for name, nanny in list(cluster.workers.items()):
            if nanny.status in (Status.closed, Status.failed):
                del cluster.workers[name]
        cluster.scale(len(cluster.worker_spec))

    cluster.loop.add_callback(again)  # its thread is deaf to interrupts, and so is what it starts


def _cause(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(f"{error}".split())[:200] or type(error).__name__


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Block SIGINT in the threads, and so in the processes, that start inside; here it waits until the end.

    Ctrl-C in a terminal goes to every process of the group: ours to act on, not the workers', who would print tracebacks.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its first start unblocks SIGINT in the thread that needs it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
