"""``geoseg demo``: the whole way on the sample that ships, and what to open afterwards."""

from __future__ import annotations

import click

from geoseg.cli import options


@click.command(epilog=options.example("geoseg demo", "geoseg demo out/ --overwrite"))
@click.argument("out", default="demo", metavar="[OUT]", type=options.PATH)
@options.overwrite
def command(out: str, overwrite: bool) -> None:
    """Map the sample scene (Landsat 7, North Carolina) into the folder OUT, by default demo/.

    Leaves what geoseg segment leaves, with confidence.tif, and says what to open. --overwrite replaces an earlier demo only.
    The sample ships with the source: run this in a checkout.
    """
    from geoseg.cli.progress import progress_bar
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.demo import demo

    with stoppable(out), progress_bar(quiet=options.quiet()) as report:
        result = demo(out, overwrite=overwrite, on_progress=report)
    run = result.run
    rows, cols = run["plan"]["shape"]
    click.echo(f"Mapped {rows} x {cols} pixels into {run['polygons']} polygons:")
    for area in run["areas"]:
        click.echo(f"  {area['class_name']:<16}{area['area_ha']:>10,.0f} ha  {area['share']:>6.1%}")
    click.echo("Open:")
    click.echo(f"  {result.report}    in a browser: the map, areas, scores and what to know of them")
    click.echo(f"  {result.mask}       in QGIS: the class map, coloured and named")
    click.echo(f"  {result.polygons}  in QGIS: polygons with class and area, styled")
