"""Change legend: names and colours of change codes, ``tree->bare``."""

from __future__ import annotations

from collections.abc import Iterable

from geoseg.legend import Colour, Legend, LegendClass

_PALE: Colour = (236, 236, 236)
_FROM, _STAYED = 0.2, 0.12
"""How much of the colour of a change is that of its class before, and of persistence that of its class."""


def change_legend(legend: Legend, codes: Iterable[int]) -> Legend:
    """The legend of the change codes (``before * 256 + after``) that occur; 0 is nodata.

    A change has the colour of what it became, a little of what it was; what stayed is nearly grey.
    """
    names, colours = legend.names, legend.colours
    classes = []
    for code in sorted(codes):
        old, new = divmod(code, 256)
        colour = _mix(_PALE, colours[old], _STAYED) if old == new else _mix(colours[new], colours[old], _FROM)
        classes.append(LegendClass(code, f"{names[old]}->{names[new]}", colour))
    return Legend(tuple(classes), 0)


def from_to(legend: Legend, codes: Iterable[int]) -> dict[int, dict[str, int | str]]:
    """``from_id, from_name, to_id, to_name`` of change codes, as columns of a table."""
    names = legend.names
    made: dict[int, dict[str, int | str]] = {}
    for code in sorted(codes):
        old, new = divmod(code, 256)
        made[code] = {"from_id": old, "from_name": names[old], "to_id": new, "to_name": names[new]}
    return made


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
