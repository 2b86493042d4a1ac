"""Stop: SIGINT and SIGTERM wait until a step is done, so that what they leave is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A signal that waits; :meth:`deliver` hands it to whoever handled it before."""

    def __init__(self) -> None:
        """None came yet."""
        self.asked: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def is_asked(self) -> bool:
        """Whether a signal waits."""
        return self.asked is not None

    def deliver(self) -> None:
        """Let the signal do what it would have done; nothing where none came."""
        if self.asked is not None:
            self._release()
            number, self.asked = self.asked, None
            signal.raise_signal(number)

    def _hold(self) -> None:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note) or signal.SIG_DFL

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked is not None, number
        if again:  # who asks twice does not want to wait
            self.deliver()


@contextmanager
def signals_wait() -> Iterator[Stop]:
    """Inside, the first signal only sets ``asked``; outside of the main thread signals are left alone."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    stop._hold()
    try:
        yield stop
    finally:
        stop._release()
