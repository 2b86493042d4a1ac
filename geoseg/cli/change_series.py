"""``geoseg change`` with three maps or more: the trajectory of every pixel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.jobs.trajectory import TrajectoryResult

ONLY = {"flicker", "errors", "stay", "fill_gaps"}
"""Names of the options of :func:`series_options` that two maps have not."""
_MOST = 12


class Stay(click.types.StringParamType):
    """``auto``, a probability, or one for each interval between commas."""

    name = "probability"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the numbers; whether they are probabilities shows later."""
        if not isinstance(value, str) or value == "auto":
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is neither auto nor probabilities such as 0.95", param, ctx)


def series_options(command: options.Command) -> options.Command:
    """What only maps of several dates have."""
    return options.stack(
        command,
        click.option(
            "--dates", type=options.names, metavar="DATE,...",
            help="Of each map, 1985, 1985-07 or 1985-07-14; else what segment folders say.",
        ),
        click.option(
            "--flicker", is_flag=True,
            help="With three maps or more: take flicker out, by a hidden Markov model of errors and change.",
        ),
        click.option(
            "--errors", multiple=True, metavar="FILE|NUMBER",
            help="With three maps or more: scores.json, bundle folder, or overall accuracy (0-1); once for all maps, or for each.",
        ),
        click.option(
            "--stay", type=Stay(), metavar="auto|P[,P...]",
            help="With --flicker: probability that a pixel keeps its class from a date to the next; auto estimates it.",
        ),
        click.option(
            "--fill-gaps", is_flag=True,
            help="With --flicker: dates without data get the most probable class.",
        ),
    )  # fmt: skip


def compare_series(maps: list[str], out: str, values: dict[str, Any]) -> None:
    """Compare the maps and say what came of it."""
    from geoseg.cli.progress import watched
    from geoseg.compare.trajectory_settings import TrajectorySettings
    from geoseg.jobs.trajectory import trajectory

    if values.pop("connectivity", "4") != "4":
        raise click.UsageError("--connectivity goes with two maps, whose changed places become polygons")
    as_json = values.pop("as_json", False)
    strange = sorted(values.keys() - TrajectorySettings.model_fields.keys())
    if strange:
        raise click.UsageError(f"--{strange[0].replace('_', '-')} goes with two dates, and there are {len(maps)} maps")
    settings = TrajectorySettings.of(**values)
    with watched(out, quiet=options.quiet()) as report:
        result = trajectory(maps, out, settings=settings, on_progress=report)
    click.echo(json.dumps(result.run) if as_json else _table(result))


def _table(result: TrajectoryResult) -> str:
    """The largest changing trajectories, the change of each interval, the statement."""
    run, found = result.run, result.trajectories
    names = {item["value"]: item["name"] for item in run["classes"]}
    changing = (found.n_changes > 0).nonzero()[0]
    unit = result.steps[0].unit_m2 / 1e4
    largest = [
        ("->".join(names.get(value, "?") for value in found.rows[i].tolist()), i + 1, int(found.area[i]) * unit)
        for i in changing[:_MOST]
    ]
    width = max([len("trajectory"), *(len(name) for name, _, _ in largest)])
    lines = [f"{'trajectory':{width}}  {'number':>8}  {'ha':>14}"] if largest else []
    lines += [f"{name:{width}}  {number:8}  {ha:14.4f}" for name, number, ha in largest]
    if len(changing) > _MOST:
        lines.append(f"{len(changing) - _MOST} more in trajectories.csv")
    lines.append(f"{'interval':{width}}  {'changed':>8}  {'ha':>14}")
    for step in run["steps"]:
        changed = step["changed"]
        name = f"{step['from']} to {step['to']}"
        lines.append(f"{name:{width}}  {changed['share']:8.2%}  {changed['area_ha']:14.4f}")
    return "\n".join([*lines, *run["notes"], result.statement, str(result.folder)])
