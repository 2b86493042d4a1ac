"""DaskPool: blocks as futures on the workers of a Dask cluster (``start.py``).

Tasks carry a :class:`Block` (about 100 bytes); the job travels once, as a worker plugin, and reaches workers that join later.
A few blocks a worker are in flight, so the client's memory does not grow with the scene.

A block that was running when its worker died is suspect. Suspects run again at the end, one at a time with nothing beside
them, so that innocents are cleared; one that was running when its worker died three times is given up and named.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, Self, TypeVar

import dask
from distributed import Future, KilledWorker, WorkerPlugin, get_worker

from geoseg.cluster import start
from geoseg.cluster.admission import Makers, check_versions
from geoseg.cluster.connect import ClusterSettings
from geoseg.cluster.pool import Job, Outcome
from geoseg.cluster.upload import BundlePlugin, bundle_here, kept, name_of
from geoseg.cluster.worker import READ_AHEAD
from geoseg.errors import ClusterLost, GeosegError, ResourceError
from geoseg.grid.blocks import Block
from geoseg.model.bundle import Bundle

_log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2 * (READ_AHEAD + 1)
"""Blocks a worker that the scheduler knows of: those at work, and enough behind them that no worker waits for us."""

REVIVE = 5.0
"""Seconds between two looks at local workers that are to come back."""

DEATHS = 3
"""A block that was at work when its worker died this often is given up."""


@dataclass(frozen=True, slots=True)
class _Carried:
    """A function as a job: its worker is the function."""

    function: Callable[[Any], Any]

    def worker(self) -> Callable[[Any], Any]:
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


class DaskPool:
    """A pool on a Dask cluster that ``begin`` makes and the pool closes."""

    def __init__(self, begin: Callable[[], start.Started], settings: ClusterSettings) -> None:
        """Keep how to start."""
        self._begin = begin
        self._settings = settings
        self._name = f"geoseg-{uuid.uuid4().hex[:12]}"
        self._installed = 0
        self._uploaded: list[str] = []
        self._seen = 0.0
        self._revived = 0.0

    def __enter__(self) -> Self:
        """Start or reach the cluster and see that a worker is there that can take the work."""
        self._held = contextlib.ExitStack()
        self._held.enter_context(
            dask.config.set(start.CONFIG)
        )  # also for what is read later: time-outs of new connections
        try:
            self._client, self._cluster = self._begin()
        except BaseException:
            self._held.close()
            raise
        try:
            self._first_workers()
            if self.elsewhere:
                check_versions(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was started; a scheduler that was only reached goes on without our tasks."""
        try:
            if self._cluster is not None:
                self._client.close(timeout=2)
                start.close(self._cluster)
            else:
                if self._client.status == "running":
                    for name in [*self._uploaded, *([self._plugin] if self._installed else [])]:
                        self._forget(name)
                self._client.close(timeout=2)
        finally:
            self._held.close()

    @property
    def workers(self) -> int:
        """Number of workers now."""
        return len(self._infos())

    @property
    def elsewhere(self) -> bool:
        """True when workers may be on other machines."""
        return self._settings.elsewhere

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
        self._answered(partial(self._client.register_plugin, JobPlugin(name, _Carried(function)), name=name))
        waiting: deque[tuple[T, Future[Any]]] = deque()
        todo, room = iter(items), self._room()
        try:
            while True:
                while len(waiting) < room and (item := next(todo, None)) is not None:
                    waiting.append((item, self._submit(None, _ask, name, _apply, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield self._insist(partial(self._submit, None, _ask, name, _apply, item), function, future)
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
        return self._run(_beside, function, args)

    def keeps(self, bundle: Bundle) -> dict[str, Any]:
        """The digest of the bundle as each worker of a cluster elsewhere has it, or the error, by address."""
        return self._run(kept, bundle) if self.elsewhere else {}

    def upload(self, bundle: Bundle) -> None:
        """Send a bundle to every worker of a cluster elsewhere, now and to come."""
        plugin = BundlePlugin(bundle)
        self._uploaded.append(plugin.name)
        self._answered(partial(self._client.register_plugin, plugin, name=plugin.name), 20 * self._settings.patience)

    def _run(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._answered(partial(self._client.run, function, *args, on_error="return"))
        return found

    def _forget(self, name: str) -> None:
        """Take a plugin back; that this fails, on a cluster that dies, is no reason to fail."""
        try:
            self._answered(partial(self._client.unregister_worker_plugin, name))
        except Exception as error:
            _log.debug("%s: %s", name, error)

    def _answered(self, ask: Callable[[], Any], patience: float | None = None) -> Any:
        """What the client gives for a question to the scheduler; ClusterLost when no answer comes in time."""

        async def asked() -> Any:
            return await ask()

        try:
            return self._client.sync(asked, callback_timeout=patience or self._settings.patience)
        except (OSError, TimeoutError, CancelledError, asyncio.CancelledError):
            self._lost("the scheduler does not answer")

    def _submit(self, resources: dict[str, float] | None, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return self._client.submit(_call, function, args, kw, pure=False, resources=resources)

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
            self._answered(partial(self._client.unregister_worker_plugin, self._plugin))
        self._installed += 1
        plugin = JobPlugin(self._plugin, job, Makers.here() if self.elsewhere else None)
        self._answered(partial(self._client.register_plugin, plugin, name=self._plugin))

    def ask(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(block_worker, *args)`` on one worker."""
        return self.call(_ask, self._plugin, function, *args)

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
            yield (
                block,
                ResourceError.of(
                    "WORKER", block.name, what, "Give workers more memory, or smaller blocks by --block-size"
                ),
            )

    def _room(self) -> int:
        return max(len(self._slots), 1) * IN_FLIGHT

    def _fly(self, step: str, blocks: Iterable[Block], room: Callable[[], int]) -> Iterator[tuple[Block, Outcome]]:
        done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        flying: dict[str, tuple[Future[Any], Block]] = {}
        todo = iter(blocks)
        allowed = room()
        quiet = time.monotonic()
        while True:
            while len(flying) < allowed and (block := next(todo, None)) is not None:
                key = f"{self._plugin}-{step}-{block.name}-{uuid.uuid4().hex[:8]}"
                future = self._client.submit(
                    _work, self._plugin, step, block, key=key, pure=False, resources=self._resources
                )
                flying[key] = (future, block)
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

    def _outcome(self, future: Future[Any]) -> Outcome:
        """None, or the error, of a finished block.

        The result is not fetched: it would be one more message to a worker, for what lies in the store.
        """
        if future.status == "finished":
            return None
        error = self._result(future)
        return error if isinstance(error, Exception) else None

    def _result(self, future: Future[Any]) -> Any:
        """The result or the error of a finished future; ClusterLost when neither can be had any more."""
        try:
            return future.result(timeout=self._settings.patience)
        except (TimeoutError, CancelledError, asyncio.CancelledError, OSError) as error:
            if isinstance(error, OSError) and future.status == "error" and not isinstance(error, TimeoutError):
                return error
            self._lost("the scheduler or the last worker is gone")
        except Exception as error:
            return error

    def _infos(self) -> dict[str, Any]:
        try:
            scheduler: Any = self._client.scheduler
            return dict(self._answered(partial(scheduler.identity, n_workers=-1), 10)["workers"])
        except (ClusterLost, AttributeError, ValueError, KeyError):  # a client that closes has no scheduler
            return {}

    @property
    def _slots(self) -> dict[str, Any]:
        infos = self._infos()
        return {a: i for a, i in infos.items() if i["resources"].get("GPU")} if self._settings.gpu else infos

    def _first_workers(self) -> None:
        self._seen = time.monotonic()
        until = self._seen + self._settings.wait
        while not self._infos():
            if time.monotonic() > until or self._client.status not in {"running", "connecting"}:
                self._lost("no worker has come")
            time.sleep(0.05)
        if self._settings.gpu and not self._slots:
            remedy = "Start workers with --resources GPU=1, or use --device cpu"
            raise ResourceError.of("DEVICE", self._settings.device, "no worker of the cluster offers a GPU", remedy)

    def _see_workers(self) -> None:
        """Remember when a worker was last seen, and give up after ``patience`` seconds without any."""
        now = time.monotonic()
        self._revive()
        if self._client.status == "running" and self._slots:
            self._seen = now
        elif now - self._seen > self._settings.wait:
            self._lost(f"no worker for {self._settings.wait:.0f} s")
        if self._client.status in {"closed", "closing"}:
            self._lost("the scheduler is gone")

    def _revive(self) -> None:
        """Bring back local workers whose supervisor has given up, every few seconds."""
        if self._cluster is not None and not self.elsewhere and time.monotonic() - self._revived > REVIVE:
            self._revived = time.monotonic()
            start.revive(self._cluster)

    def _lost(self, what: str) -> NoReturn:
        raise ClusterLost.of(
            "CLUSTER", self._settings.where, what, "Finished blocks are kept; run the same command again"
        )


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call on a worker, uploaded bundles in place of the client's.

    geoseg's errors leave it without their causes, lest they arrive as something else.
    """
    try:
        return function(*map(_placed, args), **kwargs)
    except GeosegError as error:
        alone = error.alone()
    raise alone


async def _beside(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
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


def _work(plugin: str, step: str, block: Block) -> None:
    _call(_step, (plugin, step, block), {})


def _step(plugin: str, step: str, block: Block) -> None:
    getattr(_worker_of(plugin), step)(block)


def _ask(plugin: str, function: Callable[..., Any], *args: Any) -> Any:
    return function(_worker_of(plugin), *args)


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)


def _worker_of(plugin: str) -> Any:
    found = get_worker().plugins[plugin]
    assert isinstance(found, JobPlugin)
    return found.block_worker
