"""Store: jobs, their slots and runs, shared by every process that opens the file; no slot is ever run by two at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from geoseg.errors import Conflict, UsageError
from geoseg.schedule import history, leases, planning, rows
from geoseg.schedule.calendar import check
from geoseg.schedule.clock import Clock, SystemClock, to_text
from geoseg.schedule.database import Database
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.values import ENDED, Entry, Job, Lease, Outcome, Service, Slot, SlotState, Stop


class JobStore:
    """The jobs of one SQLite file, with a clock that decides what is due and which lease has ended.

    Errors of opening are those of :class:`geoseg.schedule.database.Database`. Use it as a context manager, or close it.
    Threads may share it.
    """

    def __init__(
        self, path: str | Path, *, clock: Clock | None = None, create: bool = True, wait: float | None = None
    ) -> None:
        """Open, make or migrate the file."""
        self.clock: Clock = clock or SystemClock()
        self.database = Database(path, create=create, **({} if wait is None else {"wait": wait}))

    @property
    def path(self) -> Path:
        """The file."""
        return self.database.path

    @property
    def logs(self) -> Path:
        """The folder of the runs' logs and progress files, beside the store; the service makes it."""
        return self.path.with_name(f"{self.path.name}.logs")

    # Jobs

    def add(self, settings: JobSettings, *, overwrite: bool = False) -> Job:
        """Add a job; its calendar begins now. With ``overwrite`` a job of this name gets the settings and keeps its history.

        Raises
        ------
        UsageError
            ``CRON``, ``TIMEZONE``: the calendar is wrong.
        Conflict
            ``EXISTS``: a job of this name, but for upper and lower case, is there.
        """
        now = self.clock.now()
        check(settings.cron or "0 0 * * *", settings.timezone, now)
        values: dict[str, Any] = {**settings.model_dump(), "created": to_text(now), "planned": to_text(now)}
        marks = ", ".join(f":{name}" for name in values)
        text = f"INSERT INTO jobs ({', '.join(values)}) VALUES ({marks})"
        if overwrite:
            kept = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("name", "created"))
            text += f" ON CONFLICT (name) DO UPDATE SET {kept}"
        with self.database.write() as connection:
            try:
                connection.execute(text, values)
            except sqlite3.IntegrityError:
                remedy = "Choose another name, or add --overwrite to change it"
                raise Conflict.of("EXISTS", settings.name, "a job of this name is there", remedy) from None
            return rows.job_named(connection, settings.name)

    def jobs(self) -> tuple[Job, ...]:
        """All jobs by name."""
        with self.database.read() as connection:
            return tuple(map(rows.job, connection.execute("SELECT * FROM jobs ORDER BY name COLLATE NOCASE")))

    def job(self, name: str) -> Job:
        """The job of a name; InputRefused ``NO_JOB`` names the nearest."""
        with self.database.read() as connection:
            return rows.job_named(connection, name)

    def pause(self, name: str, *, paused: bool = True) -> Job:
        """Keep a job from starting, or let it; what runs goes on. Slots that pass meanwhile are missed: ``catch_up`` counts."""
        with self.database.write() as connection:
            job = rows.job_named(connection, name)
            connection.execute("UPDATE jobs SET paused = ? WHERE id = ?", (int(paused), job.id))
            return rows.job_named(connection, name)

    def remove(self, name: str) -> tuple[str, ...]:
        """Forget a job and its history; gives the paths of its logs. Conflict ``RUNNING`` while a run of it lives."""
        with self.database.write() as connection:
            job = rows.job_named(connection, name)
            planning.settle_lost(connection, self.clock.now())
            if connection.execute("SELECT 1 FROM slots WHERE job = ? AND state = 'running'", (job.id,)).fetchone():
                raise Conflict.of("RUNNING", job.name, "a run of the job is under way", "Cancel it first")
            logs = history.logs_of(connection, "slots.job = ?", (job.id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            return logs

    # Slots

    def ask(self, name: str, *, key: str | None = None) -> Slot:
        """A slot that is due now. With ``key``: that slot of the job again, which has ended; its run resumes where it stopped.

        Raises
        ------
        InputRefused
            ``NO_JOB``, ``NO_SLOT``: it is not there.
        Conflict
            ``RUNNING``: the slot has not ended.
        """
        now = self.clock.now()
        with self.database.write() as connection:
            job = rows.job_named(connection, name)
            if key is None:
                new = planning.New(f"manual:{to_text(now)}", "manual", now)
                return planning.insert(connection, job, new, now) or rows.slot_keyed(connection, job, new.key)
            slot = rows.slot_keyed(connection, job, key)
            if slot.state not in ENDED:
                raise Conflict.of(
                    "RUNNING", f"{job.name} {key}", f"the slot is {slot.state}", "Wait, or cancel it first"
                )
            connection.execute(
                "UPDATE slots SET state = 'waiting', stop = NULL, note = '', asked = 1, not_before = ? WHERE id = ?",
                (to_text(now), slot.id),
            )
            connection.execute("UPDATE runs SET ended = NULL WHERE slot = ?", (slot.id,))
            return rows.slot(connection, slot.id)

    def add_scene(self, name: str, key: str, scenes: Iterable[str]) -> Slot | None:
        """A slot for scenes that a watched folder brought; None when a slot of this key was ever there."""
        now = self.clock.now()
        with self.database.write() as connection:
            job = rows.job_named(connection, name)
            new = planning.New(f"scene:{key}", "scene", now, tuple(scenes))
            return planning.insert(connection, job, new, now)

    def due(self) -> tuple[Slot, ...]:
        """What could start now, by priority, then time: calendars are turned into slots first, overlaps and lost runs settled.

        Slots of which a service died are among them: claiming one takes its run over. A service that was suspended should give
        its heartbeats before it asks, else it finds its own runs lost.
        """
        now = self.clock.now()
        with self.database.write() as connection:
            planning.settle_lost(connection, now)
            planning.plan(connection, now)
            planning.settle_overlaps(connection, now)
            return planning.startable(connection, now)

    def slot(self, slot: int) -> Slot:
        """The slot of a number as it stands now; InputRefused ``NO_SLOT``."""
        with self.database.read() as connection:
            return rows.slot(connection, slot)

    def cancel(self, name: str, *, key: str | None = None) -> tuple[Slot, ...]:
        """End what waits, and ask what runs to stop (its service sees it at the next heartbeat); gives the slots concerned."""
        return self._stop(name, key, "cancelled")

    # Leases

    def claim(self, slot: int, owner: str, *, lease: timedelta) -> Lease | None:
        """Take a slot to run it; None when another has it, or it may not start (any more)."""
        now = self.clock.now()
        with self.database.write() as connection:
            planning.settle_lost(connection, now)
            return leases.claim(connection, slot, leases.Claim(owner, now, lease, self.logs))

    def heartbeat(self, lease: Lease, *, extend: timedelta, pid: int | None = None) -> Stop | None:
        """Keep the lease; says what the run is asked to be, ``cancelled`` or ``replaced``.

        Raises
        ------
        Conflict
            ``LEASE_LOST``: the lease had ended and another may have the run; end its process and write nothing more.
        """
        with self.database.write() as connection:
            return leases.heartbeat(connection, lease, self.clock.now() + extend, (self.clock.now(), pid))

    def finish(
        self, lease: Lease, outcome: Outcome, *, exit_code: int | None = None, message: str = "",
        retry_after: timedelta | None = None,
    ) -> Slot:  # fmt: skip
        """End the attempt; with ``retry_after`` the slot waits that long and is tried again. Conflict ``LEASE_LOST``."""
        now = self.clock.now()
        ending = leases.Ended(outcome, exit_code, message[:2000])
        with self.database.write() as connection:
            leases.end(connection, lease, now, ending)
            return leases.close_slot(connection, lease, now, ending, retry_after)

    def hand_over(self, lease: Lease, *, message: str = "the service stopped") -> Slot:
        """End the attempt so that the next service goes on with the run at once. Conflict ``LEASE_LOST``."""
        now = self.clock.now()
        with self.database.write() as connection:
            leases.end(connection, lease, now, leases.Ended("handed over", None, message[:2000]))
            return leases.wait_again(connection, lease, now)

    # Services and notices

    def check_in(self, owner: str, *, until: timedelta) -> None:
        """Say that a service looks after the store for that long, so that people see whether one does."""
        now = self.clock.now()
        text = "INSERT INTO services VALUES (?, ?, ?) ON CONFLICT (owner) DO UPDATE SET until = excluded.until"
        with self.database.write() as connection:
            connection.execute("DELETE FROM services WHERE until < ? AND owner != ?", (to_text(now), owner[:200]))
            connection.execute(text, (owner[:200], to_text(now), to_text(now + until)))

    def check_out(self, owner: str) -> None:
        """Say that a service has ended."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM services WHERE owner = ?", (owner[:200],))

    def services(self) -> tuple[Service, ...]:
        """The services that look after the store now."""
        with self.database.read() as connection:
            text = "SELECT * FROM services WHERE until >= ? ORDER BY started, owner"
            return tuple(map(rows.service, connection.execute(text, (to_text(self.clock.now()),))))

    def note(self, slot: int, key: str, text: str) -> bool:
        """Write down what is told to somebody about a slot; False when ``key`` was written down before: then tell nobody again."""
        values = (slot, key[:200], to_text(self.clock.now()), text[:2000])
        with self.database.write() as connection:
            rows.slot(connection, slot)
            return connection.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", values).rowcount > 0

    # History

    def history(
        self, name: str | None = None, *, limit: int = 20, states: Iterable[SlotState] = ()
    ) -> tuple[Entry, ...]:
        """The latest slots, of one job or of all, newest first, with their runs and attempts."""
        with self.database.read() as connection:
            job = rows.job_named(connection, name).id if name is not None else None
            return history.entries(connection, job, limit, tuple(states))

    def entry(self, name: str, key: str) -> Entry:
        """One slot of a job with its run and attempts; InputRefused ``NO_SLOT``."""
        with self.database.read() as connection:
            return history.entry(connection, rows.slot_keyed(connection, rows.job_named(connection, name), key))

    def prune(self) -> tuple[str, ...]:
        """Forget ended slots beyond each job's ``keep_runs`` and ``keep_days``; gives the paths of their logs, to be removed."""
        with self.database.write() as connection:
            return history.prune(connection, self.clock.now())

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _stop(self, name: str, key: str | None, stop: Stop) -> tuple[Slot, ...]:
        now = self.clock.now()
        with self.database.write() as connection:
            planning.settle_lost(connection, now)
            job = rows.job_named(connection, name)
            wanted = planning.open_slots(connection, job.id)
            if key is not None:
                slot = rows.slot_keyed(connection, job, key)
                if slot.state in ENDED:
                    raise UsageError.of(
                        "ENDED", f"{job.name} {key}", f"the slot is {slot.state}", "See geoseg jobs history"
                    )
                wanted = (slot,)
            return tuple(planning.stop(connection, slot, stop, now) for slot in wanted)
