"""Rows of the store's tables as values, and looking them up by name."""

from __future__ import annotations

import difflib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from geoseg.errors import InputRefused
from geoseg.schedule.clock import from_text
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.values import Attempt, Job, Notice, Run, Service, Slot

SLOTS = "SELECT slots.*, jobs.name AS job_name FROM slots JOIN jobs ON jobs.id = slots.job"
_TIMES = {"at", "until", "due", "not_before", "created", "planned", "started", "ended", "heartbeat", "lease_until"}


@contextmanager
def _readable() -> Iterator[None]:
    """Say of a row that cannot be a value that the store is damaged: SQLite itself has no eye for that."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"a row cannot be read: {' '.join(str(error).split())[:200]}") from None


def job(row: sqlite3.Row) -> Job:
    """A job."""
    with _readable():
        settings = JobSettings(**{name: row[name] for name in JobSettings.model_fields})
        return Job(row["id"], settings, bool(row["paused"]), from_text(row["created"]), from_text(row["planned"]))


def slot_of(row: sqlite3.Row) -> Slot:
    """A slot of :data:`SLOTS`."""
    values = _values(Slot, row)
    with _readable():
        return Slot(**{**values, "job": row["job_name"], "scenes": tuple(json.loads(row["scenes"]))})


def run(row: sqlite3.Row) -> Run:
    """A run."""
    return Run(**_values(Run, row))


def attempt(row: sqlite3.Row) -> Attempt:
    """An attempt."""
    return Attempt(**_values(Attempt, row))


def notice(row: sqlite3.Row) -> Notice:
    """A notice."""
    return Notice(**_values(Notice, row))


def service(row: sqlite3.Row) -> Service:
    """A service."""
    return Service(**_values(Service, row))


def job_named(connection: sqlite3.Connection, name: str) -> Job:
    """The job of a name, upper and lower case alike; InputRefused ``NO_JOB`` names the nearest."""
    row = connection.execute("SELECT * FROM jobs WHERE name = ?", (name,)).fetchone()
    if row is None:
        names = [known[0] for known in connection.execute("SELECT name FROM jobs ORDER BY name")]
        near = difflib.get_close_matches(name[:64], names, 1, 0.6)
        what = f"there is no such job; did you mean '{near[0]}'" if near else "there is no such job"
        raise InputRefused.of("NO_JOB", repr(name[:64]), what, "See geoseg jobs list")
    return job(row)


def job_of(connection: sqlite3.Connection, slot: int) -> Job:
    """The job of a slot that is there."""
    text = "SELECT jobs.* FROM jobs JOIN slots ON slots.job = jobs.id WHERE slots.id = ?"
    return job(connection.execute(text, (slot,)).fetchone())


def slot(connection: sqlite3.Connection, number: int) -> Slot:
    """The slot of a number; InputRefused ``NO_SLOT``."""
    row = connection.execute(f"{SLOTS} WHERE slots.id = ?", (number,)).fetchone()
    if row is None:
        raise InputRefused.of("NO_SLOT", str(number), "there is no such slot (any more)", "See geoseg jobs history")
    return slot_of(row)


def slot_keyed(connection: sqlite3.Connection, job: Job, key: str) -> Slot:
    """The slot of a job by its key, or by its number; InputRefused ``NO_SLOT``."""
    number = int(key) if key.isascii() and key.isdecimal() and len(key) < 18 else -1
    text = f"{SLOTS} WHERE slots.job = ? AND (slots.key = ? OR slots.id = ?)"
    row = connection.execute(text, (job.id, key, number)).fetchone()
    if row is None:
        remedy = f"See geoseg jobs history {job.name}"
        raise InputRefused.of("NO_SLOT", f"{job.name} {key[:200]!r}", "the job has no such slot", remedy)
    return slot_of(row)


def run_of(connection: sqlite3.Connection, slot: int) -> Run | None:
    """The run of a slot, None when it never started."""
    row = connection.execute("SELECT * FROM runs WHERE slot = ?", (slot,)).fetchone()
    return None if row is None else run(row)


def _values(kind: type[Slot | Run | Attempt | Notice | Service], row: sqlite3.Row) -> dict[str, Any]:
    known = {field.name: row[field.name] for field in fields(kind)}
    with _readable():
        return {name: from_text(value) if name in _TIMES and value else value for name, value in known.items()}
