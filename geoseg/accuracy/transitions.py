"""Transitions: classes of a change map as pairs, and all pairs that a reference may show."""

from __future__ import annotations

from geoseg.legend import Legend

ARROW = "->"
MOST_PAIRS = 1024
"""More pairs than this are no choice for a form: it then offers those that occur."""


def is_change(legend: Legend) -> bool:
    """Whether all classes are transitions: values ``from * 256 + to`` and names ``from->to``."""
    return bool(legend.classes) and all(
        item.value >> 8 and item.value & 255 and ARROW in item.name for item in legend.classes
    )


def is_persistence(value: int) -> bool:
    """Whether a transition's classes are the same."""
    return value >> 8 == value & 255


def all_pairs(legend: Legend) -> Legend:
    """Every pair of the classes of a change map, ``from->to``; by value; those of ``legend`` as they are.

    A reference may show what the map has nowhere.
    """
    names: dict[int, str] = {}
    for item in legend.classes:
        before, _, after = item.name.partition(ARROW)
        names.setdefault(item.value >> 8, before)
        names.setdefault(item.value & 255, after)
    if len(names) ** 2 > MOST_PAIRS:
        return legend
    pairs = {
        before * 256 + after: f"{names[before]}{ARROW}{names[after]}"
        for before in sorted(names)
        for after in sorted(names)
    }
    return Legend.of(pairs | {v: n for v, n in legend.names.items() if v in pairs}, legend.colours)
