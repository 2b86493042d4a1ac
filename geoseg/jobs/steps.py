"""Steps: the steps of a run: who does their work, how far they are, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.vector.threads import InOrder, in_order

T = TypeVar("T")
R = TypeVar("R")

Report = Callable[[str, int, int], None]
"""Called with a step's name, what is done of it, and all."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Progress and seconds of the steps of one run."""

    on_progress: Report | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the body takes; a step that comes again adds to its time."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - started, 3)

    def run(self, name: str, step: Callable[[], R]) -> R:
        """What ``step`` gives, timed."""
        with self.timed(name):
            return step()

    def told(self, name: str, run: InOrder[Any, Any]) -> InOrder[Any, Any]:
        """The same ``run``, which reports after each item."""

        def tell(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
            todo = list(items)
            for done, result in enumerate(run(function, todo), start=1):
                if self.on_progress is not None:
                    self.on_progress(name, done, len(todo))
                yield result

        return tell


@contextmanager
def workforce(cluster: ClusterSettings) -> Iterator[tuple[InOrder[Any, Any], bool]]:
    """What runs functions on items: threads of this process, its workers, or a cluster's; and whether results travel."""
    with connect(cluster) as pool:
        yield partial(in_order, threads=cluster.threads) if cluster.alone else pool.in_order, not cluster.alone
