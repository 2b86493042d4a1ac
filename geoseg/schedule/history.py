"""History: what ran, when and how it ended; kept by rule, then forgotten."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Any

from geoseg.schedule import rows
from geoseg.schedule.clock import to_text
from geoseg.schedule.values import ENDED, Entry, Slot, SlotState

_ENDED = ", ".join(f"'{state}'" for state in ENDED)


def entries(
    connection: sqlite3.Connection, job: int | None, limit: int, states: tuple[SlotState, ...]
) -> tuple[Entry, ...]:
    """The latest slots, newest first."""
    wanted = ["1"] + ["slots.job = ?"] * (job is not None)
    wanted += [f"slots.state IN ({', '.join('?' * len(states))})"] * bool(states)
    text = f"{rows.SLOTS} WHERE {' AND '.join(wanted)} ORDER BY slots.due DESC, slots.id DESC LIMIT ?"
    values: list[Any] = [*([job] if job is not None else []), *states, limit]
    return tuple(entry(connection, rows.slot_of(row)) for row in connection.execute(text, values).fetchall())


def entry(connection: sqlite3.Connection, slot: Slot) -> Entry:
    """A slot with its run, attempts and notices."""
    run = rows.run_of(connection, slot.id)
    attempts = connection.execute("SELECT * FROM attempts WHERE run = ? ORDER BY number", (run.id if run else -1,))
    notices = connection.execute("SELECT * FROM notices WHERE slot = ? ORDER BY at, key", (slot.id,))
    return Entry(slot, run, tuple(map(rows.attempt, attempts)), tuple(map(rows.notice, notices)))


def prune(connection: sqlite3.Connection, now: datetime) -> tuple[str, ...]:
    """Drop ended slots beyond what their job keeps, never its latest; the paths of their logs."""
    logs: list[str] = []
    for job in map(rows.job, connection.execute("SELECT * FROM jobs").fetchall()):
        days = job.settings.keep_days
        oldest = to_text(now - timedelta(days=days)) if days is not None else ""
        beyond = f"SELECT id, due FROM slots WHERE job = ? AND state IN ({_ENDED}) ORDER BY due DESC, id DESC LIMIT -1 OFFSET ?"
        many = connection.execute(beyond, (job.id, job.settings.keep_runs)).fetchall()
        old = connection.execute(f"SELECT id FROM ({beyond}) WHERE due < ?", (job.id, 1, oldest)).fetchall()
        doomed = {row["id"] for row in (*many, *old)}
        for number in sorted(doomed):
            logs += logs_of(connection, "slots.id = ?", (number,))
            connection.execute("DELETE FROM slots WHERE id = ?", (number,))
    return tuple(logs)


def logs_of(connection: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> tuple[str, ...]:
    """Paths of the logs and progress files of some slots."""
    text = (
        "SELECT attempts.log, attempts.progress FROM attempts JOIN runs ON runs.id = attempts.run"
        f" JOIN slots ON slots.id = runs.slot WHERE {which}"
    )
    return tuple(path for row in connection.execute(text, values) for path in row)
