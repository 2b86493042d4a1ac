"""``geoseg service``: the process that runs jobs when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options
from geoseg.cli.signals import stop_event

if TYPE_CHECKING:
    from geoseg.schedule.serving import ServiceSettings
    from geoseg.schedule.store import JobStore


def run_options(command: options.Command) -> options.Command:
    """How runs are started."""
    return options.stack(
        command,
        click.option(
            "--root", "roots", multiple=True, type=options.PATH, metavar="DIR",
            help="Jobs may name paths below this folder too, beside that of their pipeline; repeatable.",
        ),
        click.option(
            "--parallel", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N", help="Runs at a time."
        ),
        click.option(
            "--workers", type=click.IntRange(min=0), metavar="N",
            help="Local worker processes of a run, for what its pipeline says.",
        ),
        click.option(
            "--scheduler", metavar="ADDRESS", help="The Dask scheduler of all runs, for what their pipelines say."
        ),
        click.option(
            "--lease", type=options.Duration(), default="60s", show_default=True,
            help="A run whose service gave no sign for so long is taken over.",
        ),
        click.option(
            "--grace", type=options.Duration(), default="30s", show_default=True,
            help="A run that is stopped has so long to end in order.",
        ),
        click.option(
            "--settle", type=options.Duration(), default="30s", show_default=True,
            help="A file in a watched folder is complete when nobody changed it for so long.",
        ),
    )  # fmt: skip


@click.command(
    epilog=options.example("geoseg service --store jobs.db --once", "geoseg service --store jobs.db --root /data")
)
@options.store
@click.option("--once", is_flag=True, help="Run what is due, then end: for cron and systemd's timers.")
@click.option(
    "--page", metavar="HOST:PORT", help="A page of jobs and runs for this computer's browser, such as 127.0.0.1:8790."
)
@run_options
def command(store: str, once: bool, page: str | None, **given: Any) -> None:
    """Run jobs when they are due, until SIGTERM or SIGINT: then runs end in order, and the next service goes on with them.

    Any number of services may look after one store. With --once the exit code is 8 when a run failed.
    """
    from geoseg.errors import DoneInPart
    from geoseg.schedule.service import serve
    from geoseg.schedule.store import JobStore

    if once and page is not None:
        raise click.UsageError("--page is of a service that stays, and --once ends")
    settings = settings_of(given)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_event())
        jobs = stack.enter_context(JobStore(store, create=not once))
        if page is not None:
            stack.enter_context(_served(jobs, page))
        tally = serve(jobs, stop=stop, once=once, settings=settings, command=_command(given))
    if once and tally.troubled:
        what = f"{tally.troubled} of {sum(tally.states.values())} runs failed, or were done in part"
        raise DoneInPart.of("RUNS", store, what, "See geoseg jobs history")


def settings_of(given: dict[str, Any]) -> ServiceSettings:
    """The options as settings."""
    from geoseg.schedule.command import Roots
    from geoseg.schedule.serving import ServiceSettings

    for name in ("lease", "grace", "settle"):
        if not 1 <= given[name] <= 86400:
            raise click.BadParameter(f"--{name} is from one second to one day")
    lease, grace, settle = (timedelta(seconds=given[name]) for name in ("lease", "grace", "settle"))
    roots = Roots.of_paths(given["roots"])
    return ServiceSettings(given["parallel"], roots, lease=lease, grace=grace, look=settle)


@contextmanager
def _served(store: JobStore, address: str) -> Iterator[None]:
    """The page, while the service lives; its address goes to stderr, because it holds the token."""
    from geoseg.schedule.page import Page

    page = Page(store, address)
    page.start()
    click.echo(f"geoseg: {page.url}", err=True)
    try:
        yield
    finally:
        page.stop()


def _command(given: dict[str, Any]) -> Any:
    from geoseg.schedule.command import run_with

    return run_with(given["workers"], given["scheduler"])
