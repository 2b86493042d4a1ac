"""``geoseg plan``: chips, blocks, memory, bytes and time of a run, or its grid as GeoJSON."""

from __future__ import annotations

import json
from typing import Any

import click

from geoseg.cli import options


@click.command(epilog=options.example("geoseg plan scene.tif --bundle bundle/ --ram 4GiB"))
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...", type=options.PATH)
@options.required_bundle
@options.scene_options
@options.date_options
@options.predict_options
@options.plan_options
@options.stitch_options
@options.workers
@click.option("--geojson", is_flag=True, help="The blocks as GeoJSON (longitude, latitude) instead of the figures.")
@click.option("--no-timing", is_flag=True, help="Leave out the estimate of time, which runs a few chips.")
def command(scenes: tuple[str, ...], **given: Any) -> None:
    """Say what a run of SCENE would take, before any of it runs; of BEFORE AFTER, for a bundle that compares two dates."""
    from geoseg.cli.progress import working
    from geoseg.config import SegmentSettings
    from geoseg.jobs.forecast import forecast, grid_geojson
    from geoseg.jobs.plan import fitted
    from geoseg.model.bundle import open_bundle

    bundle = open_bundle(given.pop("bundle"))
    geojson, timing = given.pop("geojson"), not given.pop("no_timing")
    whole = options.open_inputs(scenes, bundle, given)
    settings = SegmentSettings.of(**{k: v for k, v in given.items() if v is not None})
    scene = fitted(whole, bundle)
    with working():
        found = grid_geojson(scene, bundle, settings) if geojson else forecast(scene, bundle, settings, timing=timing)
    click.echo(json.dumps(found, indent=None if geojson else 2))
