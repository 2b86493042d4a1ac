"""``geoseg synth``: synthetic scenes with known truth."""

from __future__ import annotations

import json
from typing import Any

import click

from geoseg.cli import options


def _size(ctx: click.Context, param: click.Parameter, value: str) -> int | tuple[int, int]:
    numbers = value.split(",")
    if not all(number.isascii() and number.isdecimal() for number in numbers) or len(numbers) > 2:
        raise click.BadParameter(f"{value!r} is neither a number of pixels nor ROWS,COLS")
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else int(value)


@click.command(
    epilog=options.example(
        "geoseg synth land/ --size 2048",
        "geoseg synth pair/ --size 8192 --dates 2 --seed 7 --change 0.03 --shift 0.4 --clouds 0.1",
    )
)
@click.argument("out", type=options.PATH)
@click.option(
    "--size", default="2048", show_default=True, callback=_size, metavar="PIXELS|ROWS,COLS", help="Of the scene."
)
@click.option("--dates", type=click.IntRange(1, 20), default=1, show_default=True, metavar="N", help="Dates.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Another one, other land."
)
@click.option(
    "--res", type=click.FloatRange(1, 100), default=10.0, show_default=True, metavar="M", help="Side of a pixel."
)
@click.option(
    "--crs", default="EPSG:32632", show_default=True, metavar="AUTHORITY:CODE", help="In metres, as a UTM zone."
)
@click.option(
    "--origin", type=float, nargs=2, default=(500_000.0, 5_400_000.0), show_default=True, metavar="X Y",
    help="Upper left corner in the CRS: which part of the land is seen.",
)  # fmt: skip
@click.option("--clouds", type=click.FloatRange(0, 0.9), default=0.0, metavar="SHARE", help="Of each date, about.")
@click.option(
    "--change", type=click.FloatRange(0, 0.5), default=0.05, show_default=True, metavar="SHARE",
    help="Of the pixels change class from each date to the next, about.",
)  # fmt: skip
@click.option(
    "--shift", type=click.FloatRange(-8, 8), default=0.0, metavar="PIXELS",
    help="Later pictures lie too far east by this much, as misregistered ones do; their truths do not.",
)  # fmt: skip
@click.option("--collar", is_flag=True, help="A slanted frame without data, as of a swath.")
@click.option("--threads", type=options.COUNT, metavar="N", help="Threads; the processors, at most 8, by default.")
@options.overwrite
@options.as_json
def command(out: str, as_json: bool, **given: Any) -> None:
    """Make synthetic scenes of six bands, of which every pixel's class is known, in the folder OUT.

    The land: hills, lakes, rivers, woods with felling areas, fields in parcels, meadows, towns, roads, rock, quarries, in
    reflectance (uint16, scale 0.0001 in the file), mixed at borders, with a sensor's noise. Leaves scene.tif and truth.tif,
    or with --dates scene_1.tif, truth_1.tif, ... and transitions.csv, what truly became what; synth.json says of what
    settings. The same settings give the same bytes.
    """
    from geoseg.cli.progress import file_bar
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.synth import synth

    with stoppable(out, "Nothing was written; run it again"), file_bar(quiet=options.quiet()) as report:
        result = synth(out, on_progress=report, **given)
    if as_json:
        click.echo(json.dumps(result.facts))
        return
    for scene, truth in zip(result.scenes, result.truths, strict=True):
        click.echo(f"{scene}  {truth}")
    if result.transitions is not None:
        shares = ", ".join(f"{share:.2%}" for share in result.facts["changed_share"])
        click.echo(f"{result.transitions}  {shares} of the land changed class")
