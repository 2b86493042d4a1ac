"""``geoseg bundle show``: what a bundle is, how good it is, and what it was trained on, in lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle

_WIDTH = 14
_LINE = 100
_SCORES = "scores (in brackets the 95 % interval)"
_FIRST = ("digest", "scenes", "labels", "split", "calibration", "halo")  # what a reader looks for


@click.command(epilog=options.example("geoseg bundle show bundle/"))
@click.argument("bundle", type=options.PATH, metavar="BUNDLE")
@options.as_json
def show(bundle: str, as_json: bool) -> None:
    """What a bundle is: bands, classes, network, chips, scores, training data; --json prints its card."""
    from geoseg.model.bundle import open_bundle

    opened = open_bundle(bundle)
    if as_json:
        click.echo(json.dumps(json.loads(opened.card), indent=2, sort_keys=True))
        return
    for line in lines(opened):
        click.echo(line)


def lines(bundle: Bundle) -> Iterator[str]:
    """The facts of the card: scores as the report tells them, training as the card has it, whatever its names."""
    from geoseg.model.told import score_rows
    from geoseg.raster.dated import undated

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
    each = undated([band.name for band in bundle.bands])
    if each is not None:
        how = f", compared by {network.fusion.replace('_', ' ')}" if network and network.fusion else ""
        rows += [("dates", f"two, BEFORE AFTER, each with {', '.join(each)}{how}")]
    rows += [("band", f"{band.name}  mean {band.mean:g}, std {band.std:g}") for band in bundle.bands]
    rows += [("class", f"{item.value}  {item.name}") for item in bundle.legend.classes]
    rows += [("files", ", ".join(bundle.beside))] if bundle.beside else []
    yield from (f"{name:<{_WIDTH}}{value}" for name, value in rows)
    scores = score_rows(json.loads(bundle.scores))
    if scores:
        yield from ("", _SCORES)
        width = max(_WIDTH - 2, *(len(name) + 2 for name, _ in scores))
        yield from (f"  {name:<{width}}{text}" for name, text in scores)
    training = fields["geoseg:bundle"]["training"]
    if training:
        yield from ("", "training")
        first = {name: training[name] for name in _FIRST if name in training}
        yield from _table({**first, **training}, 2)


def _table(table: Mapping[str, Any], indent: int) -> Iterator[str]:
    """A line for each entry; what does not fit into one is a table below its name."""
    width = max([_WIDTH - indent, *(len(name) + 2 for name, value in table.items() if _in_a_line(value))])
    for name, value in table.items():
        if _in_a_line(value):
            yield f"{'':{indent}}{_words(name):<{width}}{_text(value)}".rstrip()
            continue
        yield f"{'':{indent}}{_words(name)}"
        below = value if isinstance(value, Mapping) else {_name(i, item): item for i, item in enumerate(value, start=1)}
        yield from _table(below, indent + 2)


def _in_a_line(value: Any) -> bool:
    if not isinstance(value, Mapping | list):
        return True
    inner = value.values() if isinstance(value, Mapping) else value
    return not any(isinstance(item, Mapping | list) for item in inner) and len(_text(value)) <= _LINE


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _name(number: int, item: Any) -> str:
    return str(item.get("name", number)) if isinstance(item, Mapping) else str(number)
