"""Words: numbers, times and settings as a page says them, and the parts that every page has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """A number that a reader looks for first, and what to think of it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with terms and what they are."""

    title: str
    rows: Rows


def number(value: float) -> str:
    """A number with separated thousands and about four significant digits."""
    size = abs(value)
    return f"{value:,.{0 if size >= 1000 or value == int(value) else 1 if size >= 100 else 2 if size >= 1 else 4}f}"


def percent(share: float) -> str:
    """A share (0-1) in percent; small ones keep two digits."""
    value = 100 * share
    digits = 1 if value >= 10 else 2 if value >= 1 else 1 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:.{min(digits, 6)}f} %"


def interval(one: Any) -> str:
    """A share (0-1) with its 95 % interval, as far as both are known; ``one`` has ``value``, ``low`` and ``high``."""
    if one.value is None:
        return "-"
    return percent(one.value) + (f" ({percent(one.low)} to {percent(one.high)})" if one.low is not None else "")


def figure(one: Any) -> str:
    """A score of 0-1 with its 95 % interval, as far as both are known, to three digits."""
    if one.value is None:
        return "-"
    return f"{one.value:.3f}" + (f" ({one.low:.3f} to {one.high:.3f})" if one.low is not None else "")


def area(hectares: float) -> str:
    """Hectares with their unit; km² from a thousand on."""
    return f"{number(hectares / 100)} km²" if abs(hectares) >= 1000 else f"{number(hectares)} ha"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.{2 if seconds < 10 else 1}f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def volume(size: float) -> str:
    """Bytes with a binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def moment(time: object) -> str:
    """A time in ISO 8601 to the minute; a day stays one."""
    day, _, clock = str(time or "").partition("T")
    return f"{day} {clock[:5]} UTC" if clock else day


def hex_colour(colour: tuple[int, int, int]) -> str:
    """A colour as HTML has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def rows_of(pairs: Iterable[tuple[str, object]]) -> Rows:
    """Terms and texts of a section; what nobody knows is left out."""
    return tuple((name, str(value)) for name, value in pairs if value not in (None, "", []))


def settings_rows(settings: Mapping[str, Any], *, files: Sequence[str] = ()) -> Iterator[tuple[str, object]]:
    """Settings that were asked for, or that say something: not the empty ones; ``files`` are told without folders."""
    for name, value in sorted(settings.items()):
        if isinstance(value, Mapping):
            yield from ((f"{name.replace('_', ' ')}: {inner}", found) for inner, found in settings_rows(value))
        elif value not in (None, False, 0, "", "none", "auto", [], ()):
            values = value if isinstance(value, list | tuple) else [value]
            words = [
                "yes" if v is True else PurePath(v).name if name in files and isinstance(v, str) else v for v in values
            ]
            yield name.replace("_", " "), ", ".join(map(str, words))


def side_rows(side: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """One of the two inputs of a comparison, as its record tells it."""
    yield "Name", side.get("name")
    yield "File", side.get("path")
    yield "Taken", moment(side.get("datetime"))
    yield "Fingerprint", side.get("fingerprint")


def grid_rows(grid: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The grid, as a record tells it."""
    shape = grid.get("shape")
    yield "Size", f"{number(shape[0])} rows by {number(shape[1])} columns" if shape else None
    yield "Pixel", " by ".join(f"{float(side):.9g}" for side in grid.get("res") or ())
    yield "CRS", str(grid.get("crs") or "")[:120]


def steps_of(seconds: Mapping[str, float], known: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """Steps and their seconds: the known ones in their order and words, then the others; not what took no time."""
    for name in [*(name for name in known if name in seconds), *sorted(set(seconds) - set(known))]:
        if seconds[name] >= 0.001 and name != "report":  # which is not known while the page is made
            yield known.get(name, name.replace("_", " ")), float(seconds[name])
