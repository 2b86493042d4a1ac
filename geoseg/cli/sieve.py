"""``geoseg sieve``: a class raster without small regions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.jobs.sieve import SieveResult


@click.command(
    epilog=options.example(
        "geoseg sieve mask.tif sieved.tif --min-area 1000",
        "geoseg sieve mask.tif lakes.tif --min-area 1000,water=5000 --connectivity 8 --json",
    )
)
@click.argument("mask", type=options.PATH)
@click.argument("out", type=options.PATH)
@options.min_area
@click.option(
    "--min-pixels", type=options.ByClass(whole=True), metavar="N|CLASS=N,...", help="The same in pixels, instead."
)
@options.connectivity
@options.mask_options
@click.option("--threads", type=options.COUNT, metavar="N", help="Threads; the processors, at most 8, by default.")
@options.overwrite
@options.as_json
def command(mask: str, out: str, as_json: bool, connectivity: str, **given: Any) -> None:
    """Merge regions of MASK below a minimum area into the neighbour with the longest common border.

    MASK is any raster of classes. A class is named as MASK names it, or by its value. Areas are true, whatever the CRS.
    The smallest region goes first, until none is left that is too small and has a neighbour; no data stays no data.
    OUT is a GeoTIFF with MASK's classes, names and colours.
    """  # fmt: skip
    from geoseg.cli.progress import working
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.sieve import sieve

    settings = {name: value for name, value in given.items() if value is not None}
    with stoppable(out, "Nothing was written; run it again"), working():
        result = sieve(mask, out, connectivity=int(connectivity), **settings)
    click.echo(json.dumps(result.facts()) if as_json else _table(result))


def _table(result: SieveResult) -> str:
    """Which classes lost and won, in hectares, and the sums."""
    width = max((len(row.class_name) for row in result.classes), default=0)
    lines = [f"{'class':{width}}  {'ha before':>14}  {'ha after':>14}  {'change':>8}"]
    for row in result.classes:
        before, after = row.area_m2_before / 1e4, row.area_m2_after / 1e4
        share = f"{after / before - 1:+8.2%}" if before else f"{'':8}"
        lines.append(f"{row.class_name:{width}}  {before:14.4f}  {after:14.4f}  {share}")
    lines.append(f"{result.regions_merged} regions merged, {result.pixels_changed} pixels changed: {result.mask}")
    return "\n".join(lines)
