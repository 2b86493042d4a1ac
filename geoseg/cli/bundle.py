"""``geoseg bundle``: look at a bundle, check it, take a model in, give one out."""

from __future__ import annotations

import json
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.bundle_import import import_, say
from geoseg.cli.bundle_show import show


@click.group(epilog=options.example("geoseg bundle show bundle/"))
def command() -> None:
    """Look at a bundle, check it, take a model in, give one out.

    A bundle is a folder with a card (a STAC Item with MLM fields), weights and a self-test sample. Pickles (.pt, .ckpt)
    are never opened.
    """


command.add_command(show)
command.add_command(import_)


@command.command(epilog=options.example("geoseg bundle verify bundle/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@options.as_json
def verify(bundle: str, as_json: bool) -> None:
    """Check digest, files and card, the card's STAC and MLM fields by their schemas, and run the self-test sample."""
    from geoseg.cli.progress import working
    from geoseg.model.bundle import open_bundle
    from geoseg.model.verify import verify_bundle

    with working():
        opened = open_bundle(bundle)
        if not as_json:
            click.echo(opened.id)
        found = {}
        for finding in verify_bundle(opened):
            found[finding.check] = finding.value
            if not as_json:
                click.echo(f"{finding.check:<9}  {finding.text}")
    if as_json:
        named = {"schema": found["schema"], "beside": found["beside"], "agreement": found["self-test"]}
        click.echo(json.dumps({"bundle": opened.id, "digest": opened.digest, **named}))


@command.group(epilog=options.example("geoseg bundle export onnx bundle/ bundle-onnx/"))
def export() -> None:
    """Give a bundle out in another form."""


@export.command("onnx", epilog=options.example("geoseg bundle export onnx bundle/ bundle-onnx/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@click.argument("out", type=options.PATH, metavar="OUT")
@options.overwrite
def export_onnx(bundle: str, out: str, overwrite: bool) -> None:
    """A torch bundle as an ONNX bundle: a folder with model.onnx that geoseg, and others, run without torch."""
    from geoseg.cli.progress import working
    from geoseg.model.bundle import open_bundle
    from geoseg.model.export import export_onnx

    with working():
        made = export_onnx(open_bundle(bundle), out, overwrite=overwrite)
    say(made)


@export.command(
    "openvino",
    epilog=options.example("geoseg bundle export openvino bundle/ model.xml --precision int8 --calibrate scene.tif"),
)
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@click.argument("out", type=options.PATH, metavar="OUT.xml")
@click.option(
    "--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True,
    help="Numbers inside the model; int8 is quantized, and refused where it costs classes.",
)  # fmt: skip
@click.option(
    "--calibrate", multiple=True, type=options.PATH, metavar="SCENE", help="Scene to quantize on; its files, if many."
)
@click.option(
    "--max-change", type=click.FloatRange(0, 1), default=0.005, show_default=True, metavar="SHARE",
    help="Refuse where more of the sample's pixels change class.",
)  # fmt: skip
@options.scene_options
@options.overwrite
def export_openvino(bundle: str, out: str, calibrate: tuple[str, ...], **given: Any) -> None:
    """An OpenVINO model, OUT.xml and the .bin beside it.

    int8 (NNCF, pip install "geoseg[int8]") is quantized on the bundle's sample, or better on a SCENE, and kept only where
    the classes of the sample stay; operations that cost too many of them stay in fp32.
    """
    from geoseg.cli.progress import working
    from geoseg.model.bundle import open_bundle
    from geoseg.model.calibrate import chips_of
    from geoseg.model.openvino_export import export_openvino
    from geoseg.raster.pair import open_inputs

    opened = open_bundle(bundle)
    names = [band.name for band in opened.bands]
    reading = {name: given.pop(name) for name in options.SCENE}
    chips = None
    if calibrate:
        scene = open_inputs(list(calibrate), names, **reading)
        chips = chips_of(scene.select(names).in_units(opened.units), opened)
    with working():
        made = export_openvino(opened, out, calibration=chips, **given)
    click.echo(str(made.path))
    ran = f"; {made.int8} of {made.operations} convolutions and products in int8" if made.int8 else ""
    click.echo(f"{made.changed:.2%} of {made.pixels:,} pixels change class{ran}", err=True)
