"""Dates: when each of several maps was made, as labels in order and as whole numbers for rasters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal, Self

from geoseg.errors import UsageError

Kind = Literal["year", "yyyymm", "yyyymmdd", "index"]

_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"\d{4}", "year"), (r"\d{4}-\d{2}", "yyyymm"), (r"\d{4}-\d{2}-\d{2}", "yyyymmdd"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dates:
    """Dates of maps, each later than the one before.

    Parameters
    ----------
    labels
        ``1985``, ``1985-07`` or ``1985-07-14``, all alike; where no date is known, the maps' places from ``1``.
    kind
        What :attr:`codes` are: ``year`` 1985, ``yyyymm`` 198507, ``yyyymmdd`` 19850714, or ``index`` 1, 2, ...
    """

    labels: tuple[str, ...]
    kind: Kind

    @classmethod
    def stated(cls, labels: Sequence[str], maps: int) -> Self:
        """What somebody wrote.

        Raises
        ------
        UsageError
            ``DATES``: not one for each map, not all years, months or days, or not in order.
        """
        given = tuple(label.strip() for label in labels)
        where = ",".join(given)
        if len(given) != maps:
            raise UsageError.of("DATES", where, f"{len(given)} dates for {maps} maps", "Give one for each map")
        kinds = {_kind_of(label) for label in given}
        if None in kinds or len(kinds) != 1:
            what = "are not all years, all months, or all days"
            raise UsageError.of("DATES", where, what, "Write all as 1985, all as 1985-07, or all as 1985-07-14")
        if any(a >= b for a, b in pairwise(given)):
            raise UsageError.of(
                "DATES", where, "are not in order of time", "Name the maps from the first date to the last"
            )
        (kind,) = kinds
        assert kind is not None
        return cls(given, kind)

    @classmethod
    def of(cls, datetimes: Sequence[str | None]) -> tuple[Self, str]:
        """Dates from when the maps' scenes were taken (ISO 8601), else places; and what is to be said of it.

        Raises
        ------
        UsageError
            ``DATES``: all are known, and the maps are not in order.
        """
        labels = tuple(None if moment is None else moment[:10] for moment in datetimes)
        known = tuple(label for label in labels if label is not None and _kind_of(label) == "yyyymmdd")
        places = cls(tuple(str(i) for i in range(1, len(labels) + 1)), "index")
        if len(known) < len(labels):
            lack = "no map says" if not known else f"{len(labels) - len(known)} of {len(labels)} maps do not say"
            return (
                places,
                f"{lack} when it is of: dates are the maps' places, 1 to {len(labels)}, unless --dates names them",
            )
        if any(a > b for a, b in pairwise(known)):
            remedy = "Name the maps from the first date to the last"
            raise UsageError.of("DATES", ", ".join(known), "the maps are not in order of time", remedy)
        if len(set(known)) < len(known):
            return places, f"two maps are of one day: dates are the maps' places, 1 to {len(labels)}"
        return cls(known, "yyyymmdd"), ""

    def __len__(self) -> int:
        """How many."""
        return len(self.labels)

    @property
    def codes(self) -> tuple[int, ...]:
        """Whole numbers in the same order, each above 0."""
        return tuple(int(label.replace("-", "")) for label in self.labels)


def _kind_of(label: str) -> Kind | None:
    """What a label is; None where it is no date."""
    kind = next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, label, re.ASCII)), None)
    try:
        date.fromisoformat(label + {"year": "-01-01", "yyyymm": "-01"}.get(kind or "", ""))
    except ValueError:
        return None
    return kind
