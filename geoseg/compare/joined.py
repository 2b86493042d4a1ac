"""Joined legend: one set of classes, values 1-255, for maps whose legends may differ.

Where the legends say the same name for the same value, and none owns 0, values stay. Else classes are joined by name,
whatever its case. A class that only one map has is taken as it is when the other maps have no such class of their own
beside it; where each side has classes that the other lacks, a name may be spelled in two ways, and a change between
two spellings would be none: that is refused, and a table (``recode``) says what is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused, UsageError
from geoseg.legend import Colour, Legend, LegendClass
from geoseg.raster.classes import ClassRaster

Table = npt.NDArray[np.uint8]
"""Joined value by file value, uint8 (256,) or (65536,); 0: no class."""

NOTHING = "nodata"
"""What a recode table may make of a class: none at all."""
_SIDES = ("before", "after")


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The legend of all, the table of each map, and what was decided."""

    legend: Legend
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def join_legends(rasters: Sequence[ClassRaster], recode: Mapping[str, str] | None = None) -> Joined:
    """Bring the classes of several maps into one legend.

    Parameters
    ----------
    recode
        Classes, by name or value, to names of the joined legend; ``nodata`` drops a class. ``before:4`` and
        ``after:4`` (or ``1:``, ``2:``, ... in the order of the maps) are of one map only.

    Raises
    ------
    InputRefused
        ``LEGEND``: names differ and nothing says what belongs together, or there are more than 255 classes.
    UsageError
        ``LEGEND``: the table names a class that no map has.
    """
    renamed, given = _renamed(rasters, recode or {})
    agree = _agree(renamed)
    notes = _lone(rasters, renamed, given)
    classes = _classes(rasters, renamed, agree)
    if len(classes) > 255:
        what = f"{len(classes)} classes in all maps, and a change knows 255"
        raise InputRefused.of("LEGEND", rasters[0].path, what, "Join classes with --recode")
    legend = Legend(tuple(classes), 0)
    values = {item.name.casefold(): item.value for item in classes}
    tables = tuple(_table(raster, names, values) for raster, names in zip(rasters, renamed, strict=True))
    if not agree:
        notes = (f"the legends differ: classes are joined by name into {', '.join(legend.names.values())}", *notes)
    return Joined(legend, tables, notes)


Names = dict[int, str]
"""File value to joined name; what is dropped is not in it."""


def _renamed(rasters: Sequence[ClassRaster], recode: Mapping[str, str]) -> tuple[list[Names], set[str]]:
    """The names that each map's values get, and those (without case) that the table gives."""
    out = [{value: name.strip() for value, name in raster.legend.names.items()} for raster in rasters]
    for key, target in recode.items():
        side, word = _side(key, len(rasters))
        found = False
        for i, raster in enumerate(rasters):
            for value, name in raster.legend.names.items():
                if side in (None, i) and word.casefold() in (str(value), name.strip().casefold()):
                    found = True
                    out[i][value] = target.strip()
        if not found:
            known = "; ".join(f"{Path(raster.path).name}: {_list(raster.legend.names)}" for raster in rasters)
            raise UsageError.of("LEGEND", f"recode of {key}", "no map has this class", f"There are: {known}")
    given = {target.strip().casefold() for target in recode.values()}
    kept = [{value: name for value, name in names.items() if name.casefold() != NOTHING} for names in out]
    return kept, given


def _side(key: str, count: int) -> tuple[int | None, str]:
    """Which map a key of the table is about (None: all), and the class."""
    prefix, colon, word = (part.strip() for part in key.partition(":"))
    if colon and count == 2 and prefix.casefold() in _SIDES:
        return _SIDES.index(prefix.casefold()), word
    if colon and prefix.isdecimal() and 1 <= int(prefix) <= count:
        return int(prefix) - 1, word
    return None, key.strip()


def _agree(renamed: Sequence[Names]) -> bool:
    """Whether all maps have the same name for the same value, all values in 1-255."""
    by_value: dict[int, str] = {}
    by_name: dict[str, int] = {}
    for names in renamed:
        for value, name in names.items():
            word = name.casefold()
            if not 1 <= value <= 255 or by_value.setdefault(value, word) != word:
                return False
            if by_name.setdefault(word, value) != value:
                return False
    return True


def _lone(rasters: Sequence[ClassRaster], renamed: Sequence[Names], given: set[str]) -> tuple[str, ...]:
    """Notes about classes that not all maps have; refused where two maps each have some that the other lacks."""
    words = [{name.casefold() for name in names.values()} for names in renamed]
    numbered = [all(name == str(value) for value, name in names.items()) for names in renamed]
    notes: list[str] = []
    for i, raster in enumerate(rasters):
        for j in range(i + 1, len(rasters)):
            mine, theirs = words[i] - words[j] - given, words[j] - words[i] - given
            known = not (numbered[i] and numbered[j]) or not words[i] & words[j]
            if mine and theirs and known:
                pairs = [(raster, renamed[i], mine), (rasters[j], renamed[j], theirs)]
                what = "; ".join(f"{Path(r.path).name} alone has {_some(names, own)}" for r, names, own in pairs)
                remedy = (
                    "Say what belongs together, such as --recode forest=tree; a class that only one map has: "
                    "--recode snow=snow"
                )
                raise InputRefused.of("LEGEND", rasters[j].path, f"its classes have other names: {what}", remedy)
            for one, other, own in ((raster, rasters[j], mine), (rasters[j], raster, theirs)):
                if own:
                    names = renamed[i] if one is raster else renamed[j]
                    notes.append(
                        f"{Path(one.path).name} has classes that {Path(other.path).name} has not: {_some(names, own)}"
                    )
    return tuple(dict.fromkeys(notes))


def _classes(rasters: Sequence[ClassRaster], renamed: Sequence[Names], agree: bool) -> list[LegendClass]:
    """The joined classes: those of the first map first; values stay where they can."""
    found: dict[str, tuple[int, str, Colour]] = {}
    for raster, names in zip(rasters, renamed, strict=True):
        for value, name in names.items():
            own = next((i for i in raster.legend.classes if i.name.strip().casefold() == name.casefold()), None)
            colour = own.colour if own else raster.legend.colours[value]
            found.setdefault(name.casefold(), (value, name, colour))
    if agree:
        return sorted((LegendClass(*item) for item in found.values()), key=lambda item: item.value)
    used: set[int] = set()
    wanted: list[tuple[int | None, str, Colour]] = []
    for value, name, colour in found.values():
        fits = 1 <= value <= 255 and value not in used
        used |= {value} if fits else set()
        wanted.append((value if fits else None, name, colour))
    free = iter(value for value in range(1, 1 << 16) if value not in used)
    made = [LegendClass(next(free) if value is None else value, name, colour) for value, name, colour in wanted]
    return sorted(made, key=lambda item: item.value)


def _table(raster: ClassRaster, names: Names, values: Mapping[str, int]) -> Table:
    """Joined value by file value. What stands in no legend gets a value that no class has, so that it is noticed."""
    size = 256 if raster.dtype == "uint8" else 65536
    stray = next((value for value in range(255, 0, -1) if value not in values.values()), 0)
    out = np.full(size, stray, np.uint8)
    out[raster.nodata] = 0
    for value in raster.legend.values:
        out[value] = values[names[value].casefold()] if value in names else 0
    return out


def _list(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {name}" if name != str(value) else name for value, name in names.items())


def _some(names: Names, own: set[str]) -> str:
    return _list({value: name for value, name in names.items() if name.casefold() in own})
