"""Reach: a Dask cluster that was started or reached: asked with time-outs, watched for workers, and let go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, NoReturn, Self

import dask
from distributed import Future, WorkerPlugin

from geoseg.cluster import start
from geoseg.cluster.connect import ClusterSettings
from geoseg.errors import ClusterLost, ResourceError

_log = logging.getLogger(__name__)

REVIVE = 5.0
"""Seconds between two looks at local workers that are to come back."""


class Reached:
    """A Dask cluster that ``begin`` makes and this closes; a :class:`ClusterLost` where it does not answer in time."""

    def __init__(self, begin: Callable[[], start.Started], settings: ClusterSettings) -> None:
        """Keep how to start."""
        self._begin = begin
        self._settings = settings
        self._plugins: list[str] = []
        self._seen = 0.0
        self._revived = 0.0

    def __enter__(self) -> Self:
        """Start or reach the cluster and see that a worker is there that can take the work."""
        self._held = contextlib.ExitStack()
        self._held.enter_context(dask.config.set(start.CONFIG))  # also for what is read later: time-outs
        try:
            self._client, self._cluster = self._begin()
        except BaseException:
            self._held.close()
            raise
        try:
            self._first_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was started; a scheduler that was only reached goes on without our tasks."""
        try:
            if self._cluster is None and self._client.status == "running":
                for name in list(self._plugins):
                    self._forget(name)
            with contextlib.suppress(TimeoutError):  # it goes on closing
                self._client.close(timeout=2)
            if self._cluster is not None:
                start.close(self._cluster)
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

    def _answered(self, ask: Callable[[], Any], patience: float | None = None) -> Any:
        """What the client gives for a question to the scheduler; ClusterLost when no answer comes in time."""

        async def asked() -> Any:
            return await ask()

        try:
            return self._client.sync(asked, callback_timeout=patience or self._settings.patience)
        except (OSError, TimeoutError, CancelledError, asyncio.CancelledError):
            self._lost("the scheduler does not answer")

    def _register(self, plugin: WorkerPlugin, name: str, patience: float | None = None) -> None:
        """Give a plugin to every worker, now and to come, until it is taken back."""
        self._plugins.append(name)
        self._answered(partial(self._client.register_plugin, plugin, name=name), patience)

    def _forget(self, name: str) -> None:
        """Take a plugin back; that this fails, on a cluster that dies, is no reason to fail."""
        self._plugins.remove(name)
        try:
            self._answered(partial(self._client.unregister_worker_plugin, name))
        except Exception as error:
            _log.debug("%s: %s", name, error)

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
