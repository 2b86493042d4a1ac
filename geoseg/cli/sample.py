"""``geoseg sample``: random pixels of a mask, to be labelled."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.jobs.sample import SampleResult


def _width(value: str) -> dict[str, float]:
    """``3`` is pixels, ``90m`` metres."""
    text, unit = (value[:-1], "buffer_m") if value.endswith("m") else (value, "buffer")
    try:
        number = float(text)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither pixels, such as 3, nor metres, such as 90m") from None
    if not 0 < number < float("inf"):
        raise click.BadParameter(f"{value!r} is not a width")
    return {unit: number}


def _groups(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    made: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, classes = (part.strip() for part in text.partition("="))
        if not (name and equals) or name in made:
            raise click.BadParameter(f"{text!r} is not NAME=CLASS,CLASS,... with a name of its own")
        made[name] = options.names(classes)
    return made


@click.command(
    epilog=options.example(
        "geoseg sample mask.tif samples.gpkg --total 500",
        "geoseg sample mask.tif neyman.gpkg --standard-error 0.02 --allocation neyman --users-accuracy 0.9,bare=0.7",
        "geoseg sample mask.tif buffered.gpkg --total 400 --buffer 2 --min-per-class 30 --seed 7",
    )
)
@click.argument("mask", type=options.PATH)
@click.argument("out", type=options.PATH)
@click.option("--total", type=options.COUNT, metavar="N", help="Samples in all.")
@click.option(
    "--standard-error", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
    help="Instead: as many as give the overall accuracy this standard error, if --users-accuracy is right.",
)  # fmt: skip
@click.option(
    "--allocation", type=click.Choice(["proportional", "equal", "neyman"]), default="proportional", show_default=True,
    help="Samples of a stratum: by its area, the same for all, or by area and expected errors.",
)  # fmt: skip
@click.option(
    "--users-accuracy", type=options.ByClass(), metavar="SHARE|CLASS=SHARE,...",
    help="User's accuracies to expect, 0-1: one for all, by stratum, or both (0.9,bare=0.7).",
)  # fmt: skip
@click.option(
    "--min-per-class", type=click.IntRange(min=0), metavar="N",
    help="Samples of each stratum at least; by default 50, or half of an equal share where that is less.",
)  # fmt: skip
@click.option("--class", "classes", type=options.names, metavar="V,...", help="Classes to sample, by name or value.")
@click.option(
    "--group", multiple=True, callback=_groups, metavar="NAME=V,...", help="Classes that make one stratum; repeatable."
)
@click.option("--group-below", type=click.FloatRange(min=0), metavar="M2", help="Smaller classes make one stratum.")
@click.option(
    "--buffer", type=_width, metavar="PX|METRESm",
    help="A stratum along class borders (of a change map: beside changes), this wide on each side: 2, or 60m.",
)  # fmt: skip
@click.option(
    "--buffer-around", type=options.names, metavar="V,...", help="The stratum lies around these classes only."
)
@click.option(
    "--change/--no-change", default=None, help="Whether MASK's classes are transitions; by their values and names."
)
@click.option(
    "--labels",
    type=options.PATH,
    metavar="FILE",
    help="Earlier samples of MASK: labels of pixels drawn again are kept.",
)
@click.option("--squares", is_flag=True, help="Draw samples as their pixels' squares; centre points by default.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the draw.")
@options.mask_options
@click.option("--block-size", type=options.PIXELS, metavar="PIXELS", help="About this side squared is read at once.")
@click.option("--threads", type=options.COUNT, metavar="N", help="Threads; the processors, at most 8, by default.")
@options.overwrite
@options.as_json
def command(mask: str, out: str, as_json: bool, buffer: dict[str, float] | None, **given: Any) -> None:
    """Draw a stratified random sample of MASK's pixels, to be labelled, with its design.

    MASK is any raster of classes, or the folder of a run. OUT is a GeoPackage: label the layer samples in QGIS, where the
    form offers MASK's classes for the column reference, then run geoseg estimate. Of a change map the strata are its
    transitions. The same seed gives the same pixels, and those of a smaller --total are among those of a larger one.
    """
    from geoseg.cli.progress import working
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.sample import sample

    if (given["total"] is None) == (given["standard_error"] is None):
        raise click.UsageError("say how many: --total N, or --standard-error SHARE")
    settings = {name: value for name, value in given.items() if value is not None} | (buffer or {})
    with stoppable(out, "Nothing was written; run it again"), working():
        result = sample(mask, out, **settings)
    for note in result.notes:
        logging.getLogger("geoseg").warning(note)
    click.echo(json.dumps(result.facts(), ensure_ascii=False) if as_json else _table(result))


def _table(result: SampleResult) -> str:
    """The strata, their sizes and samples."""
    width = max(len("stratum"), *(len(s.name) for s in result.strata))
    whole = sum(s.area_m2 for s in result.strata) or 1.0
    lines = [f"{'stratum':{width}}  {'pixels':>12}  {'ha':>14}  {'share':>7}  {'samples':>7}  {'1 of':>10}"]
    for s in result.strata:
        each = f"{1 / s.incl_prob:10.1f}" if s.sampled else f"{'':10}"
        area, share = f"{s.area_m2 / 1e4:14.4f}", f"{s.area_m2 / whole:7.2%}"
        lines.append(f"{s.name:{width}}  {s.n_pixels:12d}  {area}  {share}  {s.sampled:7d}  {each}")
    lines.append(f"{result.total} samples to label: {result.path}")
    if result.expected_error is not None:
        lines.append(f"standard error of the overall accuracy to expect: {result.expected_error:.4f}")
    return "\n".join(lines)
