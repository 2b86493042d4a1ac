"""Strata: which pixels are drawn from together: classes, groups of classes, the surroundings of borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.legend import MOST, Legend

NONE = 65535
"""Position of pixels that are in no stratum."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Pixels and area of each class value, away from borders (``[0]``) and near them (``[1]``): int64 (2, 65536).

    Areas are in the units of a :class:`geoseg.vector.lattice.Lattice`; sums of integers do not depend on the order.
    """

    n_pixels: Ints
    units: Ints


@dataclass(frozen=True, slots=True)
class Rule:
    """How class values are put into strata, before anything is counted.

    Parameters
    ----------
    kept
        Class values that are sampled.
    groups
        Names of strata to the classes that each one holds.
    least_units
        Classes with less area than this are one stratum.
    border_name, other_name
        What the stratum near borders is called, and that of small classes (given the class value: changes and
        persistences apart).
    """

    kept: frozenset[int]
    groups: Mapping[str, tuple[int, ...]]
    least_units: int
    border_name: str
    other_name: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Part:
    """One stratum as decided: name, the class where it is one, and its cells ``(near a border, class value)``."""

    value: int
    name: str
    map_class: int | None
    cells: tuple[tuple[int, int], ...]

    @property
    def classes(self) -> tuple[int, ...]:
        """The class values in it, ascending."""
        return tuple(sorted({value for _, value in self.cells}))


def decide(cells: Cells, legend: Legend, rule: Rule) -> list[Part]:
    """The strata that have pixels: classes in the legend's order, then groups, small classes, and the border.

    A stratum that is one class has its value; others get the lowest values above all classes that are free.
    """
    groups: dict[str, list[tuple[int, int]]] = {name: [] for name in rule.groups}
    of_class = {value: name for name, values in rule.groups.items() for value in values}
    border: list[tuple[int, int]] = []
    parts: list[Part] = []
    area = cells.units.sum(axis=0)
    there = cells.n_pixels > 0
    names = legend.names
    occurring = [v for v in names if there[:, v].any()]
    occurring += [v for v in np.flatnonzero(there.any(axis=0)).tolist() if v not in names]
    for value in (v for v in occurring if v in rule.kept):
        if there[1, value]:
            border.append((1, value))
        if not there[0, value]:
            continue
        if value not in of_class and area[value] < rule.least_units:
            of_class[value] = rule.other_name(value)
        if value in of_class:
            groups.setdefault(of_class[value], []).append((0, value))
        else:
            parts.append(Part(value, names.get(value, str(value)), value, ((0, value),)))
    others = [*groups.items(), (rule.border_name, border)]
    free = _free({*names, *occurring, legend.nodata})
    parts += [Part(next(free), name, None, tuple(found)) for name, found in others if found]
    _check_names(parts)
    return parts


def positions(parts: Iterable[Part]) -> npt.NDArray[np.uint16]:
    """The position of each cell's stratum, uint16 (2, 65536); :data:`NONE` where it has none."""
    made = np.full((2, MOST + 1), NONE, np.uint16)
    for i, part in enumerate(parts):
        for near, value in part.cells:
            made[near, value] = i
    return made


def read_groups(given: Mapping[str, Iterable[str]], legend: Legend) -> dict[str, tuple[int, ...]]:
    """Groups of classes by value; UsageError ``STRATA`` where a class is in two, ``LEGEND`` where there is none of a name."""
    made = {name: tuple(legend.value_of(str(word)) for word in words) for name, words in given.items()}
    every = [value for values in made.values() for value in values]
    twice = [value for value in every if every.count(value) > 1]
    if twice:
        raise UsageError.of("STRATA", legend.names[twice[0]], "is in more than one group", "Name each class once")
    return made


def _free(taken: set[int]) -> Iterator[int]:
    above = max((v for v in taken if v != MOST), default=0) + 1
    return iter([v for v in (*range(above, MOST), *range(1, above)) if v not in taken])


def _check_names(parts: list[Part]) -> None:
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1 and any(part.map_class is None for part in parts if part.name == name):
            raise UsageError.of("STRATA", name, "is the name of two strata", "Give the group another name")
