"""``geoseg evaluate``: how good a bundle is on a labelled scene."""

from __future__ import annotations

import logging
from typing import Any

import click

from geoseg.cli import options


def recode(value: str) -> dict[str, str]:
    """``1=built,3=low vegetation`` as a table of codes or names and classes."""
    table: dict[str, str] = {}
    for item in value.split(","):
        code, given, target = (part.strip() for part in item.partition("="))
        if not (code and given and target):
            raise click.BadParameter(f"{item.strip()!r} is not CODE=CLASS")
        if code in table:
            raise click.BadParameter(f"{code!r} is given twice")
        table[code] = target
    return table


def label_options(command: options.Command) -> options.Command:
    """What the labels are."""
    return options.stack(
        command,
        click.option(
            "--labels", type=options.PATH, metavar="FILE", required=True, help="A raster of codes, or a vector file."
        ),
        click.option(
            "--recode", type=recode, metavar="CODE=CLASS,...",
            help="Codes or names of the labels to classes of the bundle; others are ignored. By default they are the same.",
        ),
        click.option(
            "--label-field", metavar="NAME", help="Column of a vector file with the classes; class by default."
        ),
        click.option("--label-layer", metavar="NAME", help="Layer of a vector file that has several."),
        click.option("--label-band", type=options.COUNT, metavar="N", help="Band of a raster that has several."),
        click.option("--label-nodata", type=int, metavar="VALUE", help="Code of a raster that means no label."),
        click.option(
            "--label-width", type=click.FloatRange(min=0), metavar="M",
            help="Width of points and lines; one pixel by default.",
        ),
    )  # fmt: skip


def score_options(command: options.Command) -> options.Command:
    """What is scored, and where."""
    return options.stack(
        command,
        options.aoi,
        click.option(
            "--zones", type=options.PATH, metavar="FILE", help="Polygons that are scored each by itself as well."
        ),
        click.option("--zone-field", metavar="NAME", help="Column with the zones' names; their ids by default."),
        click.option(
            "--boundary", type=click.FloatRange(min=0), metavar="M",
            help="Distance of boundary F1 and boundary IoU; two pixels by default.",
        ),
        click.option(
            "--intervals", type=click.Choice(["jackknife", "bootstrap"]), default="jackknife", show_default=True,
            help="How 95 % intervals are made from blocks of the scene.",
        ),
        click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Of the bootstrap."),
        click.option("--tta", is_flag=True, help="Mean over the eight symmetries of a chip; eight times the work."),
    )  # fmt: skip


@click.command(
    epilog=options.example(
        "geoseg evaluate bundle/ scene.tif --labels labels.tif --recode 1=built,3=tree",
        "geoseg evaluate bundle/ scene.tif --labels fields.gpkg --label-field class -o scores/",
    )
)
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...", type=options.PATH)
@label_options
@score_options
@options.scene_options
@options.date_options
@options.predict_options
@click.option(
    "-o", "--output", type=options.PATH, metavar="DIR",
    help="Folder for scores.json, confusion.png, reliability.png, areas.csv and errors.tif.",
)  # fmt: skip
@options.as_json
@options.overwrite
def command(
    bundle: str, scenes: tuple[str, ...], labels: str, output: str | None, *, as_json: bool, **given: Any
) -> None:
    """Map SCENE (one file, several with one band each, or a product folder) with BUNDLE and score the map against labels.

    A bundle that compares two dates takes two scenes, BEFORE AFTER, and labels of what changed between them.

    Scores are fractions of 1 with 95 % intervals from a jackknife over blocks of the scene, beside those of the map that has
    the largest class everywhere. Only pixels that have a label, and data, are scored. errors.tif says where which class is
    taken for which.
    """
    from geoseg.cli.progress import strip_bar
    from geoseg.cli.signals import stoppable
    from geoseg.config import EvaluateSettings
    from geoseg.jobs.evaluate import evaluate
    from geoseg.model.bundle import open_bundle

    if given["zone_field"] and not given["zones"]:
        raise click.UsageError("--zone-field names a column of --zones")
    opened = open_bundle(bundle)
    scene = options.open_inputs(scenes, opened, given)
    settings = EvaluateSettings.of(**{name: value for name, value in given.items() if value is not None})
    where = output or bundle
    with (
        stoppable(where, "Nothing was written") as stop,
        strip_bar(quiet=options.quiet(), name="evaluate", of="blocks") as bar,
    ):

        def report(done: int, total: int) -> None:
            stop.check()
            if bar:
                bar(done, total)

        result = evaluate(opened, scene, labels, output, settings=settings, on_block=report)
    for note in result.scores["notes"] if as_json else ():  # the table has them
        logging.getLogger("geoseg").warning(note)
    click.echo(result.to_json() if as_json else result.table(), nl=False)
