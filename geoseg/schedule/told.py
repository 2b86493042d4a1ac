"""Told: jobs, slots and runs as plain values for JSON, and the words for people."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any

from geoseg.errors import UsageError
from geoseg.schedule.calendar import following, zone
from geoseg.schedule.clock import to_text
from geoseg.schedule.store import JobStore
from geoseg.schedule.values import Attempt, Entry, Job, Notice, Run, Slot


def job_facts(store: JobStore, job: Job, *, count: int = 1) -> dict[str, Any]:
    """A job with its state, its next ``count`` slots and the latest one that started or ended.

    Whom it notifies is counted only: an address may hold a secret.
    """
    settings = job.settings.model_dump()
    rules = json.loads(settings.pop("notify") or "[]")
    last = next((e for e in store.history(job.name, limit=10) if e.slot.state not in ("waiting", "missed")), None)
    return {
        **settings, "notify": len(rules), "state": state(store, job), "paused": job.paused, "created": to_text(job.created),
        "next": [to_text(slot) for slot in next_slots(store, job, count)], "last": entry_facts(last) if last else None,
    }  # fmt: skip


def state(store: JobStore, job: Job) -> str:
    """``running``, ``paused``, ``waiting`` (a slot is due and has not started) or ``idle``."""
    found = {entry.slot.state for entry in store.history(job.name, limit=50, states=["running", "waiting"])}
    if "running" in found:
        return "running"
    return "paused" if job.paused else "waiting" if found else "idle"


def next_slots(store: JobStore, job: Job, count: int) -> tuple[datetime, ...]:
    """The next slots of a calendar; none while the job is paused, or where its calendar cannot be read any more."""
    if job.settings.cron is None or job.paused:
        return ()
    try:
        return following(job.settings.cron, job.settings.timezone, store.clock.now(), count)
    except UsageError:
        return ()


def trigger(job: Job) -> str:
    """What starts the job, in words."""
    settings = job.settings
    if settings.cron is not None:
        return f"{settings.cron} ({settings.timezone})"
    return f"new in {settings.watch}" if settings.watch is not None else "when asked"


def local(instant: datetime, timezone: str) -> str:
    """An instant by the clock of a zone, ``2026-03-30 06:00 CEST``; in UTC where the zone is not known any more."""
    try:
        return f"{instant.astimezone(zone(timezone)):%Y-%m-%d %H:%M %Z}"
    except UsageError:
        return f"{instant:%Y-%m-%d %H:%M UTC}"


def attempt_facts(attempt: Attempt) -> dict[str, Any]:
    """One start of a run."""
    return _facts(attempt)


def entry_facts(entry: Entry) -> dict[str, Any]:
    """A slot with its run, attempts and notices."""
    return {
        **_facts(entry.slot), "run": _facts(entry.run) if entry.run else None,
        "attempts": [attempt_facts(item) for item in entry.attempts], "notices": [_facts(note) for note in entry.notices],
    }  # fmt: skip


def _facts(value: Slot | Run | Attempt | Notice) -> dict[str, Any]:
    known = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: to_text(item) if isinstance(item, datetime) else item for name, item in known.items()}
