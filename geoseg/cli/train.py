"""``geoseg train``: a labelled scene to a bundle, with its scores on a held-out area."""

from __future__ import annotations

import click

from geoseg.cli import options


@click.command(epilog=options.example("geoseg train samples/north_carolina/train.yaml bundle/"))
@click.argument("job", metavar="JOB.yaml", type=options.PATH)
@click.argument("out", metavar="OUT", type=options.PATH)
@options.overwrite
def command(job: str, out: str, overwrite: bool) -> None:
    """Train a network as JOB.yaml says and write the bundle OUT; prints its scores on the held-out area as JSON.

    The job names a scene, a raster of labels on its grid, how their codes are recoded to harmonised classes, the area to hold
    out, and the network. The same job gives the same weights on the same machine.
    """
    from geoseg.cli.progress import step_bar
    from geoseg.cli.signals import stoppable
    from geoseg.jobs.train import train
    from geoseg.train.simple import TrainSettings

    settings = TrainSettings.read(job)
    with stoppable(out), step_bar(quiet=options.quiet()) as on_step:
        bundle = train(settings, out, overwrite=overwrite, on_step=on_step)
    click.echo(bundle.scores)
