"""DaskPool: blocks as futures on the workers of a Dask cluster (``start.py``).

Tasks carry a :class:`Block` (about 100 bytes); the job travels once, as a worker plugin, and reaches workers that join later.
A few blocks a worker are in flight, so the client's memory does not grow with the scene.

A block that was running when its worker died is suspect. Suspects run again at the end, one at a time with nothing beside
them, so that innocents are cleared; one that was running when its worker died three times is given up and named.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Self, TypeVar

from distributed import Future, KilledWorker

from geoseg.cluster import plugin, start
from geoseg.cluster.admission import Makers, check_versions
from geoseg.cluster.connect import ClusterSettings
from geoseg.cluster.pool import Job, Outcome
from geoseg.cluster.reach import Reached
from geoseg.cluster.upload import BundlePlugin, kept
from geoseg.cluster.worker import READ_AHEAD
from geoseg.errors import ClusterLost, ResourceError
from geoseg.grid.blocks import Block
from geoseg.model.bundle import Bundle

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2 * (READ_AHEAD + 1)
"""Blocks a worker that the scheduler knows of: those at work, and enough behind them that no worker waits for us."""

TOGETHER = 8
"""Blocks are sent when one in so many of those that may be in flight is back, so that many go in one message."""

MOST_TOGETHER = 1000
"""Blocks in one message."""

DEATHS = 3
"""A block that was at work when its worker died this often is given up."""


class DaskPool(Reached):
    """A pool on a Dask cluster that ``begin`` makes and the pool closes."""

    def __init__(self, begin: Callable[[], start.Started], settings: ClusterSettings) -> None:
        """Keep how to start."""
        super().__init__(begin, settings)
        self._name = f"geoseg-{uuid.uuid4().hex[:12]}"
        self._installed = 0
        self._counted = 1

    def __enter__(self) -> Self:
        """Start or reach the cluster and see that a worker is there that can take the work."""
        super().__enter__()
        try:
            if self.elsewhere:
                check_versions(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def _plugin(self) -> str:
        return f"{self._name}-{self._installed}"

    @property
    def _resources(self) -> dict[str, float] | None:
        return {"GPU": 1 / READ_AHEAD} if self._settings.gpu else None

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run ``function`` once on a worker; after the third worker that died of it ``ResourceError`` ``WORKER``."""
        return self._insist(lambda: self._submit(self._resources, function, *args, **kwargs), function)

    def in_order(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in order, ``IN_FLIGHT`` a worker on the way; what died with its worker runs again, three times in all.

        The function travels once to each worker, also to those that join later.
        """
        name = f"{self._name}-{uuid.uuid4().hex[:8]}"
        self._register(plugin.JobPlugin(name, plugin.Carried(function)), name)
        waiting: deque[tuple[T, Future[Any]]] = deque()
        todo, room = iter(items), self._room()
        try:
            while True:
                while len(waiting) < room and (item := next(todo, None)) is not None:
                    waiting.append((item, self._submit(None, plugin.ask, name, plugin.apply, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield self._insist(partial(self._submit, None, plugin.ask, name, plugin.apply, item), function, future)
                del future
        finally:
            if self._client.status == "running":
                with contextlib.suppress(ClusterLost):  # the scheduler may have died a moment ago
                    self._answered(partial(self._client.cancel, [future for _, future in waiting]))
                self._forget(name)

    def everywhere(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Run ``function`` once on every worker of a cluster elsewhere: its result, or the error, by address."""
        if not self.elsewhere:
            return {}
        return self._run(plugin.beside, function, args)

    def keeps(self, bundle: Bundle) -> dict[str, Any]:
        """The digest of the bundle as each worker of a cluster elsewhere has it, or the error, by address."""
        return self._run(kept, bundle) if self.elsewhere else {}

    def upload(self, bundle: Bundle) -> None:
        """Send a bundle to every worker of a cluster elsewhere, now and to come."""
        carrier = BundlePlugin(bundle)
        self._register(carrier, carrier.name, 20 * self._settings.patience)

    def _run(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._answered(partial(self._client.run, function, *args, on_error="return"))
        return found

    def _submit(self, resources: dict[str, float] | None, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return self._client.submit(plugin.call, function, args, kw, pure=False, resources=resources)

    def _insist(self, submit: Callable[[], Any], function: Any, future: Any = None) -> Any:
        """The result of a future, of a new one where a worker died of it; an error is raised."""
        for _ in range(DEATHS):
            future = future or submit()
            done = threading.Event()
            future.add_done_callback(lambda _, done=done: done.set())
            while not done.wait(1):
                self._see_workers()
            outcome = self._result(future)
            if isinstance(outcome, KilledWorker):
                future = None
                continue
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        raise ResourceError.of(
            "WORKER", getattr(function, "__name__", "call"), "its worker died three times", "Check memory; see the log"
        )

    def install(self, job: Job) -> None:
        """Send the job to every worker, now and to come."""
        if self._installed:
            self._forget(self._plugin)
        self._installed += 1
        makers = Makers.here() if self.elsewhere else None
        self._register(plugin.JobPlugin(self._plugin, job, makers), self._plugin)

    def ask(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(block_worker, *args)`` on one worker."""
        return self.call(plugin.ask, self._plugin, function, *args)

    def map(self, step: str, blocks: Iterable[Block]) -> Iterator[tuple[Block, Outcome]]:
        """Blocks as futures, a few a worker in flight; suspects again, alone, at the end."""
        deaths: Counter[str] = Counter()
        suspects: deque[Block] = deque()
        for block, outcome in self._fly(step, blocks, self._room):
            if isinstance(outcome, KilledWorker):
                deaths[block.name] += 1
                suspects.append(block)
            else:
                yield block, outcome
        while suspects:
            [(block, outcome)] = self._fly(step, [suspects.popleft()], lambda: 1)
            if not isinstance(outcome, KilledWorker):
                yield block, outcome
                continue
            deaths[block.name] += 1
            if deaths[block.name] < DEATHS:
                suspects.append(block)
                continue
            what = f"the worker died {DEATHS} times at this block"
            remedy = "Give workers more memory, or smaller blocks by --block-size"
            yield block, ResourceError.of("WORKER", block.name, what, remedy)

    def _room(self) -> int:
        """Blocks in flight; a scheduler that is too busy to answer has as many workers as when it last did."""
        self._counted = len(self._slots) or self._counted
        return self._counted * IN_FLIGHT

    def _fly(self, step: str, blocks: Iterable[Block], room: Callable[[], int]) -> Iterator[tuple[Block, Outcome]]:
        done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        flying: dict[str, tuple[Future[Any], Block]] = {}
        todo = iter(blocks)
        allowed = room()
        quiet = time.monotonic()
        while True:
            while len(flying) <= allowed - max(allowed // TOGETHER, 1):
                some = list(itertools.islice(todo, min(allowed - len(flying), MOST_TOGETHER)))
                if not some:
                    break
                for future, block in self._send(step, some):
                    flying[str(future.key)] = (future, block)
                    future.add_done_callback(done.put)
            if not flying:
                return
            try:
                future = done.get(timeout=1.0)
            except queue.Empty:
                self._see_workers()
                allowed = room()
                continue
            if time.monotonic() - quiet > 5:
                quiet, allowed = time.monotonic(), room()
                self._revive()
            _, block = flying.pop(str(future.key))
            yield block, self._outcome(future)
            future.release()

    def _send(self, step: str, blocks: list[Block]) -> Iterator[tuple[Future[Any], Block]]:
        """Blocks to the scheduler in one message: one message for each costs it and the client four times as much."""
        keys = [f"{self._plugin}-{step}-{block.name}-{uuid.uuid4().hex[:8]}" for block in blocks]
        work = partial(plugin.work, self._plugin, step)
        futures = self._client.map(work, blocks, key=keys, pure=False, resources=self._resources)
        return zip(futures, blocks, strict=True)

    def _outcome(self, future: Future[Any]) -> Outcome:
        """None, or the error, of a finished block.

        The result is not fetched: it would be one more message to a worker, for what lies in the store.
        """
        if future.status == "finished":
            return None
        error = self._result(future)
        return error if isinstance(error, Exception) else None
