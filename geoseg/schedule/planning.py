"""Planning: calendars become slots, lost runs wait again, overlaps are settled, and what may start is told.

A run is *under way* from its first attempt until it has ended for good, also while it waits for a retry or for the next service. A
job has one run under way at a time, and that one goes on before another starts.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from geoseg.errors import UsageError
from geoseg.schedule import rows
from geoseg.schedule.calendar import due
from geoseg.schedule.clock import to_text
from geoseg.schedule.values import Job, Slot, SlotKind, SlotState, Stop

_log = logging.getLogger(__name__)

MOST_LOST = 20
"""A run whose service was lost so often has failed: it may be what ends the service."""

_RUNS = "SELECT slot FROM runs WHERE ended IS NULL"
_UNDER_WAY = f"slots.id IN ({_RUNS})"
STARTABLE = (
    "slots.state = 'waiting' AND slots.not_before <= :now AND (slots.asked OR NOT jobs.paused)"
    f" AND ({_UNDER_WAY} OR slots.job NOT IN (SELECT busy.job FROM slots AS busy WHERE busy.id IN ({_RUNS})))"
)


@dataclass(frozen=True, slots=True)
class New:
    """A slot to be."""

    key: str
    kind: SlotKind
    due: datetime
    scenes: tuple[str, ...] = ()
    state: SlotState = "waiting"
    note: str = ""


def insert(connection: sqlite3.Connection, job: Job, new: New, now: datetime) -> Slot | None:
    """Add a slot; None when the job has, or for a scene ever had, one of this key."""
    if new.kind == "scene":
        seen = connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (job.id, new.key, to_text(now)))
        if not seen.rowcount:
            return None
    made = connection.execute(
        "INSERT OR IGNORE INTO slots (job, key, kind, due, not_before, state, scenes, note, asked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            job.id, new.key, new.kind, to_text(new.due), to_text(new.due), new.state, json.dumps(new.scenes), new.note,
            int(new.kind == "manual"),
        ),
    )  # fmt: skip
    return rows.slot(connection, made.lastrowid or 0) if made.rowcount else None


def plan(connection: sqlite3.Connection, now: datetime) -> None:
    """Turn every calendar into slots up to ``now``; a job whose calendar cannot be read is left out with a warning."""
    found = connection.execute("SELECT * FROM jobs WHERE cron IS NOT NULL AND NOT paused").fetchall()
    for job in map(rows.job, found):
        try:
            _plan(connection, job, now)
        except UsageError as error:
            _warn(job.name, str(error))


def settle_lost(connection: sqlite3.Connection, now: datetime) -> None:
    """End attempts whose lease has run out: their slots wait again, or are what was asked of them."""
    lost = connection.execute(
        "SELECT attempts.id, attempts.run, runs.slot FROM attempts JOIN runs ON runs.id = attempts.run"
        " WHERE attempts.ending IS NULL AND attempts.lease_until < ?",
        (to_text(now),),
    ).fetchall()
    for attempt, run, number in lost:
        message = "no heartbeat: the service or its computer stopped"
        connection.execute(
            "UPDATE attempts SET ending = 'lost', ended = ?, message = ? WHERE id = ?", (to_text(now), message, attempt)
        )
        wanted = connection.execute("SELECT stop FROM slots WHERE id = ?", (number,)).fetchone()[0]
        count = "SELECT count(*) FROM attempts WHERE run = ? AND ending = 'lost'"
        if wanted:
            close(connection, number, wanted, now)
        elif connection.execute(count, (run,)).fetchone()[0] >= MOST_LOST:
            close(connection, number, "failed", now, f"its service was lost {MOST_LOST} times")
        else:
            wait(connection, number, now)


def settle_overlaps(connection: sqlite3.Connection, now: datetime) -> None:
    """Skip calendar slots that came due while a run of their job was under way, or have the run make room, as the job says."""
    under_way = connection.execute(
        "SELECT jobs.id, jobs.overlap, slots.id AS slot, runs.started FROM runs JOIN slots ON slots.id = runs.slot"
        " JOIN jobs ON jobs.id = slots.job WHERE runs.ended IS NULL AND jobs.overlap != 'queue'"
    ).fetchall()
    for job, overlap, running, started in under_way:
        late = connection.execute(
            "SELECT id FROM slots WHERE job = ? AND kind = 'cron' AND state = 'waiting' AND NOT asked AND id != ?"
            " AND due >= ? AND due <= ? ORDER BY due, id",
            (job, running, started, to_text(now)),
        ).fetchall()
        if overlap == "skip":
            for (number,) in late:
                close(connection, number, "skipped", now, "the run before was under way")
        elif late:
            for (number,) in late[:-1]:
                close(connection, number, "replaced", now, "a later slot took its place")
            stop(connection, rows.slot(connection, running), "replaced", now)


def startable(connection: sqlite3.Connection, now: datetime) -> tuple[Slot, ...]:
    """Of each job the slot that starts next, if it may now; by priority, then time."""
    found = connection.execute(
        f"{rows.SLOTS} WHERE {STARTABLE} ORDER BY jobs.priority DESC, {_UNDER_WAY} DESC, slots.due, slots.id",
        {"now": to_text(now)},
    )
    first: dict[str, Slot] = {}
    for slot in map(rows.slot_of, found):
        first.setdefault(slot.job, slot)
    return tuple(first.values())


def open_slots(connection: sqlite3.Connection, job: int) -> tuple[Slot, ...]:
    """The slots of a job that wait or run."""
    found = connection.execute(f"{rows.SLOTS} WHERE slots.job = ? AND slots.state IN ('waiting', 'running')", (job,))
    return tuple(map(rows.slot_of, found))


def stop(connection: sqlite3.Connection, slot: Slot, wanted: Stop, now: datetime) -> Slot:
    """End a slot that waits; ask a running one to stop."""
    if slot.state == "waiting":
        close(connection, slot.id, wanted, now)
    elif slot.stop is None:
        connection.execute("UPDATE slots SET stop = ? WHERE id = ?", (wanted, slot.id))
    return rows.slot(connection, slot.id)


def close(connection: sqlite3.Connection, slot: int, state: SlotState, now: datetime, note: str = "") -> None:
    """Give a slot the state that it ends with; its run, if there is one, has ended too."""
    connection.execute(
        "UPDATE slots SET state = ?, stop = NULL, asked = 0, note = CASE WHEN ? = '' THEN note ELSE ? END WHERE id = ?",
        (state, note, note, slot),
    )
    connection.execute("UPDATE runs SET ended = ? WHERE slot = ?", (to_text(now), slot))


def wait(connection: sqlite3.Connection, slot: int, until: datetime) -> None:
    """Let a slot wait to be claimed again."""
    text = "UPDATE slots SET state = 'waiting', not_before = ? WHERE id = ?"
    connection.execute(text, (to_text(until), slot))


def _plan(connection: sqlite3.Connection, job: Job, now: datetime) -> None:
    settings = job.settings
    assert settings.cron is not None
    span = (min(job.planned, now), now)  # a clock that was set back plans no slot twice: they are there by their keys
    found = due(settings.cron, settings.timezone, span, settings.catch_up, timedelta(seconds=settings.grace))
    if found.last_missed is not None:
        count = f"{found.missed} {'or more ' if found.more else ''}slot{'s' if found.missed > 1 or found.more else ''}"
        note = f"{count} missed: no service was there, or the job was paused"
        insert(connection, job, New(_key(found.last_missed), "cron", found.last_missed, (), "missed", note), now)
    for instant in found.run:
        insert(connection, job, New(_key(instant), "cron", instant), now)
    last = max([*found.run, *([found.last_missed] if found.last_missed else [])], default=min(job.planned, now))
    if last != job.planned:
        connection.execute("UPDATE jobs SET planned = ? WHERE id = ?", (to_text(last), job.id))


def _key(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=256)
def _warn(name: str, text: str) -> None:
    """Say it once, not at each look."""
    _log.warning("job %s is left out: %s", name, text)
