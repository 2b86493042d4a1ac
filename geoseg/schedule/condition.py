"""Condition: ``transitions.tree->bare.area_ha > 5``, read by a grammar of its own and held against the record of a change.

::

    condition  = comparison, { "and", comparison }
    comparison = quantity, ( ">" | ">=" | "<" | "<=" ), number
    quantity   = "transitions.", class, "->", class, ".", ( "area_ha" | "share" | "n_pixels" )
               | "classes.", class, ".", ( "before_ha" | "after_ha" | "gain_ha" | "loss_ha" | "net_ha" | "persistence_ha" )
               | "changed.", ( "area_ha" | "share" )
    class      = word | '"', any characters, '"' | "*"

``*`` stands for every class, itself left out: ``transitions.tree->*`` is what trees lost. ``share`` is of the compared area, 0-1.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from geoseg.errors import InputRefused, UsageError

LONGEST = 1000
_CLASS = r'(\*|"[^"]+"|\w+(?:[ \-]\w+)*)'
_QUANTITY = re.compile(
    rf"(?:transitions\.{_CLASS}->{_CLASS}\.(area_ha|share|n_pixels)"
    rf"|classes\.{_CLASS}\.(before_ha|after_ha|gain_ha|loss_ha|net_ha|persistence_ha)"
    r"|changed\.(area_ha|share))"
)
_COMPARISON = re.compile(
    rf"\s*({_QUANTITY.pattern})\s*(>=|<=|>|<)\s*([+-]?\d{{1,300}}(?:\.\d{{1,300}})?(?:[eE][+-]?\d{{1,3}})?)\s*"
)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_REMEDY = "Write it as transitions.tree->bare.area_ha > 5, changed.share > 0.1 or classes.tree.loss_ha >= 2"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a change's record: ``before`` and ``after`` name classes, or one of them alone does."""

    text: str
    field: str
    before: str | None = None
    after: str | None = None
    name: str | None = None

    def value(self, record: Mapping[str, Any]) -> float:
        """The number. InputRefused ``CONDITION``: the record is of no change, or has no such class."""
        try:
            if self.name is not None:
                return self._of_class(record)
            if self.before is None or self.after is None:
                return float(record["changed"][self.field])
            return self._of_transition(record, self.before, self.after)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            if isinstance(error, InputRefused):
                raise
            what = "the record of the change does not say it"
            raise InputRefused.of("CONDITION", self.text, what, "Compare two maps") from None

    def places(self, record: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
        """Rows and columns of the matrix that it sums; none where it is no transition."""
        if self.before is None or self.after is None:
            return ()
        names = [str(item["name"]) for item in record["classes"]]
        rows = range(len(names)) if self.before == "*" else (_place(names, self.before, self.text),)
        cols = range(len(names)) if self.after == "*" else (_place(names, self.after, self.text),)
        return tuple((i, j) for i in rows for j in cols if i != j or "*" not in (self.before, self.after))

    def _of_transition(self, record: Mapping[str, Any], before: str, after: str) -> float:
        matrix = record["matrix"]["n_pixels" if self.field == "n_pixels" else "area_ha"]
        total = math.fsum(float(matrix[i][j]) for i, j in self.places(record))
        if self.field != "share":
            return total
        compared = float(record["changed"]["compared_ha"])
        return total / compared if compared else 0.0

    def _of_class(self, record: Mapping[str, Any]) -> float:
        rows = record["by_class"]
        names = [str(row["class_name"]) for row in rows]
        if self.name == "*":
            return math.fsum(float(row[self.field]) for row in rows)
        assert self.name is not None
        return float(rows[_place(names, self.name, self.text)][self.field])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A quantity against a number."""

    quantity: Quantity
    sign: str
    number: float

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether it is so."""
        return _OPERATORS[self.sign](self.quantity.value(record), self.number)


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that all have to hold."""

    text: str
    comparisons: tuple[Comparison, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a condition; UsageError ``CONDITION`` shows where it is wrong."""
        if len(text) > LONGEST:
            raise UsageError.of("CONDITION", repr(text[:32]), f"is longer than {LONGEST} characters", _REMEDY)
        made: list[Comparison] = []
        at = 0
        while True:
            found = _COMPARISON.match(text, at)
            if found is None:
                raise UsageError.of("CONDITION", repr(text), f"cannot be read from {text[at : at + 40]!r} on", _REMEDY)
            made.append(_comparison(found))
            at = found.end()
            if at == len(text):
                return cls(text, tuple(made))
            joined = re.compile(r"and\s").match(text, at)
            if joined is None:
                raise UsageError.of("CONDITION", repr(text), f"cannot be read from {text[at : at + 40]!r} on", _REMEDY)
            at = joined.end()

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether all hold for the record of one change; InputRefused ``CONDITION`` where it does not fit it."""
        held = [comparison.holds(record) for comparison in self.comparisons]  # each is asked: a wrong name is said
        return all(held)


def _comparison(found: re.Match[str]) -> Comparison:
    text, before, after, of_pair, name, of_class, of_all, sign, number = found.groups()
    value = float(number)
    if not math.isfinite(value):
        raise UsageError.of("CONDITION", repr(found[0]), f"{number} is no number", _REMEDY)
    field = of_pair or of_class or of_all
    return Comparison(Quantity(text, field, _bare(before), _bare(after), _bare(name)), sign, value)


def _bare(name: str | None) -> str | None:
    return name if name is None else name.strip('"')


def _place(names: Sequence[str], name: str, text: str) -> int:
    """Where the class of a name stands; upper and lower case alike."""
    folded = [known.casefold() for known in names]
    if name.casefold() in folded:
        return folded.index(name.casefold())
    near = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    remedy = f"Did you mean {names[folded.index(near[0])]}?" if near else f"The classes are: {', '.join(names)[:300]}"
    raise InputRefused.of("CONDITION", text, f"there is no class {name!r}", remedy)
