"""Threads: run a function on items, a few at a time, and give the results back in the items' order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

InOrder = Callable[[Callable[[T], R], Iterable[T]], Iterator[R]]
"""Runs a function on items, a few at a time, anywhere: results in the items' order. :func:`in_order`, or a pool's."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """Results of ``function`` in the order of ``items``.

    At most ``threads + 1`` of them (default: one thread a processor) are in work or wait to be taken; one thread means
    that each is computed when it is asked for. The first error is raised in its place, and nothing is begun after it.
    """
    threads = threads or cores()
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="geoseg-trace")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
