"""``geoseg labels``: files of labels against the scenes that they are for, and against one another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.recode import Recode
from geoseg.errors import UsageError


@click.group(epilog=options.example("geoseg labels check labels.gpkg --scene scene.tif"))
def command() -> None:
    """Look at files of labels before they are trained on."""


@command.command(
    epilog=options.example("geoseg labels check labels.gpkg --scene scene.tif --field class -o findings.geojson")
)
@click.argument("labels", type=options.PATH)
@click.option(
    "--scene", "scenes", type=options.PATH, multiple=True, required=True, metavar="SCENE",
    help="The scene; several times for its further files.",
)  # fmt: skip
@click.option("--field", default="class", show_default=True, metavar="NAME", help="Column with the classes.")
@click.option("--layer", metavar="NAME", help="Layer of a file that has several.")
@click.option("--band", type=options.COUNT, metavar="N", help="Band of a raster that has several.")
@click.option("--width", type=click.FloatRange(min=0), default=0.0, metavar="M", help="Width of points and lines.")
@click.option("--all-touched", is_flag=True, help="Every pixel that a polygon touches.")
@options.nodata
@options.assume_crs
@click.option("-o", "--output", type=options.PATH, metavar="FILE", help="The findings with their places: .geojson.")
@options.overwrite
def check(labels: str, scenes: tuple[str, ...], output: str | None, overwrite: bool, **given: Any) -> None:
    """Check LABELS, a raster of codes or a vector file, against a scene.

    JSON on stdout: pixels by class, the share of the scene that is labelled, and findings, each with its remedy: labels
    outside of the scene or where it has no data, grids that are shifted or have the same numbers in another CRS, features
    of different classes that overlap, polygons too small for a pixel, names that are nearly alike. --nodata and
    --assume-crs are the scene's.
    """
    from geoseg.cli.progress import working
    from geoseg.jobs.labels import check_labels
    from geoseg.jobs.outputs import check_files
    from geoseg.raster.scene import open_scene
    from geoseg.training.settings.data import LabelSettings

    target = Path(output) if output else None
    if target is not None:
        check_files([target], [labels, *scenes], overwrite=overwrite)
        if target.suffix.lower() not in (".geojson", ".json"):
            raise UsageError.of("FORMAT", target, "findings are GeoJSON", "Name it .geojson")
    scene = open_scene(list(scenes), nodata=given.pop("nodata"), assume_crs=given["assume_crs"])
    with working():
        report = check_labels(LabelSettings.of(path=labels, **given), scene)
    if target is not None:
        report.write(target)
    click.echo(report.to_json(), nl=False)


@command.command(
    epilog=options.example("geoseg labels agree labels.gpkg labels.tif -o places.gpkg"),
)
@click.argument("a", type=options.PATH)
@click.argument("b", type=options.PATH)
@click.option(
    "--scene", type=options.PATH, metavar="RASTER",
    help="Whose pixels are compared; by default A's, or else B's, where it is a raster.",
)  # fmt: skip
@click.option("--field", default="class", show_default=True, metavar="NAME", help="Column with the classes.")
@click.option("--layer", metavar="NAME", help="Layer of files that have several.")
@click.option("--band", type=options.COUNT, metavar="N", help="Band of rasters that have several.")
@click.option("--width", type=click.FloatRange(min=0), default=0.0, metavar="M", help="Width of points and lines.")
@click.option("--all-touched", is_flag=True, help="Every pixel that a polygon touches.")
@click.option("--recode", type=Recode(), metavar="CLASS=NAME,...", help="Other names for classes of A and B.")
@options.assume_crs
@click.option(
    "-o", "--output", type=options.PATH, metavar="FILE",
    help="Polygons of the places where they disagree; a format of polygonize.",
)  # fmt: skip
@options.overwrite
def agree(a: str, b: str, scene: str | None, output: str | None, overwrite: bool, **given: Any) -> None:
    """Compare two files of labels, A and B, of one place, as of two people who labelled it.

    JSON on stdout, over the pixels that both label: the share that has one class, Cohen's kappa, F1 (Dice) and IoU of each class
    with 95 % intervals, the matrix of classes, and names that may be one. Classes are the same where their names are.
    """
    from geoseg.cli.progress import strip_bar
    from geoseg.jobs.agreement import agree as compare
    from geoseg.jobs.outputs import check_files
    from geoseg.raster.scene import open_scene
    from geoseg.training.settings.data import LabelSettings
    from geoseg.vector.write import first_file

    if output is not None:
        check_files([first_file(output)], [a, b, *([scene] if scene else [])], overwrite=overwrite)
    grid = open_scene([scene], assume_crs=given["assume_crs"]).geobox if scene else None
    sides = [LabelSettings.of(path=path, **given) for path in (a, b)]
    with strip_bar(quiet=options.quiet(), name="compare") as report:
        told = compare(sides[0], sides[1], geobox=grid, out=output, on_progress=report)
    click.echo(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
