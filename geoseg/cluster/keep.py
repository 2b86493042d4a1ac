"""Keep: pools that stay open between the jobs of one process: many scenes start their workers, and load their network, once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from geoseg.cluster.pool import Pool

_pools: ContextVar[dict[Hashable, Pool] | None] = ContextVar("geoseg_pools", default=None)


@contextmanager
def pools_kept() -> Iterator[None]:
    """Pools that jobs leave while the body runs stay open, for the next job with the same settings, until it ends.

    A pool that was left by an error is closed at once: blocks may still be at work in it.
    """
    if _pools.get() is not None:
        yield
        return
    pools: dict[Hashable, Pool] = {}
    token = _pools.set(pools)
    try:
        yield
    finally:
        _pools.reset(token)
        while pools:
            _, pool = pools.popitem()
            pool.__exit__(None, None, None)


class KeptPool:
    """A context that gives an open pool, and leaves it open unless an error ends it."""

    def __init__(self, pools: dict[Hashable, Pool], settings: Hashable, make: Callable[[], Pool]) -> None:
        """Keep where open pools are and how to make one."""
        self._pools, self._settings, self._make = pools, settings, make

    def __enter__(self) -> Pool:
        """Take the pool that is open and still has workers, or start one; one at a time has it."""
        pool = self._pools.pop(self._settings, None)
        if pool is not None and not pool.workers:
            pool.__exit__(None, None, None)
            pool = None
        self._pool = pool or self._make().__enter__()
        return self._pool

    def __exit__(self, kind: Any, *error: object) -> None:
        """Put it back; close it after an error, and where another one took its place meanwhile."""
        if kind is None and self._settings not in self._pools:
            self._pools[self._settings] = self._pool
        else:
            self._pool.__exit__(kind, *error)


def kept(settings: Any, make: Callable[[Any], Pool]) -> KeptPool | None:
    """The context of a pool that is kept; None where none are."""
    pools = _pools.get()
    return None if pools is None else KeptPool(pools, settings, lambda: make(settings))
