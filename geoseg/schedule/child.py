"""Child: the process of one attempt, started behind a guard, told to stop, and read for what it came to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from geoseg.schedule.command import run_environment
from geoseg.schedule.logs import tail
from geoseg.schedule.values import Lease

Why = Literal["cancelled", "replaced", "late", "leaving", "lost"]
"""Why a run is told to stop; ``late``: it ran longer than it may, ``leaving``: the service stops, ``lost``: the lease is gone."""

_LINE = re.compile(rb"^geoseg: ([A-Z][A-Z0-9_]*): .*$", re.MULTILINE)
_TAIL = 1 << 16


@dataclass(slots=True)
class Child:
    """A run under way. ``why``: set once it was told to stop. ``earlier``: seconds of the attempts that it goes on from."""

    lease: Lease
    guard: subprocess.Popen[bytes]
    started: float
    beaten: datetime
    grace: float
    why: Why | None = None
    asked: float = 0.0
    earlier: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return time.monotonic() - self.started

    def beat(self) -> None:
        """Tell the guard that the lease holds."""
        assert self.guard.stdin is not None
        with suppress(BrokenPipeError, BlockingIOError, ValueError):
            os.write(self.guard.stdin.fileno(), b".")

    def stop(self, why: Why) -> None:
        """Tell the run to stop; the first reason counts, but for a lost lease."""
        if self.why is None:
            self.asked = time.monotonic()
            self.guard.terminate()
        if self.why is None or why == "lost":
            self.why = why

    def exit_code(self) -> int | None:
        """The run's exit code, None while it lives. A guard that does not answer is killed, and the run with it."""
        if self.why is not None and time.monotonic() - self.asked > self.grace + 15:
            self.guard.kill()
        code = self.guard.poll()
        if code is None:
            return None
        self.close()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Let go of the guard's input; a living guard ends its run."""
        if self.guard.stdin is not None:
            with suppress(OSError):
                self.guard.stdin.close()


def start(lease: Lease, command: Sequence[str], now: datetime, *, fence: timedelta, grace: timedelta) -> Child:
    """Start the run of a lease; its words go to the attempt's log."""
    log = Path(lease.attempt.log)
    lock = log.with_name(f"{lease.slot.folder}.lock")
    guard = [sys.executable, "-P", "-m", "geoseg.schedule.guard"]
    words = [str(lock), str(fence.total_seconds()), str(grace.total_seconds())]
    handle = _open_log(log)
    try:
        process = subprocess.Popen(
            [*guard, *words, *command], stdin=subprocess.PIPE, stdout=handle, stderr=handle, env=run_environment(),
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(handle)
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return Child(lease, process, time.monotonic(), now, grace.total_seconds())


def _open_log(log: Path) -> int:
    """Make the log, in a folder for its owner only."""
    while True:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.parent.parent.chmod(0o700)
        with suppress(FileNotFoundError):  # another service has just removed the folder, which was empty
            return os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)


def last_words(log: str | Path) -> tuple[str, str]:
    """The last line of a log in which geoseg says an error, and its code; empty where there is none."""
    found = list(_LINE.finditer(tail(log, _TAIL)))
    if not found:
        return "", ""
    line = found[-1][0].removeprefix(b"geoseg: ").decode("utf-8", "replace").strip()
    return line, found[-1][1].decode()
