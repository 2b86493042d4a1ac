"""``geoseg view``: a run on a map in the browser of this computer."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.signals import stop_event


@click.command(epilog=options.example("geoseg view out/", "geoseg view out/ --port 8791 --no-browser"))
@click.argument("run", type=options.PATH, metavar="RUN")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="any free one",
    metavar="N",
    help="Where the map is served, on 127.0.0.1 only.",
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.option(
    "--scene",
    "scenes",
    multiple=True,
    type=options.PATH,
    metavar="FILE",
    help="The scene, where it was moved since the run; repeatable for one of several files.",
)
@options.bands
def command(run: str, port: int, no_browser: bool, scenes: tuple[str, ...], bands: Any) -> None:
    """Show the folder of a run on a map: scene, class map, confidence, polygons, change; until SIGINT or SIGTERM.

    The address that is printed holds a token: whoever has it and is on this computer sees the map.
    """
    from geoseg.raster.scene import open_scene
    from geoseg.view.found import find_run
    from geoseg.view.server import MapServer

    scene = open_scene(scenes, bands=bands) if scenes else None
    server = MapServer(find_run(run, scene), f"127.0.0.1:{port}")
    for note in server.notes:
        click.echo(f"geoseg: {note}", err=True)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_event())
        server.start()
        stack.callback(server.stop)
        click.echo(server.url)
        sys.stdout.flush()
        if not no_browser:
            stack.enter_context(_in_browser(server.url))
        stop.wait()


@contextmanager
def _in_browser(url: str) -> Iterator[None]:
    """Open the address by way of a file that only this user can read: what a process is started with, all users can see."""
    import webbrowser

    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not screen:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="geoseg-view-"))
    try:
        page = folder / "open.html"
        page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}"><a href="{url}">The map</a>')
        webbrowser.open(page.as_uri())
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
