"""``geoseg segment``: the main job, a scene to a class map, polygons and areas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.cluster.run import Progress


def block_options(command: options.Command) -> options.Command:
    """What happens to blocks that cannot be mapped, and which pixels are left out."""
    return options.stack(
        command,
        click.option(
            "--on-bad-block",
            type=click.Choice(["stop", "nodata"]),
            default="stop",
            show_default=True,
            help="What an unreadable block or a non-finite prediction does.",
        ),
        click.option(
            "--mask-with",
            type=options.PATH,
            metavar="DIR",
            help="A bundle, run first, whose --mask-classes become nodata.",
        ),
        click.option(
            "--mask-classes",
            type=options.names,
            metavar="NAME,...",
            help="Classes of --mask-with, such as cloud,shadow.",
        ),
    )


def run_options(command: options.Command) -> options.Command:
    """Where and how blocks run."""
    return options.stack(
        command,
        click.option(
            "--workers",
            type=click.IntRange(min=0),
            default=1,
            show_default=True,
            metavar="N",
            help="Local worker processes; 0: this process.",
        ),
        options.cluster_options,
        click.option(
            "--work",
            type=options.PATH,
            metavar="DIR",
            help="Folder for committed blocks; by default a hidden one in OUT.",
        ),
        click.option("--restart", is_flag=True, help="Drop the blocks of an unfinished run."),
        click.option(
            "--reuse",
            type=options.PATH,
            metavar="DIR",
            help="Folder that keeps this scene's blocks: when some of its pixels change, only their blocks are computed again.",
        ),
        click.option(
            "--progress", type=options.PATH, metavar="FILE", help="Append one JSON line for each committed block."
        ),
    )


def filter_options(command: options.Command) -> options.Command:
    """Filters after stitching, each off by default."""
    radius = click.IntRange(0, 64)
    return options.stack(
        command,
        click.option(
            "--crf",
            type=click.IntRange(0, 50),
            default=0,
            metavar="ITERATIONS",
            help="Mean-field CRF guided by the image.",
        ),
        click.option("--majority", type=radius, default=0, metavar="PIXELS", help="Radius of the majority filter."),
        click.option(
            "--opening", type=radius, default=0, metavar="PIXELS", help="Radius of the morphological opening."
        ),
        click.option(
            "--closing", type=radius, default=0, metavar="PIXELS", help="Radius of the morphological closing."
        ),
        options.min_area,
    )


def output_options(command: options.Command) -> options.Command:
    """What is left behind."""
    return options.stack(
        command,
        options.simplify,
        options.smooth,
        click.option("--only", type=click.Choice(["mask"]), help="Stop after the mask."),
        options.overwrite,
        click.option("--json", "as_json", is_flag=True, help="run.json on stdout instead of the files' names."),
    )


@click.command(
    epilog=options.example(
        "geoseg segment scene.tif out/ --bundle bundle/",
        "geoseg segment B2.tif B3.tif B4.tif out/ --bands blue,green,red --bundle bundle/ --workers 2",
        "geoseg segment 1985.tif 2020.tif out/ --bundle change-bundle/",
    )
)
@click.argument("inputs", nargs=-1, required=True, metavar="SCENE... OUT", type=options.PATH)
@options.required_bundle
@options.scene_options
@options.date_options
@options.predict_options
@options.plan_options
@options.aoi
@options.stitch_options
@block_options
@run_options
@filter_options
@output_options
def command(inputs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Map SCENE (one file, several with one band each, or a product folder) into the folder OUT.

    A bundle that compares two dates maps what changed: name two scenes, BEFORE AFTER OUT.

    Leaves mask.tif, polygons.gpkg, areas.csv, item.json, run.json and report.html. A run that was stopped is resumed by the
    same command: finished blocks are kept.
    """
    from geoseg.cli.progress import progress_bar
    from geoseg.cli.signals import stoppable
    from geoseg.config import FilterChoice, SegmentSettings
    from geoseg.jobs.segment import segment
    from geoseg.model.bundle import open_bundle

    *scenes, out = inputs
    if not scenes:
        raise click.UsageError("give at least one SCENE, then the folder OUT")
    bundle = open_bundle(given.pop("bundle"))
    scene = options.open_inputs(scenes, bundle, given)
    filters = FilterChoice.of(**{name: given.pop(name) or 0 for name in FilterChoice.model_fields})
    settings = SegmentSettings.of(**{k: v for k, v in given.items() if v is not None}, filters=filters)
    with stoppable(out) as stop, progress_bar(quiet=options.quiet()) as bar:

        def report(progress: Progress) -> None:
            stop.check()
            if bar:
                bar(progress)

        result = segment(scene, bundle, out, settings=settings, on_progress=report)
    if as_json:
        click.echo(json.dumps(result.run))
        return
    for path in sorted(result.folder.iterdir()):
        if not path.name.startswith("."):
            click.echo(str(path))
