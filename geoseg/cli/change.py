"""``geoseg change``: maps of two or more dates, or two images, against each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options
from geoseg.cli.change_series import ONLY, compare_series, series_options
from geoseg.cli.recode import Recode

if TYPE_CHECKING:
    from geoseg.jobs.change import ChangeResult


def map_options(command: options.Command) -> options.Command:
    """How maps are brought together."""
    return options.stack(
        command,
        click.option(
            "--align", is_flag=True, help="Where the grids differ, warp the others (nearest) onto the first one's."
        ),
        click.option(
            "--recode", type=Recode(), metavar="CLASS=NAME,...",
            help="Names of the joined legend, by each map's names or values; before: or after: limits to one map, nodata drops.",
        ),
        options.mask_options,
    )  # fmt: skip


def rule_options(command: options.Command) -> options.Command:
    """Which differences count as change."""
    return options.stack(
        command,
        options.min_area,
        click.option(
            "--tolerance", type=click.IntRange(0, 16), metavar="PX",
            help="Misregistration that is absorbed at class borders.",
        ),
        click.option(
            "--confidence-min", type=click.FloatRange(0, 100), metavar="P",
            help="Percent that the dates' confidence must reach; of segment folders with confidence.tif.",
        ),
        click.option(
            "--joint-min", type=click.FloatRange(0, 1), metavar="P",
            help="Least joint probability of a transition; of segment folders with probabilities.zarr.",
        ),
        click.option(
            "--max-shift", type=click.FloatRange(min=0), metavar="PX",
            help="Refuse inputs that surely lie further beside each other; 0: never. Of maps 1 by default.",
        ),
        options.connectivity,
    )  # fmt: skip


def error_options(command: options.Command) -> options.Command:
    """What is known of the maps' own errors."""
    said = "scores.json, bundle folder, or overall accuracy (0-1) of"
    return options.stack(
        command,
        click.option("--before-errors", metavar="FILE|NUMBER", help=f"{said} BEFORE."),
        click.option("--after-errors", metavar="FILE|NUMBER", help=f"{said} AFTER."),
        click.option(
            "--seed", type=click.IntRange(min=0), metavar="N",
            help="Of the draws of stated errors that have an interval (0.97+-0.01, scores.json).",
        ),
    )  # fmt: skip


def image_options(command: options.Command) -> options.Command:
    """Two images instead of maps."""
    return options.stack(
        command,
        click.option(
            "--method", type=click.Choice(["cva", "irmad"]),
            help="BEFORE and AFTER are images, compared without a model: change vectors, or reweighted MAD.",
        ),
        click.option(
            "--threshold", type=click.Choice(["false-alarm", "otsu", "kittler"]),
            help="With --method: what counts as changed.",
        ),
        click.option(
            "--false-alarm", type=click.FloatRange(1e-9, 0.5), metavar="SHARE",
            help="With --method: share of unchanged pixels that may count as changed.",
        ),
        options.bands,
        options.quality,
    )  # fmt: skip


def run_options(command: options.Command) -> options.Command:
    """Zones, outlines, where the work is done."""
    return options.stack(
        command,
        click.option("--zones", type=options.PATH, metavar="FILE", help="Polygons that change is also counted in."),
        click.option("--zone-field", metavar="NAME", help="Column with the zones' names; their ids by default."),
        options.simplify,
        options.smooth,
        click.option(
            "--only", type=click.Choice(["raster"]), help="Stop after the raster and its tables: no polygons, no page."
        ),
        click.option(
            "--note", "notes", multiple=True, metavar="TEXT", help="What a reader should know of the maps; on the page."
        ),
        options.block_size,
        click.option(
            "--workers", type=click.IntRange(min=0), metavar="N",
            help="Local worker processes; 0, the default: the threads of this one.",
        ),
        options.cluster_options,
        options.threads,
        options.overwrite,
        options.as_json,
    )  # fmt: skip


@click.command(
    epilog=options.example(
        "geoseg change 1996/ 2000/ out/ --tolerance 1 --min-area 5000",
        "geoseg change 1990.tif 2000.tif 2010.tif out/ --dates 1990,2000,2010 --flicker --errors 0.9",
        "geoseg change before.tif after.tif out/ --method irmad",
    )
)
@click.argument("inputs", nargs=-1, required=True, metavar="BEFORE AFTER... OUT", type=options.PATH)
@map_options
@rule_options
@error_options
@series_options
@image_options
@run_options
def command(inputs: tuple[str, ...], **given: Any) -> None:
    """Compare maps of two dates, class rasters or folders of segment runs, and write what became what into OUT.

    Leaves change.tif (before * 256 + after), transitions.csv, polygons.gpkg, item.json, report.html and run.json. With
    three maps or more: the trajectory of every pixel. With --method: two images, compared without a model.
    """
    *sources, out = inputs
    values = {name: value for name, value in given.items() if value is not None and value is not False and value != ()}
    if len(sources) < 2:
        raise click.UsageError("give BEFORE and AFTER, then the folder OUT")
    if "method" in values:
        _images(sources, out, values)
    elif len(sources) > 2:
        _trajectory(sources, out, values)
    else:
        _maps(sources[0], sources[1], out, values)


_IMAGES_ONLY = {"method", "threshold", "false_alarm", "bands", "quality"}


def _maps(before: str, after: str, out: str, values: dict[str, Any]) -> None:
    """Two class maps."""
    from geoseg.cli.progress import watched
    from geoseg.compare.settings import ChangeSettings
    from geoseg.jobs.change import change

    _refuse(values, _IMAGES_ONLY, "with --method, which compares images")
    _refuse(values, ONLY, "with three maps or more")
    as_json = values.pop("as_json", False)
    values["connectivity"] = int(values["connectivity"])
    settings = ChangeSettings.of(**values)
    with watched(out, quiet=options.quiet()) as report:
        result = change(before, after, out, settings=settings, on_progress=report)
    click.echo(json.dumps(result.run) if as_json else _table(result))


def _trajectory(maps: list[str], out: str, values: dict[str, Any]) -> None:
    """Three maps or more."""
    _refuse(values, _IMAGES_ONLY, "with --method, which compares two images")
    compare_series(maps, out, values)


def _images(sources: list[str], out: str, values: dict[str, Any]) -> None:
    """Two images."""
    if len(sources) != 2:
        raise click.UsageError(f"--method compares two images, not {len(sources)}")
    from geoseg.cli.progress import watched
    from geoseg.compare.image_settings import ImageSettings
    from geoseg.jobs.compare_images import compare_images
    from geoseg.raster.scene import open_scene

    _refuse(
        values,
        values.keys() - ImageSettings.model_fields.keys() - {*options.SCENE, "dates", "as_json"},
        "with class maps",
    )
    as_json = values.pop("as_json", False)
    dates = values.pop("dates", (None, None))
    if len(dates) != 2:
        raise click.UsageError(f"--dates: {len(dates)} dates for two images")
    opened = {name: values.pop(name) for name in options.SCENE if name in values}
    values["connectivity"] = int(values["connectivity"])
    if "min_area" in values:
        if values["min_area"].classes:
            raise click.UsageError("--min-area: images have no classes; give one number")
        values["min_area"] = values["min_area"].others
    settings = ImageSettings.of(**values)
    with watched(out, quiet=options.quiet()) as report:
        before, after = (open_scene(path, date=date, **opened) for path, date in zip(sources, dates, strict=True))
        result = compare_images(before, after, out, settings=settings, on_progress=report)
    notes = result.record["notes"]
    click.echo(json.dumps(result.record) if as_json else "\n".join([*notes, result.statement, str(result.folder)]))


def _refuse(values: dict[str, Any], names: set[str], where: str) -> None:
    """Say which option belongs to another kind of comparison."""
    found = sorted(names & values.keys())
    if found:
        raise click.UsageError(f"--{found[0].replace('_', '-')} goes {where}")


def _table(result: ChangeResult) -> str:
    """The largest transitions, each class's gain and loss, the statement."""
    transitions = result.transitions
    names = [item.name for item in transitions.legend.classes]
    area = transitions.area_m2 / 1e4
    found = sorted(((area[i, j], i, j) for i, j in transitions.occurring() if i != j), reverse=True)
    lines = []
    width = max([len("transition"), *(len(names[i]) + len(names[j]) + 2 for _, i, j in found[:10])])
    if found:
        lines.append(f"{'transition':{width}}  {'ha':>14}")
        lines += [f"{names[i] + '->' + names[j]:{width}}  {ha:14.4f}" for ha, i, j in found[:10]]
        if len(found) > 10:
            lines.append(f"{len(found) - 10} more in transitions.csv")
    wide = max((len(name) for name in names), default=0)
    lines.append(f"{'class':{wide}}  {'before ha':>14}  {'gain':>12}  {'loss':>12}  {'after ha':>14}")
    for row in transitions.by_class():
        had, gain, loss, has = (value / 1e4 for value in (row.before, row.gain, row.loss, row.after))
        lines.append(f"{row.class_name:{wide}}  {had:14.4f}  {gain:12.4f}  {loss:12.4f}  {has:14.4f}")
    return "\n".join([*lines, *result.run["notes"], result.statement, str(result.folder)])
