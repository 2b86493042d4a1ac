"""Dated: names of bands at two dates, ``before_red`` and ``after_red``: two scenes of one place are then bands of one."""

from __future__ import annotations

from collections.abc import Sequence

BEFORE, AFTER = "before_", "after_"
"""What the names of the earlier and of the later date's bands begin with."""


def dated(names: Sequence[str]) -> tuple[str, ...]:
    """The bands at both dates: all of the earlier one, then all of the later one."""
    return tuple(date + name for date in (BEFORE, AFTER) for name in names)


def undated(names: Sequence[str]) -> tuple[str, ...] | None:
    """What was :func:`dated` to give ``names``; None where they are not those of two dates."""
    half = len(names) // 2
    each = tuple(name.removeprefix(BEFORE) for name in names[:half])
    return each if half and all(each) and dated(each) == tuple(names) else None


def date_and_name(name: str) -> tuple[str, str]:
    """``before_`` or ``after_`` and the band's name without it; empty and the name for any other."""
    date = next((date for date in (BEFORE, AFTER) if name.startswith(date)), "")
    return date, name[len(date) :]


def pictured(names: Sequence[str]) -> tuple[list[str], str]:
    """Names for a picture, in lower case, and which date it shows: of two dates the later one's bands only, the others ''."""
    lower = [name.lower() for name in names]
    if undated(lower) is None:
        return lower, ""
    return [name.removeprefix(AFTER) if name.startswith(AFTER) else "" for name in lower], "after"
