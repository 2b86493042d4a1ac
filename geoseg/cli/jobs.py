"""``geoseg jobs``: pipelines that run when they are due, or for each new scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options
from geoseg.cli.jobs_control import cancel, pause, remove, resume, run_
from geoseg.cli.jobs_look import history, list_, logs, say_no_service, show

if TYPE_CHECKING:
    from geoseg.schedule.settings import JobSettings


@click.group(epilog=options.example('geoseg jobs add weekly pipelines/monthly_change.yaml --cron "0 6 * * 1"'))
def command() -> None:
    """Pipelines on a schedule, or for each new scene.

    Jobs and their history lie in one file, the store; geoseg service runs what is due. A slot is one occasion of a job: it
    runs once, also when several services look after the store.
    """


@command.command(
    epilog=options.example(
        'geoseg jobs add weekly change.yaml --cron "0 6 * * 1" --timezone Europe/Berlin --catch-up last --max-runtime 4h',
        "geoseg jobs add arrivals segment.yaml --on-new scenes/ --retries 2",
    )
)
@click.argument("name")
@click.argument("pipeline", metavar="PIPELINE.yaml", type=options.PATH)
@click.option("--cron", metavar="M H DOM MON DOW", help='When: five fields, such as "0 6 * * 1" for Mondays at 6:00.')
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="Of --cron, such as Europe/Berlin.")
@click.option(
    "--on-new", type=options.PATH, metavar="DIR", help="For each new scene of a folder or STAC catalog, once."
)
@click.option(
    "--catch-up",
    type=click.Choice(["skip", "last", "all"]),
    default="skip",
    show_default=True,
    help="Slots that passed without a service: none, the last or all of them run.",
)
@click.option(
    "--grace", type=options.Duration(), default="5m", show_default=True, help="A slot so late is still on time."
)
@click.option(
    "--overlap",
    type=click.Choice(["skip", "queue", "replace"]),
    default="queue",
    show_default=True,
    help="A slot that comes due while a run of the job is under way is skipped, waits, or stops that run.",
)
@click.option("--max-runtime", type=options.Duration(), help="A run that takes longer is ended.")
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="N",
    help="After failures that can pass.",
)
@click.option(
    "--priority", type=click.IntRange(-1000, 1000), default=0, show_default=True, metavar="N", help="The higher first."
)
@click.option(
    "--out",
    type=options.PATH,
    metavar="TEMPLATE",
    help="Folder of a run; {job}, {slot} and {slot:%Y%m%d} are filled in. Runs of one folder skip what is done in it. "
    "By default runs/{job}/{slot} beside the pipeline.",
)
@click.option(
    "--keep-runs",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    metavar="N",
    help="Slots kept in the history.",
)
@click.option("--keep", type=options.Duration(), help="How long the history is kept; by default as --keep-runs says.")
@click.option(
    "--notify",
    type=options.PATH,
    metavar="FILE.json",
    help="Whom to tell of what: a list of rules, see docs/service.md.",
)
@options.store
@click.option("--overwrite", is_flag=True, help="Change the job of this name; its history stays.")
@options.as_json
def add(name: str, pipeline: str, store: str, overwrite: bool, as_json: bool, **given: Any) -> None:  # fmt: skip
    """Add a job: PIPELINE.yaml by the calendar, for each new scene, or without --cron and --on-new when it is asked for.

    The pipeline is read and checked now, and again before each run.
    """
    from geoseg.pipeline.settings import Pipeline
    from geoseg.schedule.calendar import check
    from geoseg.schedule.clock import SystemClock
    from geoseg.schedule.store import JobStore
    from geoseg.schedule.told import job_facts, local, next_slots, trigger

    settings = _settings(name, pipeline, given)
    check(settings.cron or "0 0 * * *", settings.timezone, SystemClock().now())  # before a store is made for nothing
    Pipeline.read(settings.pipeline)
    with JobStore(store) as opened:
        job = opened.add(settings, overwrite=overwrite)
        if as_json:
            click.echo(json.dumps(job_facts(opened, job, count=3)))
            return
        click.echo(f"{job.name}: {trigger(job)}")
        for slot in next_slots(opened, job, 3):
            click.echo(f"  next {local(slot, settings.timezone)}")
        say_no_service(opened)


def _settings(name: str, pipeline: str, given: dict[str, Any]) -> JobSettings:
    """The options as settings; paths become absolute, because the service stands elsewhere."""
    from geoseg.errors import InputRefused
    from geoseg.schedule.settings import JobSettings

    file = Path(pipeline).absolute()
    watch = given.pop("on_new")
    if watch is not None and not Path(watch).exists():
        raise InputRefused.of("NOT_FOUND", watch, "there is nothing to watch", "Check --on-new")
    keep = given.pop("keep")
    out = given.pop("out") or str(file.parent / "runs" / "{job}" / "{slot}")
    return JobSettings.of(
        name=name, pipeline=str(file), out=str(Path(out).absolute()), keep_days=None if keep is None else keep / 86400,
        watch=None if watch is None else str(Path(watch).absolute()), notify=_rules(given.pop("notify")), **given,
    )  # fmt: skip


def _rules(path: str | None) -> str:
    """The rules of a file, checked."""
    if path is None:
        return ""
    from geoseg.errors import InputRefused
    from geoseg.schedule.notify import read_rules

    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
        raise InputRefused.of("NOT_FOUND", path, what, "Check --notify") from None
    read_rules(text)
    return text


for page in (list_, show, run_, pause, resume, cancel, remove, history, logs):
    command.add_command(page)
