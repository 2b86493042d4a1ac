"""``geoseg area``: areas by class, and by zone."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.errors import UsageError


@click.command(
    epilog=options.example(
        "geoseg area mask.tif", "geoseg area mask.tif --zones districts.gpkg --zone-field name -o areas.csv"
    )
)
@click.argument("mask", type=options.PATH)
@click.option(
    "--zones", type=options.PATH, metavar="FILE", help="Polygons to measure in, in any CRS; they may overlap."
)
@click.option("--zone-field", metavar="NAME", help="Column with the zones' names; their ids by default.")
@click.option(
    "--coverage", type=click.Choice(["auto", "fraction", "centre"]), default="auto", show_default=True,
    help="Pixels on a zone's edge: by their share inside (exactextract), or whole where the centre lies inside.",
)  # fmt: skip
@click.option("--class", "classes", type=options.names, metavar="V,...", help="Classes to list, by name or value.")
@options.mask_options
@click.option("-o", "--output", type=options.PATH, metavar="FILE", help="File instead of stdout: .csv, or .json.")
@options.as_json
@options.overwrite
def command(mask: str, output: str | None, as_json: bool, overwrite: bool, **given: Any) -> None:
    """Measure the classes of MASK, any class raster, on the ellipsoid of its CRS.

    CSV on stdout: class_id, class_name, n_pixels, area_m2, area_ha, share, area_method. With --zones one line for each zone
    and class, where share is that of the zone, and the zone's own area, its nodata and what lies off the raster follow.
    """
    from geoseg.cli.progress import working
    from geoseg.jobs.area import area
    from geoseg.jobs.outputs import check_files

    target = Path(output) if output else None
    if target is not None:
        check_files([target], [mask, given["zones"]], overwrite=overwrite)
        if target.suffix.lower() not in (".csv", ".json"):
            raise UsageError.of("FORMAT", target, "a table is CSV or JSON", "Name it .csv or .json")
    if given["zone_field"] and not given["zones"]:
        raise click.UsageError("--zone-field names a column of --zones")
    with working():
        table = area(mask, **{name: value for name, value in given.items() if value is not None})
    for note in table.notes:
        logging.getLogger("geoseg").warning(note)
    as_json = as_json or (target is not None and target.suffix.lower() == ".json")
    if target is not None:
        table.write(target, as_json=as_json)
    elif as_json:
        click.echo(table.to_json(), nl=False)
    else:
        table.print_csv(sys.stdout)
