"""Ending: what a run's exit code means for its slot: done, failed for good, to be tried again, or to be gone on with."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from geoseg.errors import GeosegError, ResourceError
from geoseg.schedule.child import Why, last_words
from geoseg.schedule.values import Lease, Outcome

DONE, CONFLICT, IN_PART, INTERRUPTED = 0, 4, 8, (130, 143)
FOR_GOOD = (2, 3, 5)
"""The call, an input or a bundle is wrong, and will be so the next time."""
_PASSING = ("LOCKED", "CHANGED")
"""Conflicts that end by themselves."""
_SHORT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""What the computer is short of, for a while."""
MOST_INTERRUPTED = 20
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. ``handed over``: the next service goes on at once. ``retry_after``: only of what failed."""

    outcome: Outcome | Literal["handed over"]
    exit_code: int | None
    message: str = ""
    retry_after: timedelta | None = None

    @property
    def final(self) -> bool:
        """Whether the slot has ended with it."""
        return self.outcome != "handed over" and self.retry_after is None


def ending_of(lease: Lease, code: int, why: Why | None, *, wait: timedelta = FIRST_WAIT) -> Ending:
    """The ending of a run that was told to stop, or not, and ended with ``code``.

    Parameters
    ----------
    wait
        Before the first retry; doubled with each failure, an hour at most.
    """
    message, word = last_words(lease.attempt.log)
    if code == DONE:
        return Ending("done", code, message)
    if why in ("cancelled", "replaced"):
        return Ending("cancelled" if why == "cancelled" else "replaced", code, message)
    if why == "late":
        longest = timedelta(seconds=lease.job.settings.max_runtime or 0)
        return Ending("failed", code, f"TIMEOUT: {lease.job.name}: ran longer than {longest}. See --max-runtime.")
    if code == IN_PART:
        return Ending("part", code, message)
    if why == "leaving":
        return Ending("handed over", code, "the service stopped")
    if code in INTERRUPTED and lease.attempt.number < MOST_INTERRUPTED:
        return Ending("handed over", code, "the run was stopped by a signal")
    said = message or f"the run ended with exit code {code}"
    return _failed(lease, code, said, wait, passes=code not in FOR_GOOD and (code != CONFLICT or word in _PASSING))


def never_started(lease: Lease, error: Exception, *, wait: timedelta = FIRST_WAIT) -> Ending:
    """The ending of a run that could not be started: a full disk, or a computer without room for a process, may pass."""
    if isinstance(error, GeosegError):
        return _failed(lease, error.exit_code, str(error), wait, passes=error.exit_code not in (*FOR_GOOD, CONFLICT))
    passes = isinstance(error, OSError) and error.errno in _SHORT
    code = ResourceError.exit_code if passes else 1
    return _failed(lease, code, f"START: {lease.job.name}: {error}.", wait, passes=passes)


def _failed(lease: Lease, code: int, said: str, wait: timedelta, *, passes: bool) -> Ending:
    """Failed, for good or until it is tried again."""
    if not passes or lease.failures >= lease.job.settings.retries:
        return Ending("failed", code, said)
    return Ending("failed", code, said, min(wait * 2 ** min(lease.failures, 16), LONGEST_WAIT))
