"""``geoseg jobs list``, ``show``, ``history`` and ``logs``: what is planned, what runs, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options
from geoseg.cli.tables import table

if TYPE_CHECKING:
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.values import Attempt, Entry

_LOOK = 0.5  # seconds between two looks at a log that grows
_STATES = ("waiting", "running", "done", "part", "failed", "cancelled", "replaced", "skipped", "missed")
slot_option = click.option("--slot", metavar="SLOT", help="By its number in the history, or its key; else the latest.")


@click.command("list", epilog=options.example("geoseg jobs list"))
@options.store
@options.as_json
def list_(store: str, as_json: bool) -> None:
    """All jobs: state, calendar, next and last slot, by the job's own clock."""
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import job_facts, local, trigger

    with JobStore(store, create=False) as opened:
        jobs = [(job, job_facts(opened, job)) for job in opened.jobs()]
        if as_json:
            services = [service.owner for service in opened.services()]
            click.echo(json.dumps({"jobs": [facts for _, facts in jobs], "services": services}))
            return
        rows = []
        for job, facts in jobs:
            last, zone = facts["last"], job.settings.timezone
            said = f"{last['state']} {local(_instant(last['due']), zone)}" if last else "-"
            ahead = local(_instant(facts["next"][0]), zone) if facts["next"] else "-"
            rows.append((job.name, facts["state"], trigger(job), ahead, said))
        click.echo(table(("job", "state", "when", "next", "last"), rows))
        say_no_service(opened)


@click.command(epilog=options.example("geoseg jobs show weekly"))
@click.argument("name")
@options.store
@options.as_json
def show(name: str, store: str, as_json: bool) -> None:
    """One job: its settings, the next five slots and the last five."""
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import entry_facts, job_facts, local

    with JobStore(store, create=False) as opened:
        job = opened.job(name)
        facts = job_facts(opened, job, count=5)
        entries = opened.history(name, limit=5)
        if as_json:
            click.echo(json.dumps({**facts, "history": [entry_facts(entry) for entry in entries]}))
            return
        left_out = ("next", "last", "paused", "created")
        rows = [(key.replace("_", " "), _said(key, v)) for key, v in facts.items() if key not in left_out]
        click.echo(table(("job", job.name), [row for row in rows if row[0] != "name"]))
        for instant in facts["next"]:
            click.echo(f"next {local(_instant(instant), job.settings.timezone)}")
        if entries:
            click.echo(history_table(entries, {job.name: job.settings.timezone}))


@click.command(epilog=options.example("geoseg jobs history weekly --state failed"))
@click.argument("name", required=False)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N", help="The latest slots."
)
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only such; repeatable.")
@options.store
@options.as_json
def history(name: str | None, limit: int, states: tuple[str, ...], store: str, as_json: bool) -> None:
    """The latest slots of a job, or of all, newest first, and how they went."""
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import entry_facts

    with JobStore(store, create=False) as opened:
        entries = opened.history(name, limit=limit, states=states)  # type: ignore[arg-type]
        if as_json:
            click.echo(json.dumps([entry_facts(entry) for entry in entries]))
            return
        click.echo(history_table(entries, {job.name: job.settings.timezone for job in opened.jobs()}))


@click.command(epilog=options.example("geoseg jobs logs weekly --lines 50"))
@click.argument("name")
@slot_option
@click.option(
    "--attempt", type=options.COUNT, metavar="N", help="Of a slot that was tried several times; else the latest."
)
@click.option("--lines", type=options.COUNT, metavar="N", help="Only the last lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the attempt has ended.")
@options.store
@options.as_json
def logs(name: str, follow: bool, store: str, as_json: bool, **which: Any) -> None:
    """What the run of a slot said."""
    from geoseg.schedule.logs import plain, read_log
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import attempt_facts

    if follow and as_json:
        raise click.UsageError("--follow gives the text as it comes, and --json gives all of it at once")
    with JobStore(store, create=False) as opened:
        found = _attempt(opened, name, which["slot"], which["attempt"])
        more = _grows(opened, name, found) if follow else None
        pieces = read_log(found.log, last=which["lines"], more=more)
        if as_json:
            click.echo(json.dumps({**attempt_facts(found), "text": "".join(pieces)}))
            return
        for text in pieces:
            click.echo(plain(text), nl=False)


def history_table(entries: Iterable[Entry], zones: dict[str, str]) -> str:
    """Slots in lines."""
    from geoseg.schedule.told import local

    rows = []
    for entry in entries:
        slot, run = entry.slot, entry.run
        end = run and (run.ended or (entry.attempts[-1].heartbeat if entry.attempts else None))
        took = _took((end - run.started).total_seconds()) if run and end else "-"
        tried = entry.attempts[-1:] if slot.state == "done" else entry.attempts  # what failed before is no news then
        note = slot.note or next((a.message for a in reversed(tried) if a.message), "")
        due = local(slot.due, zones.get(slot.job, "UTC"))
        rows.append((str(slot.id), slot.job, due, slot.state, took, str(len(entry.attempts)), note))
    return table(("slot", "job", "due", "state", "took", "tries", "note"), rows)


def say_no_service(store: JobStore) -> None:
    """Tell people when nobody would run what is due."""
    if not store.services():
        click.echo(f"No service looks after {store.path}: start geoseg service --store {store.path}", err=True)


def _attempt(store: JobStore, name: str, slot: str | None, number: int | None) -> Attempt:
    from geoseg.errors import InputRefused

    if slot is not None:
        entries: tuple[Entry, ...] = (store.entry(name, slot),)
    else:
        entries = store.history(name, limit=1000)
    attempts = [a for entry in entries for a in reversed(entry.attempts) if number in (None, a.number)]
    if not attempts:
        raise InputRefused.of("NO_LOG", name, "nothing of it has started", f"See geoseg jobs history {name}")
    return attempts[0]


def _grows(store: JobStore, name: str, attempt: Attempt) -> Callable[[], bool]:
    """Whether an attempt lives still; waits a little before it says so."""

    def grows() -> bool:
        alive = any(
            a.id == attempt.id and a.ending is None for e in store.history(name, limit=1000) for a in e.attempts
        )
        if alive:
            time.sleep(_LOOK)
        return alive

    return grows


def _instant(text: str) -> datetime:
    from geoseg.schedule.clock import from_text

    return from_text(text)


def _took(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _said(key: str, value: object) -> str:
    if value is None:
        return "-"
    if key in ("grace", "max_runtime"):
        return _took(float(str(value)))
    return f"{value} rule{'' if value == 1 else 's'}" if key == "notify" else str(value)
