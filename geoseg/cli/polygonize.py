"""``geoseg polygonize``: a class raster to polygons with areas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.jobs.vectorize import PolygonizeResult


def outline_options(command: options.Command) -> options.Command:
    """Which regions there are, and how their outlines run."""
    return options.stack(
        command,
        options.min_area,
        options.simplify,
        options.smooth,
        options.connectivity,
        click.option(
            "--class", "classes", type=options.names, metavar="V,...",
            help="Only these classes, by name or value; the others still are their neighbours.",
        ),
    )  # fmt: skip


def input_options(command: options.Command) -> options.Command:
    """How the rasters are read."""
    return options.stack(
        command,
        click.option(
            "--confidence", type=options.PATH, metavar="FILE",
            help="Percents on MASK's grid: polygons get their mean, conf_mean.",
        ),
        options.mask_options,
    )  # fmt: skip


def run_options(command: options.Command) -> options.Command:
    """Where strips are traced."""
    return options.stack(
        command,
        click.option(
            "--workers", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
            help="Local worker processes; 0: the threads of this one.",
        ),
        options.cluster_options,
        click.option(
            "--progress", type=options.PATH, metavar="FILE", help="Append one JSON line for each strip that is traced."
        ),
    )  # fmt: skip


@click.command(
    epilog=options.example(
        "geoseg polygonize mask.tif polygons.gpkg",
        "geoseg polygonize mask.tif water.parquet --class water --min-area 1000 --smooth --simplify 20",
    )
)
@click.argument("mask", type=options.PATH)
@click.argument("out", type=options.PATH)
@outline_options
@input_options
@run_options
@click.option("--split", is_flag=True, help="Shapefile: OUT_1.shp, OUT_2.shp, ... of at most 2 GB each.")
@options.overwrite
@options.as_json
def command(mask: str, out: str, as_json: bool, connectivity: str, **given: Any) -> None:
    """Turn MASK, any raster of classes, into polygons: one for each region of connected pixels of one class.

    The extension of OUT is the format: .gpkg (with its style inside), .shp, .parquet, .fgb, .geojson (longitude and
    latitude), .pmtiles (tiles for looking). Columns: class_id, class_name, area_m2, area_ha, perim_m, n_pixels and, with
    --confidence, conf_mean. Areas are true, whatever the CRS. Small regions are absorbed first, then outlines are traced,
    then simplified, then measured.
    """
    from geoseg.cli.progress import strip_bar
    from geoseg.cli.signals import stoppable
    from geoseg.config import PolygonizeSettings
    from geoseg.jobs.vectorize import polygonize

    values = {name: value for name, value in given.items() if value is not None}
    settings = PolygonizeSettings.of(connectivity=int(connectivity), **values)
    with stoppable(out, "Nothing was written; run it again") as stop, strip_bar(quiet=options.quiet()) as bar:

        def report(done: int, total: int) -> None:
            stop.check()
            if bar:
                bar(done, total)

        result = polygonize(mask, out, settings=settings, on_progress=report)
    click.echo(
        json.dumps(result.facts()) if as_json else _table(result, drift=bool(settings.simplify or settings.smooth))
    )


def _table(result: PolygonizeResult, *, drift: bool) -> str:
    """Polygons and hectares by class, and the sums."""
    width = max((len(row.class_name) for row in result.classes), default=0)
    head = f"{'class':{width}}  {'polygons':>10}  {'ha':>14}"
    lines = [head + (f"  {'drift':>8}" if drift else "")] if result.classes else []
    for row in result.classes:
        line = f"{row.class_name:{width}}  {row.polygons:10}  {row.area_m2 / 1e4:14.4f}"
        lines.append(line + (f"  {row.drift:+8.3%}" if drift else ""))
    if result.regions_merged:
        lines.append(f"{result.regions_merged} small regions merged")
    what = f"{result.polygons} polygons" if result.polygons else "0 polygons: no pixel has one of these classes"
    lines.append(f"{what}: {', '.join(str(path) for path in result.files)}")
    return "\n".join(lines)
