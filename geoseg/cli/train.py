"""``geoseg train``: labelled scenes to a bundle, with its scores on places that were kept from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.training.settings.job import TrainSettings


@click.command(
    epilog=options.example(
        "geoseg train pipelines/train_north_carolina.yaml bundle/",
        "geoseg train pipelines/train_north_carolina.yaml crops.png --preview",
    )
)
@click.argument("job", metavar="JOB.yaml", type=options.PATH)
@click.argument("out", metavar="[OUT]", required=False, type=options.PATH)
@click.option(
    "--preview", is_flag=True, help="Only draw crops as the network will see them, into the picture OUT (PNG)."
)
@click.option(
    "--baseline", is_flag=True, help="Also train gradient boosting on the same split, and say which is better."
)
@click.option("--restart", is_flag=True, help="Drop what a stopped training of OUT left, instead of going on with it.")
@options.as_json
@options.overwrite
def command(
    job: str, out: str | None, preview: bool, baseline: bool, restart: bool, as_json: bool, overwrite: bool
) -> None:
    """Train a network as JOB.yaml says and write the bundle OUT (by default a folder of the job's name).

    The job names scenes, labels (rasters, or polygons, lines and points with a column of classes), what is kept for the test, and
    the network; all but scenes, bands and classes has a default. OUT gets scores.json, curves, the split and what the checks
    found beside the model. A training that was stopped goes on where it was. Several GPUs: torchrun -m geoseg train ...
    """
    from geoseg.cli.progress import fit_bar, working
    from geoseg.cli.signals import stoppable
    from geoseg.jobs import train as jobs
    from geoseg.training.scoring.report import table
    from geoseg.training.settings.job import TrainSettings

    settings = TrainSettings.read(job)
    if preview:
        with working():
            drawn = jobs.preview(settings, out or f"{settings.name}.png", overwrite=overwrite)
        click.echo(str(drawn))
        return
    settings = _with_baseline(settings) if baseline else settings
    target = out or settings.name
    with stoppable(target), fit_bar(quiet=options.quiet()) as on_step:
        made = jobs.train(settings, target, overwrite=overwrite, restart=restart, on_step=on_step)
    if made is None:
        return  # a process of torchrun that does not lead
    if as_json:
        click.echo(json.dumps({"bundle": made.bundle.id, "path": made.bundle.path, "scores": made.scores}, indent=2))
    else:
        click.echo(table(made.scores) if made.scores else "Nothing was kept for a test: how good it is is not known.")
        click.echo(f"{made.bundle.path}: {made.bundle.id}, {len(list(Path(made.bundle.path).iterdir()))} files")


def _with_baseline(settings: TrainSettings) -> TrainSettings:
    return settings.model_copy(update={"scores": settings.scores.model_copy(update={"baseline": True})})
