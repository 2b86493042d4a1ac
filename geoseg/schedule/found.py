"""Found: what a run left in its folder: pages, records of change, and the intervals of areas that are known."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from geoseg.schedule.condition import Quantity

_MOST_FILES, _MOST_BYTES, _DEEPEST = 100_000, 64 << 20, 8


@dataclass(frozen=True, slots=True)
class Interval:
    """An area in ha with its 95 % interval, and what it was estimated from."""

    name: str
    value: float
    low: float
    high: float
    source: str

    def __str__(self) -> str:
        """``tree->bare: 12.4 ha (95 %: 9.8-15.1 ha; labelled samples)``."""
        return f"{self.name}: {self.value:.4g} ha (95 %: {self.low:.4g}-{self.high:.4g} ha; {self.source})"


def files_named(out: str | Path, name: str, *, since: datetime | None = None) -> Iterator[Path]:
    """Files of a name below a run's folder, by path; hidden folders and links are left out, and what is older than ``since``."""
    seen = 0
    for folder, folders, files in os.walk(out):
        deep = len(Path(folder).relative_to(out).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and deep < _DEEPEST)
        seen += len(files)
        if seen > _MOST_FILES:
            return
        path = Path(folder, name)
        with suppress(OSError):
            if name in files and not path.is_symlink() and _is_young(path, since):
                yield path


def change_records(out: str | Path, *, since: datetime | None = None) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The records (``run.json``) of comparisons of two maps, with their folders."""
    for path in files_named(out, "run.json", since=since):
        with suppress(OSError, ValueError):
            if path.stat().st_size > _MOST_BYTES:
                continue
            record = json.loads(path.read_bytes())
            if isinstance(record, dict) and {"matrix", "by_class", "changed"} <= set(record):
                yield path.parent, record


def intervals(out: str | Path, record: Mapping[str, Any], quantity: Quantity) -> tuple[Interval, ...]:
    """What is known of a quantity's area beyond the pixels that were counted.

    From labelled samples of a change map (``estimate.csv``) for each transition; from the maps' own errors for all change.
    """
    wanted = {_transition(record, i, j) for i, j in quantity.places(record)}
    made = [item for path in files_named(out, "estimate.csv") for item in _estimates(path) if item.name in wanted]
    errors = record.get("errors")
    with suppress(KeyError, TypeError, ValueError):
        change, compared = (errors or {})["change"], float(record["changed"]["compared_ha"])
        value, low, high = (float(change[key]) * compared for key in ("value", "low", "high"))
        made.append(Interval("all change", value, low, high, "the maps' own errors"))
    return tuple(made)


def _estimates(path: Path) -> Iterator[Interval]:
    with suppress(OSError, ValueError, csv.Error), path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = [row.get(name) or "" for name in ("area_ha", "area_ha_low", "area_ha_high")]
            if all(numbers) and row.get("class_name"):
                value, low, high = map(float, numbers)
                yield Interval(str(row["class_name"]), value, low, high, "labelled samples")


def _transition(record: Mapping[str, Any], i: int, j: int) -> str:
    """The name of a transition in a change map's legend."""
    names = [str(item["name"]) for item in record["classes"]]
    return f"{names[i]}->{names[j]}"


def _is_young(path: Path, since: datetime | None) -> bool:
    return since is None or path.stat().st_mtime >= since.timestamp() - 2
