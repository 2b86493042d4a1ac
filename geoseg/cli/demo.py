"""``geoseg demo``: the whole way on the sample that ships, and what to open afterwards."""

from __future__ import annotations

import json

import click

from geoseg.cli import options


@click.command(epilog=options.example("geoseg demo", "geoseg demo out/ --overwrite"))
@click.argument("out", default="demo", metavar="[OUT]", type=options.PATH)
@options.overwrite
@options.as_json
def command(out: str, overwrite: bool, as_json: bool) -> None:
    """Map the sample scene (Landsat 7, North Carolina) into the folder OUT, by default demo/.

    Leaves what geoseg segment leaves, with confidence.tif, and in OUT/change what geoseg change leaves: the sample's class map of
    1996 against the new one. Says what to open. --overwrite replaces an earlier demo only.
    The sample ships with the source: run this in a checkout.
    """
    from geoseg.cli.progress import progress_bar
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.demo import demo

    with stoppable(out) as stop, progress_bar(quiet=options.quiet()) as report:
        result = demo(out, overwrite=overwrite, on_progress=report, on_change=lambda *_: stop.check())
    made, change = result.map, result.change
    run = made.run
    if as_json:
        click.echo(json.dumps({"map": run, "change": change.run}))
        return
    rows, cols = run["plan"]["shape"]
    click.echo(f"Mapped {rows} x {cols} pixels into {run['polygons']} polygons:")
    for area in run["areas"]:
        click.echo(f"  {area['class_name']:<16}{area['area_ha']:>10,.0f} ha  {area['share']:>6.1%}")
    click.echo(
        "Compared with the map of 1996, which others made in another way, so that most of what differs is no change:"
    )
    click.echo(f"  {change.statement}")
    click.echo("Open:")
    names = {
        made.report: "in a browser: the map, areas, scores and what to know of them",
        made.folder / "project.qgz": "in QGIS: all of it, in groups",
        made.mask: "in QGIS: the class map, coloured and named",
        made.polygons: "in QGIS: polygons with class and area, styled",
        change.folder / "report.html": "in a browser: what differs from the map of 1996, and how much that can tell",
        change.folder / "project.qgz": "in QGIS: both maps and what differs",
        change.folder / "change.tif": "in QGIS: the same, pixel by pixel",
        change.folder / "polygons.gpkg": "in QGIS: the changed places",
    }
    width = max(len(str(path)) for path in names)
    for path, what in names.items():
        click.echo(f"  {path!s:<{width}}  {what}")
