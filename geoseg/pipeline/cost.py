"""Cost: the page of what a dry run found, for any number of workers: its tasks, alike ones together, and measured rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from geoseg.pipeline.forecast import BLOCK_S, MPX_PER_S, START_S, Forecast, TaskForecast, by_pixels
from geoseg.report.cost_page import CostPage
from geoseg.report.words import Section

_UNIT = "segment"


def cost_page(name: str, found: Forecast) -> CostPage:
    """The page of a pipeline of this name; with the forecast's rates, workers and prices are chosen in it."""
    todo = [item for item in found.tasks if item.status == "run"]
    groups = tuple({**dict(key), "n": n, "one": 1} for key, n in Counter(map(_alike, todo)).items())
    constants: dict[str, Any] = {
        "start": {"workers": found.workers, "block": 1000 * BLOCK_S},
        "measured": "; ".join(found.measured) or "nothing, enter the seconds of a chip below",
        "start_s": START_S, "mpx_per_s": MPX_PER_S, "assembled_mpx_per_s": MPX_PER_S["polygonize"],
    }  # fmt: skip
    rates = [
        ("Network", f"a few chips, every processor at work: {constants['measured']}"),
        ("A map's start and assembly", f"{START_S:g} s, and {MPX_PER_S['polygonize']:g} Mpx a second"),
        ("Other steps", ", ".join(f"{kind} {rate:g} Mpx/s" for kind, rate in MPX_PER_S.items())),
        ("Scheduling", f"{1000 * BLOCK_S:g} ms a block at most, for client and scheduler"),
    ]
    return CostPage(
        f"What {name} would take", found.statement, groups, constants,
        warnings=tuple(_warnings(found, todo)), sections=(Section("Where the rates come from", tuple(rates)),),
    )  # fmt: skip


def _alike(item: TaskForecast) -> tuple[tuple[str, Any], ...]:
    """All that the time of a task depends on."""
    timed = item.step == _UNIT or item.seconds == by_pixels(item.step, item.pixels)
    return (
        ("step", item.task.partition("/")[0]), ("kind", item.step), ("chips", item.chips), ("blocks", item.blocks),
        ("chip_size", item.chip_size), ("chip_s", item.chip_s), ("pixels", item.pixels if timed else None),
        ("read", item.read_bytes), ("write", item.write_bytes), ("seconds", item.seconds),
    )  # fmt: skip


def _warnings(found: Forecast, todo: list[TaskForecast]) -> Iterator[str]:
    refused = [item for item in found.tasks if item.status == "refused"]
    if refused:
        yield f"Cannot run and not counted: {_first(refused)}: {refused[0].why}"
    done = [item for item in found.tasks if item.status == "skipped"]
    if done:
        yield f"Done already and not counted: {_first(done)}"
    unsized = [item for item in todo if item.step == _UNIT and item.chips is None]
    if unsized:
        yield f"Of unknown size and not counted: {_first(unsized)}: {unsized[0].why}"
    unknown = [item for item in todo if item.step != _UNIT and item.seconds is None]
    if unknown:
        yield f"Of unknown time and not counted: {_first(unknown)}"
    if any(item.chips and item.chip_s is None for item in todo):
        yield "The seconds of a chip were not measured: enter them below, or leave out --no-timing"


def _first(tasks: list[TaskForecast]) -> str:
    """The first by name, and how many others."""
    others = len(tasks) - 1
    return tasks[0].task + (f" and {others} other task{'s' if others > 1 else ''}" if others else "")
