"""``geoseg report``: the page of a run again."""

from __future__ import annotations

import click

from geoseg.cli import options


@click.command(
    epilog=options.example(
        "geoseg report out/ -o page.html",
        "geoseg report change/ --samples samples.gpkg --overwrite",
        "geoseg report bundle/ -o bundle.html",
    )
)
@click.argument("run", metavar="RUN", type=options.PATH)
@click.option("-o", "--output", type=options.PATH, metavar="FILE", help="The page; report.html in RUN by default.")
@click.option(
    "--samples", type=options.PATH, metavar="FILE",
    help="Labelled samples of the map, or the estimate of them (.json): areas with intervals stand on the page.",
)  # fmt: skip
@click.option(
    "--scene", type=options.PATH, metavar="FILE", multiple=True,
    help="A file of the scene, where RUN has no page with its picture; may be given several times.",
)  # fmt: skip
@options.overwrite
def command(run: str, output: str | None, samples: str | None, scene: tuple[str, ...], overwrite: bool) -> None:
    """Make the page of RUN again: a folder of segment or change, a bundle, or the table of estimate as JSON.

    What the page says comes from run.json, its pictures from the rasters of RUN and, of what was read, from the page that is
    there: where nothing has changed, the page is the run's own, byte for byte. It is one file that needs no network.
    """
    from geoseg.cli.progress import working
    from geoseg.jobs.report import report

    with working():
        made = report(run, output, scene=scene, samples=samples, overwrite=overwrite)
    click.echo(str(made))
