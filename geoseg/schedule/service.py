"""Service: starts what is due, each run in a process of its own, and sees it to its end, whatever becomes of the service.

Each turn: leases are kept, what is asked of runs is passed on, ended runs are settled, then what is due is claimed and started.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from geoseg.errors import Conflict, GeosegError, InputRefused, ResourceError
from geoseg.schedule.child import Child, Why, start
from geoseg.schedule.command import Command, run_command
from geoseg.schedule.ending import INTERRUPTED, Ending, ending_of, never_started
from geoseg.schedule.logs import remove_logs
from geoseg.schedule.notify import messages
from geoseg.schedule.outbox import Outbox
from geoseg.schedule.serving import ServiceSettings, Tally
from geoseg.schedule.store import JobStore
from geoseg.schedule.values import Lease
from geoseg.schedule.watch import Watcher

_log = logging.getLogger(__name__)

_PRUNE = timedelta(hours=1)
_SIGNAL_WAIT = 2.0  # seconds in which our own SIGTERM may follow the one that ended a run: systemd sends both at once


def serve(
    store: JobStore, *, stop: threading.Event, once: bool = False, settings: ServiceSettings | None = None,
    command: Command = run_command,
) -> Tally:  # fmt: skip
    """Run what is due until ``stop`` is set; then runs end in order and are handed over.

    Parameters
    ----------
    once
        Return when nothing is due and nothing runs.
    command
        From a lease to what is started for it.

    Raises
    ------
    Conflict
        ``STORE_CHANGED``: a newer geoseg has changed the store. Runs are ended; their leases run out.
    InputRefused
        ``STORE``: the store is damaged.
    """
    service = Service(store, settings=settings, command=command)
    try:
        while not stop.is_set():
            service.turn()
            if once and service.idle:
                break
            stop.wait(service.settings.turn if not once else min(service.settings.turn, 0.2))
        service.leave()
    finally:
        service.close()
    return service.tally


class Service:
    """The runs of one service. :meth:`turn` does all that is to be done now, and returns."""

    def __init__(
        self, store: JobStore, *, settings: ServiceSettings | None = None, command: Command = run_command
    ) -> None:
        """Nothing runs yet."""
        self.store = store
        self.settings = settings or ServiceSettings()
        self.command = command
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.children: list[Child] = []
        self.tally = Tally()
        self.idle = False
        self.outbox = Outbox(store.logs)
        self._watcher = Watcher(store, self.settings.roots, self.settings.look)
        self._ended: dict[int, float] = {}
        self._pruned: datetime | None = None
        self._checked_in: datetime | None = None

    def turn(self) -> None:
        """Keep leases, settle what has ended, start what is due; a store that is busy or full is tried again next time."""
        self._beat()
        self._settle()
        looking = True
        try:
            self._check_in()
            self._watcher.look()
            looking = self._watcher.busy
            started = self._start()
            self._prune()
        except (Conflict, ResourceError) as error:
            started = True
            _passing(error)
        self.outbox.send()
        self.idle = not started and not looking and not self.children

    def leave(self) -> None:
        """End the runs in order, and hand them over."""
        for child in self.children:
            child.stop("leaving")
        until = time.monotonic() + self.settings.grace.total_seconds() + 20
        while self.children and time.monotonic() < until:
            self._beat()
            self._settle()
            time.sleep(0.05)
        self.outbox.flush(10)

    def close(self) -> None:
        """Let go of what still runs: the guards end it."""
        for child in self.children:
            child.close()
        self.outbox.close()
        self._watcher.close()
        with suppress(GeosegError):
            self.store.check_out(self.owner)

    def _check_in(self) -> None:
        """Say that there is a service."""
        now = self.store.clock.now()
        if self._checked_in is None or abs(now - self._checked_in) >= self.settings.lease / 5:
            self.store.check_in(self.owner, until=self.settings.lease)
            self._checked_in = now

    def _beat(self) -> None:
        """Keep each lease, and pass on what is asked of its run."""
        now = self.store.clock.now()
        for child in self.children:
            try:
                if abs(now - child.beaten) >= self.settings.lease / 5:
                    wanted = self.store.heartbeat(child.lease, extend=self.settings.lease, pid=child.guard.pid)
                    child.beaten = now
                    child.beat()
                else:
                    wanted = self.store.slot(child.lease.slot.id).stop
            except (Conflict, ResourceError, InputRefused) as error:
                if error.code not in ("LEASE_LOST", "NO_SLOT"):
                    _passing(error)
                    continue
                _log.warning("%s", error)
                child.stop("lost")
                continue
            longest = child.lease.job.settings.max_runtime
            if wanted is not None:
                child.stop(wanted)
            elif longest is not None and child.seconds + child.earlier > longest:
                child.stop("late")

    def _settle(self) -> None:
        """Write down how runs ended."""
        for child in list(self.children):
            code = child.exit_code()
            if code is None:
                continue
            ended = self._ended.setdefault(child.lease.attempt.id, time.monotonic())
            if code in INTERRUPTED and child.why is None and time.monotonic() - ended < _SIGNAL_WAIT:
                continue
            try:
                self._write_down(child.lease, code, child.why)
            except (Conflict, ResourceError) as error:
                if error.code != "LEASE_LOST":
                    _passing(error)
                    continue
                _log.warning("%s", error)
            self.children.remove(child)
            del self._ended[child.lease.attempt.id]

    def _write_down(self, lease: Lease, code: int, why: Why | None) -> None:
        if why != "lost":
            self._end(lease, ending_of(lease, code, why, wait=self.settings.wait))

    def _end(self, lease: Lease, ending: Ending) -> None:
        """Tell the store; whom it concerns is told, at least once, if the slot has ended with it."""
        if ending.outcome == "handed over":
            self.store.hand_over(lease, message=ending.message)
            return
        told = messages(lease, ending) if ending.final else ()
        put = self.outbox.put(lease, told)
        try:
            slot = self.store.finish(
                lease,
                ending.outcome,
                exit_code=ending.exit_code,
                message=ending.message,
                retry_after=ending.retry_after,
            )
        except Conflict as error:
            if error.code == "LEASE_LOST":
                self.outbox.drop(put)
            raise
        for number, message in enumerate(told):
            self.store.note(slot.id, f"told {lease.attempt.id}.{number}", message.text)
        if ending.final:
            self.tally.add(slot.state)
            with suppress(OSError):
                Path(lease.attempt.log).with_name(f"{lease.slot.folder}.lock").unlink()

    def _start(self) -> bool:
        """Claim and start what is due, as far as there is room; whether anything was."""
        before = len(self.children)
        tried = False
        for slot in self.store.due():
            if len(self.children) >= self.settings.parallel:
                break
            lease = self.store.claim(slot.id, self.owner, lease=self.settings.lease)
            if lease is not None:
                tried = True
                self._run(lease)
        return tried or len(self.children) > before

    def _run(self, lease: Lease) -> None:
        now, settings = self.store.clock.now(), self.settings
        job = lease.job.settings
        try:
            settings.roots.check(job, job.pipeline, lease.run.out, *lease.slot.scenes)
            argv = self.command(lease, settings.roots.of(job))
            child = start(lease, argv, now, fence=settings.lease, grace=settings.grace)
        except (GeosegError, OSError, ValueError) as error:
            ending = never_started(lease, error, wait=settings.wait)
            _log.warning("%s", ending.message)
            self._end(lease, ending)
            return
        child.earlier = self._earlier(lease)
        self.children.append(child)

    def _earlier(self, lease: Lease) -> float:
        """Seconds that attempts took which this one goes on from."""
        if lease.attempt.number == 1 or lease.job.settings.max_runtime is None:
            return 0.0
        seconds = 0.0
        for attempt in reversed(self.store.entry(lease.job.name, lease.slot.key).attempts[:-1]):
            if attempt.ending not in ("lost", "handed over"):
                break
            last = attempt.heartbeat if attempt.ending == "lost" else attempt.ended or attempt.heartbeat
            seconds += max(0.0, (last - attempt.started).total_seconds())
        return seconds

    def _prune(self) -> None:
        """Forget what is older than jobs keep, with its logs, now and then."""
        now = self.store.clock.now()
        if self._pruned is not None and abs(now - self._pruned) < _PRUNE:
            return
        self._pruned = now
        remove_logs(self.store.logs, self.store.prune())


def _passing(error: GeosegError) -> None:
    """Log what may pass; raise what does not."""
    if error.code in ("STORE_CHANGED", "STORE"):
        raise error
    _log.warning("%s", error)
