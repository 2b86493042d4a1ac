"""Lanes: chips side by side, so that one is normalized and laid down while another is in the network.

A network on all processors waits at each layer for its slowest thread, and leaves the others idle while a chip is prepared.
Two chips at a time, each on half of the processors, keep them busy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor

T = TypeVar("T")
R = TypeVar("R")


class Lanes:
    """As many threads as a predictor serves at a time; they end with the object. One lane is the calling thread."""

    def __init__(self, count: int) -> None:
        """``count`` calls at a time."""
        self.count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="geoseg-lane") if count > 1 else None

    @classmethod
    def of(cls, predictor: Predictor) -> Lanes:
        """The lanes of a predictor."""
        return cls(predictor.lanes)

    def map(self, work: Callable[[T], R], items: Iterable[T], *, ahead: int | None = None) -> Iterator[R]:
        """Results in the order of ``items``, at most ``ahead`` of them made before they are taken; all, when not given.

        The first error in that order is raised; what has not begun is dropped then.
        """
        if self._threads is None:
            yield from map(work, items)
            return
        flying: deque[Future[R]] = deque()
        todo = iter(items)
        try:
            while True:
                while (ahead is None or len(flying) < ahead) and (item := next(todo, _END)) is not _END:
                    flying.append(self._threads.submit(work, item))  # type: ignore[arg-type]
                if not flying:
                    return
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()


_END = object()
