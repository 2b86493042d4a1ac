"""Guard: a small process between the service and a run, so that no run outlives its lease and no two write one output.

The service holds the guard's standard input and writes a byte to it at each heartbeat. When the service dies, or its bytes stay
away for as long as a lease lasts (it was suspended, its disk hangs), the guard ends the run and all that the run started. A run
begins only when the guard holds the run's lock file, so a run that is taken over waits until the one before it is gone.

``python -m geoseg.schedule.guard LOCK FENCE GRACE COMMAND...``: it ends with the command's exit code, 128 + N for signal N.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

_LOOK = 0.2  # seconds between two looks at the lock
_PDEATHSIG = 1  # Linux's PR_SET_PDEATHSIG
STOPPED = 128 + signal.SIGTERM


class _Watch:
    """Whether the run may go on: the service lives and beats, and nobody asked to stop."""

    def __init__(self, fence: float) -> None:
        self.fence = fence
        self.until = time.monotonic() + fence
        self.asked = False
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, _nothing)

    def wait(self, seconds: float) -> bool:
        """Wait for a while, or until a signal or the service's end; whether the run may go on."""
        seconds = max(0.0, min(seconds, self.until - time.monotonic()))
        ready, _, _ = select.select([0, self._woken], [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if 0 in ready:
            if os.read(0, 65536):
                self.until = time.monotonic() + self.fence
            else:
                self.asked = True
        return not self.asked and time.monotonic() < self.until

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def main(args: Sequence[str]) -> int:
    """Run a command, guarded."""
    lock_path, fence, grace, *command = args
    watch = _Watch(float(fence))
    lock = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    while not _locked(lock):
        if not watch.wait(_LOOK):
            return STOPPED
    child = subprocess.Popen(  # the run has the lock too: it is free when both are gone
        command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=(lock,), preexec_fn=_die_with_the_guard
    )
    while not _ended(child.pid):
        if not watch.wait(3600.0):
            _end(child.pid, float(grace))
    _kill(child.pid, signal.SIGKILL)  # workers that it left behind; its number is taken until it is waited for
    code = child.wait()
    return code if code >= 0 else 128 - code


def _locked(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _end(group: int, grace: float) -> None:
    """End the run in order, and by force after ``grace`` seconds."""
    _kill(group, signal.SIGTERM)
    until = time.monotonic() + grace
    while not _ended(group):
        if time.monotonic() >= until:
            _kill(group, signal.SIGKILL)
        time.sleep(0.05)


def _ended(pid: int) -> bool:
    """Whether the run has ended; it is not waited for yet, so its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _die_with_the_guard() -> None:
    """Have the kernel end the run should the guard itself be killed; between fork and exec of a process with one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A child has ended: only the waiting is cut short."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
