"""Prefetch: what is made, or read, ahead by threads while the network computes; in order, and no more of it than asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(make: Callable[[T], R], items: Iterable[T], *, threads: int, ahead: int) -> Iterator[R]:
    """``make(item)`` of each item in order, at most ``ahead`` of them begun before they are taken.

    What ``make`` raises is raised where its result would have come. The threads end with the iterator, also when it is
    closed early; what has begun is finished then, and nothing else.
    """
    todo = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="geoseg-prefetch")
    flying: deque[Future[R]] = deque()
    try:
        flying.extend(pool.submit(make, item) for item in islice(todo, ahead))
        while flying:
            done = flying.popleft().result()
            flying.extend(pool.submit(make, item) for item in islice(todo, 1))
            yield done
            del done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
