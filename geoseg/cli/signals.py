"""Signals: SIGINT and SIGTERM end a run in order, with the exit code that says so, and a server, which is done then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from geoseg.errors import Interrupted, Terminated


class _Stop(KeyboardInterrupt):
    """What a signal raises: no ``Exception``, which libraries catch, log and forget."""

    def __init__(self, error: Interrupted) -> None:
        super().__init__(str(error))
        self.error = error


class Stop:
    """What was asked for by a signal; :meth:`check` says it again, should a library have let it drop."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.error: Interrupted | None = None

    def check(self) -> None:
        """Raise what the signal raised."""
        if self.error is not None:
            raise _Stop(self.error)


@contextmanager
def stoppable(where: str, remedy: str = "Finished blocks are kept; the same command resumes") -> Iterator[Stop]:
    """Turn the two signals into errors inside the body; a second signal while the first is handled ends the process at once."""
    asked = Stop()

    def stop(number: int) -> None:
        error, name = (Terminated, "SIGTERM") if number == signal.SIGTERM else (Interrupted, "SIGINT")
        asked.error = error.of("INTERRUPTED", where, f"stopped by {name}", remedy)
        asked.check()

    try:
        with _handled(stop):
            yield asked
    except _Stop as stopped:
        raise stopped.error from None


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Give an event that the two signals set; a second one ends the process at once."""
    asked = threading.Event()
    with _handled(lambda number: asked.set()):
        yield asked


@contextmanager
def _handled(act: Callable[[int], None]) -> Iterator[None]:
    """Have the two signals call ``act``; after the first of them both do again what they do by themselves."""

    def handle(number: int, frame: FrameType | None) -> None:
        for known in before:
            signal.signal(known, signal.SIG_DFL)
        act(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
