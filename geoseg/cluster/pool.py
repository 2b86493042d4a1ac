"""Pool: where blocks are worked on. One protocol; in this process, or on Dask workers (``dask_pool.py``)."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, Self, TypeVar

from geoseg.cluster.worker import READ_AHEAD, drop_predictor
from geoseg.grid.blocks import Block
from geoseg.model.bundle import Bundle
from geoseg.vector.threads import in_order

T = TypeVar("T")
R = TypeVar("R")
Outcome = Exception | None
"""What came of a block: None when it is done, else the error. What it left is in its store, so nothing is sent back."""


class Job(Protocol):
    """What a pool carries to each process: something small that pickles and makes the process's worker."""

    def worker(self) -> Any:
        """The object whose methods the steps are."""


class Pool(Protocol):
    """A place that runs functions and blocks."""

    @property
    def workers(self) -> int:
        """Number of worker processes."""

    @property
    def elsewhere(self) -> bool:
        """True when workers may be on other machines."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run ``function`` once on a worker and return its result."""

    def install(self, job: Job) -> None:
        """Give every worker, now or later, the job that blocks belong to."""

    def map(self, step: str, blocks: Iterable[Block]) -> Iterator[tuple[Block, Outcome]]:
        """Run the :class:`BlockWorker` method ``step`` on each block, a few in flight; yield outcomes as they come."""

    def ask(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(block_worker, *args)`` on one worker that has the job."""

    def in_order(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results of ``function`` in the order of ``items``, a few in flight; what a worker took with it is done again.

        Function, items and results travel, so they are to be small. An error is raised in its place, as what it is.
        """

    def everywhere(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Run ``function`` once on every worker that may be on another machine: results, or errors, by worker."""

    def keeps(self, bundle: Bundle) -> dict[str, Any]:
        """The digest of the bundle that a worker has under the same path or by upload, or an error, as ``everywhere``."""

    def upload(self, bundle: Bundle) -> None:
        """Send a bundle to every worker, now and to come."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *exc: object) -> None:
        """Stop; work in flight is left to end or die."""


class LocalPool:
    """The calling process alone: a cluster of one, with threads that read ahead and write behind."""

    workers = 1
    elsewhere = False

    def __init__(self) -> None:
        """Nothing starts before the context is entered."""
        self._worker: Any = None

    def __enter__(self) -> Self:
        """Start the threads."""
        self._threads = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="geoseg")
        return self

    def __exit__(self, *exc: object) -> None:
        """Drop what has not begun and wait for what has."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._worker = None
        drop_predictor()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run it here."""
        return function(*args, **kwargs)

    def install(self, job: Job) -> None:
        """Make the job's worker; it loads its predictor on first use."""
        self._worker = job.worker()

    def ask(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run it on this process's worker."""
        return function(self._worker, *args)

    def everywhere(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Nothing: this process is nowhere else."""
        return {}

    def keeps(self, bundle: Bundle) -> dict[str, Any]:
        """Nothing, likewise."""
        return {}

    def upload(self, bundle: Bundle) -> None:
        """Do nothing: it is here."""

    def in_order(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """By threads, one a processor."""
        return in_order(function, items)

    def map(self, step: str, blocks: Iterable[Block]) -> Iterator[tuple[Block, Outcome]]:
        """Blocks by threads, ``READ_AHEAD`` in flight."""
        run = getattr(self._worker, step)
        done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        flying: dict[Future[Any], Block] = {}
        todo = iter(blocks)
        while True:
            while len(flying) < READ_AHEAD and (block := next(todo, None)) is not None:
                future = self._threads.submit(run, block)
                flying[future] = block
                future.add_done_callback(done.put)
            if not flying:
                return
            future = done.get()
            yield flying.pop(future), _outcome(future)


def _outcome(future: Future[Any]) -> Outcome:
    error = future.exception()
    if error is None or isinstance(error, Exception):
        return error
    raise error
