"""``geoseg bundle import``: a bundle of a model of ukis-csmask, an ONNX file, or an smp network."""

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


@click.group("import", epilog=options.example("geoseg bundle import ukis-csmask clouds/ --model 4b_l2a"))
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
    from geoseg.cli.progress import working
    from geoseg.model.csmask import import_csmask

    with working():
        made = import_csmask(out, model, overwrite=overwrite)
    say(made)


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
        click.option(
            "--units", type=click.Choice(["reflectance", "dn"]), default="reflectance", show_default=True,
            help="What the network was trained on: reflectance, 0-1, or digital numbers as in the file.",
        ),
        classes,
        click.option("--values", type=options.names, metavar="VALUE,...", help="Mask value of each class; 1, 2, ..."),
        click.option("--name", required=True, help="Name of the bundle."),
        click.option("--model-version", default="1", show_default=True, help="Version of the bundle."),
        click.option("--licence", default="other", show_default=True, help="Licence of the weights, SPDX."),
        click.option(
            "--chip-size", type=options.PIXELS, default=256, show_default=True, metavar="PIXELS",
            help="Side of a chip, as the network was trained on.",
        ),
        click.option(
            "--halo", type=click.IntRange(min=0), default=64, show_default=True, metavar="PIXELS",
            help="Context per side of a chip, read and dropped.",
        ),
        options.overwrite,
    )  # fmt: skip


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
    say(save_bundle(out, facts, weights=Path(model).read_bytes(), overwrite=overwrite))


@import_.command(
    "smp",
    epilog=options.example(
        "geoseg bundle import smp saved/ bundle/ --name fields --bands red,nir --classes field,other"
    ),
)
@click.argument("source", type=options.PATH, metavar="FOLDER|WEIGHTS")
@click.argument("out", type=options.PATH, metavar="OUT")
@click.option("--architecture", metavar="NAME", help="Of WEIGHTS: Unet, FPN, Segformer, ... as in smp.")
@click.option("--encoder", metavar="NAME", help="Of WEIGHTS: the encoder, as smp names it.")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=JSON", help="Of WEIGHTS: further argument of the architecture."
)
@facts_options
def import_smp(
    source: str, out: str, architecture: str | None, encoder: str | None, params: tuple[str, ...], **stated: Any
) -> None:
    """Take a network of segmentation-models-pytorch: a FOLDER of save_pretrained, or its WEIGHTS as safetensors.

    The folder names the network; of bare weights --architecture and --encoder do. Of a network with one channel, which
    says how sure it is of one class, name two classes: the other one first.
    """
    from geoseg.model.bundle import save_bundle
    from geoseg.model.smp_folder import read_folder, read_weights

    overwrite = stated.pop("overwrite")
    counts = len(stated["bands"]), len(stated["classes"])
    named = {"--architecture": architecture, "--encoder": encoder}
    if Path(source).is_dir():
        given = [*(name for name, value in named.items() if value), *["--param"][: len(params)]]
        if given:
            raise UsageError.of("USAGE", given[0], f"the network stands in {source}/config.json", "Leave it out")
        spec, weights = read_folder(source, *counts)
    else:
        _require_file(source)
        missing = [name for name, value in named.items() if not value]
        if missing:
            raise UsageError.of("USAGE", missing[0], "bare weights do not say of what network they are", "Name it")
        network = {"architecture": architecture, "encoder": encoder, "params": dict(_param(text) for text in params)}
        spec, weights = read_weights(source, network, *counts)
    say(save_bundle(out, _facts(stated, spec), weights=weights, overwrite=overwrite))


def say(bundle: Bundle) -> None:
    """Print where a bundle that was made lies, and its id."""
    click.echo(f"{bundle.path}: {bundle.id}")


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
    return name, parsed


def _require_file(path: str) -> None:
    if not Path(path).is_file():
        raise BundleError.of("MISSING", path, "is not a file", "Name the file of weights")
