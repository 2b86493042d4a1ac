"""Leases: the right to run a slot, held by one owner at a time, kept by heartbeats and lost without them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from geoseg.errors import Conflict
from geoseg.schedule import planning, rows
from geoseg.schedule.calendar import zone
from geoseg.schedule.clock import to_text
from geoseg.schedule.values import Attempt, Job, Lease, Outcome, Run, Slot, Stop


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims, when, for how long, and the folder that logs go below."""

    owner: str
    now: datetime
    lease: timedelta
    logs: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, for its row."""

    outcome: Outcome | Literal["handed over"]
    exit_code: int | None
    message: str


def claim(connection: sqlite3.Connection, number: int, claim: Claim) -> Lease | None:
    """Give the slot to the claimer; None when it may not start now. Needs the right to write: two never see one slot free."""
    text = f"{rows.SLOTS} WHERE slots.id = :slot AND {planning.STARTABLE}"
    row = connection.execute(text, {"slot": number, "now": to_text(claim.now)}).fetchone()
    if row is None:
        return None
    slot, job = rows.slot_of(row), rows.job_of(connection, number)
    run = rows.run_of(connection, number) or _start(connection, job, slot, claim.now)
    connection.execute("UPDATE slots SET state = 'running' WHERE id = ?", (number,))
    attempt = _attempt(connection, job, (slot, run), claim)
    failures = "SELECT count(*) FROM attempts WHERE run = ? AND ending = 'failed'"
    return Lease(
        job, rows.slot(connection, number), run, attempt, connection.execute(failures, (run.id,)).fetchone()[0]
    )


def heartbeat(
    connection: sqlite3.Connection, lease: Lease, until: datetime, beat: tuple[datetime, int | None]
) -> Stop | None:
    """Move the lease's end; what is asked of the run."""
    now, pid = beat
    changed = connection.execute(
        "UPDATE attempts SET heartbeat = ?, lease_until = ?, pid = coalesce(?, pid) WHERE id = ? AND ending IS NULL",
        (to_text(now), to_text(until), pid, lease.attempt.id),
    )
    if not changed.rowcount:
        raise _lost(lease)
    return rows.slot(connection, lease.slot.id).stop


def end(connection: sqlite3.Connection, lease: Lease, now: datetime, ending: Ended) -> None:
    """End the attempt that holds the lease, which ends the lease."""
    changed = connection.execute(
        "UPDATE attempts SET ending = ?, ended = ?, exit_code = ?, message = ? WHERE id = ? AND ending IS NULL",
        (ending.outcome, to_text(now), ending.exit_code, ending.message, lease.attempt.id),
    )
    if not changed.rowcount:
        raise _lost(lease)


def close_slot(
    connection: sqlite3.Connection, lease: Lease, now: datetime, ending: Ended, retry_after: timedelta | None
) -> Slot:
    """The slot's state after an attempt: the outcome, or waiting for a retry unless it was asked to stop."""
    assert ending.outcome != "handed over"
    wanted = rows.slot(connection, lease.slot.id).stop
    if retry_after is None or ending.outcome != "failed":
        planning.close(connection, lease.slot.id, ending.outcome, now, ending.message)
    elif wanted is not None:
        planning.close(connection, lease.slot.id, wanted, now, ending.message)
    else:
        planning.wait(connection, lease.slot.id, now + retry_after)
    return rows.slot(connection, lease.slot.id)


def wait_again(connection: sqlite3.Connection, lease: Lease, now: datetime) -> Slot:
    """The slot after a hand-over: free to claim at once, unless it was asked to stop."""
    wanted = rows.slot(connection, lease.slot.id).stop
    if wanted is not None:
        planning.close(connection, lease.slot.id, wanted, now)
    else:
        planning.wait(connection, lease.slot.id, now)
    return rows.slot(connection, lease.slot.id)


def out_folder(job: Job, slot: Slot) -> str:
    """The folder of a slot's run, of the job's template; dates are in the job's time zone."""
    local = slot.due.astimezone(zone(job.settings.timezone))

    def fill(match: re.Match[str]) -> str:
        if match[0] == "{job}":
            return job.name
        return local.strftime(match[1]) if match[1] else slot.folder

    return re.sub(r"\{(?:job|slot(?::([^{}]+))?)\}", fill, job.settings.out)


def _start(connection: sqlite3.Connection, job: Job, slot: Slot, now: datetime) -> Run:
    values = (slot.id, out_folder(job, slot), to_text(now))
    connection.execute("INSERT INTO runs (slot, out, started) VALUES (?, ?, ?)", values)
    made = rows.run_of(connection, slot.id)
    assert made is not None
    return made


def _attempt(connection: sqlite3.Connection, job: Job, started: tuple[Slot, Run], claim: Claim) -> Attempt:
    slot, run = started
    text = "SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE run = ?"
    number = connection.execute(text, (run.id,)).fetchone()[0]
    stem = claim.logs / job.name / f"{slot.folder}.{number}"
    made = connection.execute(
        "INSERT INTO attempts (run, number, owner, started, heartbeat, lease_until, log, progress)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.id, number, claim.owner[:200], to_text(claim.now), to_text(claim.now), to_text(claim.now + claim.lease),
            f"{stem}.log", f"{stem}.jsonl",
        ),
    )  # fmt: skip
    return rows.attempt(connection.execute("SELECT * FROM attempts WHERE id = ?", (made.lastrowid,)).fetchone())


def _lost(lease: Lease) -> Conflict:
    where = f"{lease.job.name} {lease.slot.key}"
    return Conflict.of(
        "LEASE_LOST", where, "the lease ended without a heartbeat", "Another service may have the run: end it"
    )
