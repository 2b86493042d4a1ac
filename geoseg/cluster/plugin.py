"""Plugin: what runs on a Dask worker: the job that it keeps, and calls whose errors arrive as what they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from distributed import WorkerPlugin, get_worker

from geoseg.cluster.admission import Makers
from geoseg.cluster.pool import Job
from geoseg.cluster.upload import bundle_here, name_of
from geoseg.errors import GeosegError
from geoseg.grid.blocks import Block
from geoseg.model.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Carried:
    """A function as a job: its worker is the function."""

    function: Callable[[Any], Any]

    def worker(self) -> Callable[[Any], Any]:
        """The function."""
        return self.function


class JobPlugin(WorkerPlugin):
    """Carries the job to each worker and keeps its worker object there; ``makers``: the versions that a worker must have."""

    def __init__(self, name: str, job: Job, makers: Makers | None = None) -> None:
        """Keep the job until a worker asks."""
        self.name = name
        self.job = job
        self.makers = makers

    def setup(self, worker: Any) -> None:
        """Remember where this is; the worker's state is made by the first block, the network loaded."""
        self.where = worker.address
        self._making = threading.Lock()
        self._made: Any = None

    @property
    def block_worker(self) -> Any:
        """The worker's state; made once it is clear that a worker which joined late is as the others are."""
        with self._making:
            if self._made is None:
                job: Any = self.job
                if self.makers is not None:
                    self.makers.refuse(Makers.here(), self.where)
                    if isinstance(getattr(job, "bundle", None), Bundle):
                        job = replace(job, bundle=bundle_here(job.bundle, get_worker()))
                self._made = job.worker()
            return self._made


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call on a worker, uploaded bundles in place of the client's.

    geoseg's errors leave it without their causes, lest they arrive as something else.
    """
    try:
        return function(*map(_placed, args), **kwargs)
    except GeosegError as error:
        alone = error.alone()
    raise alone


async def beside(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call on a worker beside its loop, which goes on answering; our errors are results, so that they stay what they are."""
    try:
        return await asyncio.to_thread(function, *args)
    except GeosegError as error:
        return error.alone()


def _placed(value: Any) -> Any:
    if not isinstance(value, Bundle):
        return value
    worker = get_worker()
    return bundle_here(value, worker) if name_of(value) in worker.plugins else value


def work(plugin: str, step: str, block: Block) -> None:
    """Run a step of the job's worker on a block; what it gives stays here."""
    call(_step, (plugin, step, block), {})


def _step(plugin: str, step: str, block: Block) -> None:
    getattr(_worker_of(plugin), step)(block)


def ask(plugin: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function`` with the job's worker."""
    return function(_worker_of(plugin), *args)


def apply(function: Callable[[Any], Any], item: Any) -> Any:
    """Call a function that was carried here."""
    return function(item)


def _worker_of(plugin: str) -> Any:
    found = get_worker().plugins[plugin]
    assert isinstance(found, JobPlugin)
    return found.block_worker
