"""``geoseg bundle``: look at a bundle, check it, take a model in, give one out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from geoseg.cli import options
from geoseg.errors import BundleError, UsageError

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle, BundleFacts, NetworkSpec

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group(epilog=options.example("geoseg bundle show bundle/"))
def command() -> None:
    """Look at a bundle, check it, take a model in, give one out.

    A bundle is a folder with a card (a STAC Item with MLM fields), weights and a self-test sample. Pickles (.pt, .ckpt)
    are never opened.
    """


@command.command(epilog=options.example("geoseg bundle show bundle/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@options.as_json
def show(bundle: str, as_json: bool) -> None:
    """What a bundle is: bands, classes, network, chips, scores; --json prints its card."""
    from geoseg.model.bundle import open_bundle

    opened = open_bundle(bundle)
    if as_json:
        click.echo(json.dumps(json.loads(opened.card), indent=2, sort_keys=True))
        return
    rows = _rows(opened)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


@command.command(epilog=options.example("geoseg bundle verify bundle/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@options.as_json
def verify(bundle: str, as_json: bool) -> None:
    """Check digest, files and card, the card's STAC and MLM fields by their schemas, and run the self-test sample."""
    from geoseg.model.bundle import open_bundle
    from geoseg.model.verify import verify_bundle

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


@command.group("import", epilog=options.example("geoseg bundle import ukis-csmask clouds/ --model 4b_l2a"))
def import_() -> None:
    """Make a bundle of a model: of ukis-csmask, an ONNX file, or the weights of an smp network."""


@import_.command("ukis-csmask", epilog=options.example("geoseg bundle import ukis-csmask clouds/ --model 6b_l2a"))
@click.argument("out", type=options.PATH, metavar="OUT")
@click.option(
    "--model", default="4b_l2a", show_default=True, metavar="4b_l1c|4b_l2a|6b_l1c|6b_l2a",
    help="Four or six bands (with swir1, swir2); top-of-atmosphere (l1c) or surface (l2a) reflectance.",
)  # fmt: skip
@options.overwrite
def import_csmask(out: str, model: str, overwrite: bool) -> None:
    """Take a pretrained cloud and cloud shadow network from the package ukis-csmask (pip install "geoseg[ukis]")."""
    from geoseg.model.csmask import import_csmask

    _say(import_csmask(out, model, overwrite=overwrite))


def facts_options(function: Decorated) -> Decorated:
    """What a file of weights does not say."""
    classes = click.option(
        "--classes", type=options.names, required=True, metavar="NAME,...", help="Classes by channel."
    )
    return options.stack(
        function,
        click.option("--bands", type=options.names, required=True, metavar="NAME,...", help="Bands in channel order."),
        click.option("--mean", type=options.names, metavar="UNITS,...", help="Mean of each band; 0 by default."),
        click.option("--std", type=options.names, metavar="UNITS,...", help="Deviation of each band; 1 by default."),
        click.option("--units", type=click.Choice(["reflectance", "dn"]), default="reflectance", show_default=True),
        classes,
        click.option("--values", type=options.names, metavar="VALUE,...", help="Mask value of each class; 1, 2, ..."),
        click.option("--name", required=True, help="Name of the bundle."),
        click.option("--model-version", default="1", show_default=True, help="Version of the bundle."),
        click.option("--licence", default="other", show_default=True, help="Licence of the weights, SPDX."),
        click.option("--chip-size", type=options.PIXELS, default=256, show_default=True, metavar="PIXELS"),
        click.option("--halo", type=click.IntRange(min=0), default=64, show_default=True, metavar="PIXELS"),
        options.overwrite,
    )


@import_.command(
    "onnx",
    epilog=options.example(
        "geoseg bundle import onnx model.onnx bundle/ --name fields --bands red,nir --classes field,other"
    ),
)
@click.argument("model", type=options.PATH, metavar="MODEL")
@click.argument("out", type=options.PATH, metavar="OUT")
@facts_options
@click.option(
    "--align", type=options.PIXELS, default=32, show_default=True, metavar="PIXELS", help="Total stride of the network."
)
def import_onnx(model: str, out: str, align: int, overwrite: bool, **stated: Any) -> None:
    """Take a self-contained ONNX file of standard operators: one float32 image in, logits of the same size out."""
    from dataclasses import replace

    from geoseg.model.bundle import save_bundle
    from geoseg.model.onnxfile import read_onnx

    _require_file(model)
    side = read_onnx(model).fixed_size
    facts = replace(_facts(stated, None), align=align, fixed_size=side is not None)
    facts = facts if side is None else replace(facts, chip_size=side)
    _say(save_bundle(out, facts, weights=Path(model).read_bytes(), overwrite=overwrite))


@import_.command(
    "smp",
    epilog=options.example(
        "geoseg bundle import smp weights.safetensors bundle/ --architecture Unet --encoder resnet18 \\\n"
        "      --name fields --bands red,nir --classes field,other"
    ),
)
@click.argument("weights", type=options.PATH, metavar="WEIGHTS")
@click.argument("out", type=options.PATH, metavar="OUT")
@click.option("--architecture", required=True, metavar="NAME", help="Unet, FPN, Segformer, ... as in smp.")
@click.option("--encoder", required=True, metavar="NAME", help="Encoder, as smp names it.")
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="Further argument of the architecture.")
@facts_options
def import_smp(weights: str, out: str, overwrite: bool, **stated: Any) -> None:
    """Take the state dict of a segmentation-models-pytorch network, saved as safetensors."""
    from geoseg.model.bundle import NetworkSpec, save_bundle
    from geoseg.model.network import adopt
    from geoseg.model.weights import read_tensors

    _require_file(weights)
    params = tuple(sorted(_param(text) for text in stated.pop("params")))
    counts = len(stated["bands"]), len(stated["classes"])
    spec = NetworkSpec(stated.pop("architecture"), stated.pop("encoder"), *counts, params)
    facts = _facts(stated, spec)
    _say(save_bundle(out, facts, weights=adopt(spec, read_tensors(weights)), overwrite=overwrite))


@command.group(epilog=options.example("geoseg bundle export onnx bundle/ bundle-onnx/"))
def export() -> None:
    """Give a bundle out in another form."""


@export.command("onnx", epilog=options.example("geoseg bundle export onnx bundle/ bundle-onnx/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@click.argument("out", type=options.PATH, metavar="OUT")
@options.overwrite
def export_onnx(bundle: str, out: str, overwrite: bool) -> None:
    """A torch bundle as an ONNX bundle: a folder with model.onnx that geoseg, and others, run without torch."""
    from geoseg.model.bundle import open_bundle
    from geoseg.model.export import export_onnx

    _say(export_onnx(open_bundle(bundle), out, overwrite=overwrite))


@export.command(
    "openvino",
    epilog=options.example("geoseg bundle export openvino bundle/ model.xml --precision int8 --calibrate scene.tif"),
)
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@click.argument("out", type=options.PATH, metavar="OUT.xml")
@click.option("--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True)
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
    from geoseg.model.bundle import open_bundle
    from geoseg.model.calibrate import chips_of
    from geoseg.model.openvino_export import export_openvino
    from geoseg.raster.scene import open_scene

    opened = open_bundle(bundle)
    reading = {name: given.pop(name) for name in options.SCENE}
    chips = None
    if calibrate:
        scene = open_scene(list(calibrate), **reading)
        chips = chips_of(scene.select([band.name for band in opened.bands]).in_units(opened.units), opened)
    made = export_openvino(opened, out, calibration=chips, **given)
    click.echo(str(made.path))
    ran = f"; {made.int8} of {made.operations} convolutions and products in int8" if made.int8 else ""
    click.echo(f"{made.changed:.2%} of {made.pixels:,} pixels change class{ran}", err=True)


def _rows(bundle: Bundle) -> list[tuple[str, str]]:
    fields = json.loads(bundle.card)["properties"]
    network = bundle.network
    rows = [
        ("bundle", f"{bundle.name} {bundle.version}"),
        ("digest", f"sha256:{bundle.digest}"),
        ("about", fields["description"]),
        ("licence", fields["license"]),
        ("network", f"{network.architecture} {network.encoder}" if network else "ONNX graph"),
        ("chips", f"{bundle.chip_size} px, halo {bundle.halo} px, reads at multiples of {bundle.align} px"),
        ("sizes", "this chip size only" if bundle.fixed_size else "any multiple"),
        ("units", bundle.units),
    ]
    rows += [("band", f"{band.name}  mean {band.mean:g}, std {band.std:g}") for band in bundle.bands]
    rows += [("class", f"{item.value}  {item.name}") for item in bundle.legend.classes]
    rows += [("score", f"{name}  {value}") for name, value in json.loads(bundle.scores).items()]
    return rows


def _facts(stated: dict[str, Any], network: NetworkSpec | None) -> BundleFacts:
    from geoseg.legend import Legend
    from geoseg.model.bundle import BandSpec, BundleFacts

    bands, classes = stated["bands"], stated["classes"]
    means = _numbers("--mean", stated["mean"] or ["0"] * len(bands), bands, float)
    stds = _numbers("--std", stated["std"] or ["1"] * len(bands), bands, float)
    values = _numbers("--values", stated["values"] or [str(i + 1) for i in range(len(classes))], classes, int)
    if len(set(values)) < len(values) or not all(0 <= value <= 255 for value in values):
        remedy = "Give each class a value of its own, 0-255"
        raise UsageError.of("USAGE", "--values", "a mask of 8 bits cannot hold them", remedy)
    return BundleFacts(
        name=stated["name"],
        version=stated["model_version"],
        licence=stated["licence"],
        bands=tuple(BandSpec(*band) for band in zip(bands, means, stds, strict=True)),
        legend=Legend.of(dict(zip(values, classes, strict=True))),
        units=stated["units"],
        chip_size=stated["chip_size"],
        halo=stated["halo"],
        network=network,
    )


def _numbers(option: str, words: list[str], of: tuple[str, ...], kind: Callable[[str], Any]) -> list[Any]:
    if len(words) != len(of):
        raise UsageError.of("USAGE", option, f"{len(words)} numbers for {', '.join(of)}", "Give one for each")
    try:
        return [kind(word) for word in words]
    except ValueError as error:
        raise UsageError.of("USAGE", option, str(error), "Give numbers between commas") from error


def _param(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        parsed = json.loads(value)
    except ValueError as error:
        remedy = 'Write --param encoder_depth=4 or --param decoder_channels=[64,32,16,8]; text in "quotes"'
        raise UsageError.of("USAGE", "--param", f"{text} is not NAME=JSON", remedy) from error
    return name, tuple(parsed) if isinstance(parsed, list) else parsed


def _require_file(path: str) -> None:
    if not Path(path).is_file():
        raise BundleError.of("MISSING", path, "is not a file", "Name the file of weights")


def _say(bundle: Bundle) -> None:
    click.echo(f"{bundle.path}: {bundle.id}")
