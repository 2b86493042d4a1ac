"""``geoseg jobs run``, ``pause``, ``resume``, ``cancel`` and ``remove``."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from geoseg.cli import options
from geoseg.cli.jobs_look import history_table, say_no_service

if TYPE_CHECKING:
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.values import Entry, Slot

_LOOK = 0.5  # seconds between two looks at a slot that one waits for
_CODES = {"done": 0, "part": 8, "cancelled": 130, "replaced": 130}


@click.command("run", epilog=options.example("geoseg jobs run weekly"))
@click.argument("name")
@click.option("--slot", metavar="SLOT", help="This slot again, which has ended: its run goes on where it stopped.")
@click.option("--wait", is_flag=True, help="Until it has ended, and leave with its exit code.")
@options.store
@options.as_json
def run_(name: str, slot: str | None, wait: bool, store: str, as_json: bool) -> None:
    """Ask for a run now, also of a job that is paused; a service starts it."""
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import entry_facts

    with JobStore(store, create=False) as opened:
        asked = opened.ask(name, key=slot)
        say_no_service(opened)
        entry = _ended(opened, asked) if wait else opened.entry(asked.job, asked.key)
        if as_json:
            click.echo(json.dumps(entry_facts(entry)))
        elif wait:
            click.echo(history_table([entry], {entry.slot.job: opened.job(name).settings.timezone}))
        else:
            click.echo(f"{asked.job}: slot {asked.id} waits for a service")
    if wait:
        click.get_current_context().exit(_code(entry))


@click.command(epilog=options.example("geoseg jobs pause weekly"))
@click.argument("name")
@options.store
@options.as_json
def pause(name: str, store: str, as_json: bool) -> None:
    """Start no run of a job until it is resumed; one that is under way goes on."""
    _pause(store, name, paused=True, as_json=as_json)


@click.command(epilog=options.example("geoseg jobs resume weekly"))
@click.argument("name")
@options.store
@options.as_json
def resume(name: str, store: str, as_json: bool) -> None:
    """Let a paused job run again; what it missed is caught up as its --catch-up says."""
    _pause(store, name, paused=False, as_json=as_json)


@click.command(epilog=options.example("geoseg jobs cancel weekly"))
@click.argument("name")
@click.option("--slot", metavar="SLOT", help="Only this one, by its number in the history or its key.")
@options.store
@options.as_json
def cancel(name: str, slot: str | None, store: str, as_json: bool) -> None:
    """Stop a job's run and drop the slots that wait, or one SLOT only; later slots come as ever.

    A run under way is ended in order by its service; its finished blocks stay, and geoseg jobs run --slot goes on with it.
    """
    from geoseg.schedule.store import JobStore

    with JobStore(store, create=False) as opened:
        slots = opened.cancel(name, key=slot)
    if as_json:
        click.echo(json.dumps([{"slot": item.id, "key": item.key, "state": item.state} for item in slots]))
        return
    for item in slots:
        said = "is being stopped" if item.state == "running" else item.state
        click.echo(f"{item.job}: slot {item.id} {said}")
    if not slots:
        click.echo(f"{name}: nothing waits or runs", err=True)


@click.command(epilog=options.example("geoseg jobs remove weekly"))
@click.argument("name")
@options.store
@options.as_json
def remove(name: str, store: str, as_json: bool) -> None:
    """Forget a job, its history and its logs; what its runs made stays."""
    from geoseg.schedule.logs import remove_logs
    from geoseg.schedule.store import JobStore

    with JobStore(store, create=False) as opened:
        found = opened.job(name).name
        remove_logs(opened.logs, opened.remove(name))
    click.echo(json.dumps({"name": found, "removed": True}) if as_json else f"{found}: removed")


def _pause(store: str, name: str, *, paused: bool, as_json: bool) -> None:
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import job_facts, local, next_slots

    with JobStore(store, create=False) as opened:
        job = opened.pause(name, paused=paused)
        if as_json:
            click.echo(json.dumps(job_facts(opened, job)))
            return
        ahead = next_slots(opened, job, 1)
        next_one = f", next {local(ahead[0], job.settings.timezone)}" if ahead else ""
        click.echo(f"{job.name}: {'paused' if paused else 'active'}{next_one}")


def _ended(store: JobStore, slot: Slot) -> Entry:
    """The slot when it has ended."""
    from geoseg.schedule.values import ENDED

    while True:
        entry = store.entry(slot.job, slot.key)
        if entry.slot.state in ENDED:
            return entry
        time.sleep(_LOOK)


def _code(entry: Entry) -> int:
    """What the last attempt ended with, or what the slot's state means."""
    code = next((a.exit_code for a in reversed(entry.attempts) if a.exit_code), None)
    return _CODES.get(entry.slot.state, code if code and 0 < code < 256 else 1)
