"""``geoseg estimate``: areas and accuracies with intervals, from labelled samples."""

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
        "geoseg estimate samples.gpkg -o estimate.csv --report estimate.html",
        "geoseg estimate points.csv --mask mask.tif --reference-field seen --json",
        "geoseg estimate points.csv --stratum-field stratum --map-field map --strata strata.csv",
    )
)
@click.argument("samples", type=options.PATH)
@click.option(
    "--mask", type=options.PATH, metavar="FILE", help="The map, where SAMPLES does not tell or it is another."
)
@click.option(
    "--interval", type=click.Choice(["score", "normal"]), default="score", show_default=True,
    help="score holds for rare classes too; normal: 1.96 standard errors to each side, as papers print it.",
)  # fmt: skip
@click.option(
    "--correction", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="Variances times 1 - n/N for a finite population; auto: in strata of which 5 % are sampled.",
)  # fmt: skip
@click.option(
    "--reference-field", default="reference", show_default=True, metavar="NAME", help="Column of what was seen."
)
@click.option("--map-field", metavar="NAME", help="Column of the map's class; map_class, map, or the mask by default.")
@click.option("--stratum-field", metavar="NAME", help="Column of the stratum; strata are the map's classes by default.")
@click.option(
    "--strata", type=options.PATH, metavar="FILE", help="CSV with n_pixels and area_m2 or area_ha of each stratum."
)
@click.option("--layer", metavar="NAME", help="Layer of SAMPLES, where it has several.")
@options.mask_options
@click.option("--matrix", type=options.PATH, metavar="FILE", help="Also the error matrix, as CSV.")
@click.option("--report", "page", type=options.PATH, metavar="FILE", help="Also a page to look at, as .html.")
@click.option("-o", "--output", type=options.PATH, metavar="FILE", help="File instead of stdout: .csv, or .json.")
@options.as_json
@options.overwrite
def command(
    samples: str, output: str | None, matrix: str | None, page: str | None, as_json: bool, overwrite: bool, **given: Any
) -> None:
    """Estimate areas, user's, producer's and overall accuracy from SAMPLES, with 95 % intervals.

    SAMPLES is what geoseg sample wrote, with its column reference filled; or a CSV or vector file from elsewhere, with --mask
    (strata are the map's classes) or --strata, taken for a random sample of each stratum. The map's own areas (map_ha) and
    the estimated ones (area_ha) have columns of their own. Estimators: Olofsson et al. (2014), Stehman (2014).
    """  # fmt: skip
    from geoseg.cli.progress import working
    from geoseg.jobs.estimate import estimate
    from geoseg.jobs.estimate_page import write_estimate_page
    from geoseg.jobs.outputs import check_files

    target, square, sheet = (Path(name) if name else None for name in (output, matrix, page))
    made = [path for path in (target, square, sheet) if path is not None]
    _refuse_endings(
        (target, "a table", (".csv", ".json")), (square, "a table", (".csv",)), (sheet, "a page", (".html",))
    )
    if len(set(made)) != len(made):
        raise UsageError.of("OUT", matrix or page, "is named twice", "Give it another name")
    check_files(made, [samples, given["mask"], given["strata"]], overwrite=overwrite)
    with working():
        table = estimate(samples, **{name: value for name, value in given.items() if value is not None})
    for note in table.notes:
        logging.getLogger("geoseg").warning(note)
    if square is not None:
        table.write_matrix(square)
    if sheet is not None:
        write_estimate_page(table, sheet, [path for path in (target, square) if path is not None])
    if target is not None:
        table.write(target, as_json=as_json or target.suffix.lower() == ".json")
    elif as_json:
        click.echo(table.to_json(), nl=False)
    else:
        table.print_csv(sys.stdout)


def _refuse_endings(*files: tuple[Path | None, str, tuple[str, ...]]) -> None:
    for path, what, endings in files:
        if path is not None and path.suffix.lower() not in endings:
            raise UsageError.of("FORMAT", path, f"{what} is {' or '.join(endings)}", f"Name it {endings[0]}")
