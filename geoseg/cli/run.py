"""``geoseg run``: a pipeline of steps over scenes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.pipeline.forecast import Forecast
    from geoseg.pipeline.outcome import PipelineResult, TaskProgress
    from geoseg.pipeline.settings import Pipeline


def _schema(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from geoseg.pipeline.settings import schema_text

        click.echo(schema_text(), nl=False)
        ctx.exit()


@click.command(
    epilog=options.example(
        "geoseg run pipelines/segment_scene.yaml --out out/",
        "geoseg run pipelines/archive.yaml --dry-run --cost-page cost.html",
        "geoseg run --schema > pipeline.schema.json",
    )
)
@click.argument("pipeline", metavar="PIPELINE.yaml", type=options.PATH)
@click.option(
    "-o", "--out", type=options.PATH, metavar="DIR", help="Folder of the outputs; by default the pipeline's name."
)
@click.option("--dry-run", is_flag=True, help="Say what would run and what is done already, with bytes and time.")
@click.option("--no-timing", is_flag=True, help="With --dry-run: leave out the time, for which a few chips are run.")
@click.option(
    "--cost-page", type=options.PATH, metavar="FILE",
    help="With --dry-run: a page that says time and cost by workers and prices, which are chosen in it.",
)  # fmt: skip
@click.option(
    "--scene", "scenes", multiple=True, type=options.PATH, metavar="FILE",
    help="This scene in place of those that the file names; repeatable.",
)  # fmt: skip
@click.option(
    "--root", "roots", multiple=True, type=options.PATH, metavar="DIR",
    help="The file may name paths below its own folder and this one only, every link followed; repeatable.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=0), metavar="N", help="Local worker processes, for what the file says."
)
@options.cluster_options
@click.option(
    "--progress", type=options.PATH, metavar="FILE", help="Append one JSON line for each task and each block."
)
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=_schema, help="Print the file's JSON schema."
)
@options.overwrite
@options.as_json
def command(pipeline: str, out: str | None, dry_run: bool, as_json: bool, overwrite: bool, **given: Any) -> None:
    """Run the steps of PIPELINE.yaml over its scenes: one folder a step, in it one a scene.

    A step that is done, of the same inputs, settings and version, is skipped: run the same command after a stop, or when
    scenes have come or changed. One scene that fails does not stop the others (exit code 8); pipeline.json says what became
    of each.
    """
    from geoseg.cli.progress import task_bar, working
    from geoseg.cli.signals import stoppable
    from geoseg.pipeline.settings import Pipeline

    made = _chosen(Pipeline.read(pipeline, roots=given["roots"] or None), given)
    target = out or made.name
    if given["cost_page"]:
        _check_cost_page(given["cost_page"], dry_run=dry_run, overwrite=overwrite)
    if dry_run:
        from geoseg.pipeline.forecast import forecast_pipeline

        with working():
            found = forecast_pipeline(made, target, timing=not given["no_timing"])
        _write_costs(made.name, found, given["cost_page"])
        click.echo(json.dumps(found.facts(), indent=2) if as_json else _planned(found))
        return
    from geoseg.pipeline.run import run_pipeline

    with (
        stoppable(target, "What is done is kept; the same command goes on") as stop,
        task_bar(quiet=options.quiet()) as bar,
    ):
        report = _reporter(given["progress"], bar)
        result = run_pipeline(made, target, on_progress=report, stop=stop.check, overwrite=overwrite)
    click.echo(json.dumps(result.facts(), indent=2) if as_json else _table(result))
    result.raise_if_failed()


def _chosen(pipeline: Pipeline, given: dict[str, Any]) -> Pipeline:
    """The pipeline with what the command line says in place of the file."""
    if given["scenes"]:
        pipeline = pipeline.with_scenes([str(Path(path).absolute()) for path in given["scenes"]])
    names = ("workers", "scheduler", "tls_ca", "tls_cert", "tls_key", "insecure", "slurm")
    cluster = {name: given[name] for name in names if given[name] not in (None, False)}
    cluster |= {
        name: str(Path(cluster[name]).absolute()) for name in names if name.startswith("tls") and name in cluster
    }
    return pipeline.with_cluster(**cluster) if cluster else pipeline


def _check_cost_page(path: str, *, dry_run: bool, overwrite: bool) -> None:
    """Before scenes are opened: that there is a dry run to tell of, and nothing that the page would replace unasked."""
    from geoseg.errors import Conflict, UsageError

    if not dry_run:
        raise UsageError.of("OPTION", "--cost-page", "goes with --dry-run", "Add --dry-run")
    if Path(path).is_dir():
        raise UsageError.of("OUT", path, "is a folder", "Name a file for the page")
    if Path(path).exists() and not overwrite:
        raise Conflict.of("EXISTS", path, "exists", "Name another file, or add --overwrite")


def _write_costs(name: str, found: Forecast, path: str | None) -> None:
    if path:
        from geoseg.pipeline.cost import cost_page
        from geoseg.report.cost_page import write_cost_page

        write_cost_page(path, cost_page(name, found))


def _reporter(path: str | None, bar: Callable[[int, int, str], None]) -> Callable[[TaskProgress], None]:
    """Lines for a file, a line for each task that ends, and the bar."""
    from geoseg.cluster.run import note_progress, progress_file

    file = progress_file(Path(path)) if path else None

    def report(progress: TaskProgress) -> None:
        if file:
            note_progress(file, progress.line())
        share = f" {progress.done}/{progress.total}" if progress.status == "running" and progress.total > 1 else ""
        bar(progress.tasks_done, progress.tasks, f"{progress.task}: {progress.step}{share}")
        if progress.status not in ("running", "skipped") and not options.quiet():
            with suppress(OSError):  # a log on a full disk
                click.echo(f"[{progress.tasks_done}/{progress.tasks}] {progress.task}: {progress.status}", err=True)

    return report


_TOLD = ("failed", "part", "waiting")
_LINES = 20


def _table(result: PipelineResult) -> str:
    """What failed or waits, line by line; then how many tasks came to what."""
    told = [f"{task.task}: {task.status}: {task.error}" for task in result.tasks if task.status in _TOLD]
    lines = told[:_LINES] + ([f"{len(told) - _LINES} more in {result.folder}/pipeline.json"] if told[_LINES:] else [])
    counts = {status: result.count(status) for status in ("done", "skipped", "part", "waiting", "failed", "blocked")}
    said = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    return "\n".join([*lines, f"{len(result.tasks)} tasks: {said}: {result.folder}"])


def _planned(found: Forecast) -> str:
    """A line for each task that would run, and the sums."""
    from geoseg.cli.tables import table
    from geoseg.report.words import duration, volume

    rows = []
    for item in found.tasks:
        figures = ["?" if size is None else volume(size) for size in (item.read_bytes, item.write_bytes)]
        figures.append("?" if item.seconds is None else duration(item.seconds))
        rows.append((item.task, item.status, *(figures if item.status == "run" else ("", "", "")), item.why))
    numbers = ("read", "write", "time")
    return f"{table(('task', 'status', *numbers, 'why'), rows, right=numbers)}\n{found.statement}"
