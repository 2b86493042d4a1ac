"""Recode: from the codes and names that label files have to the class values of the legend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import UsageError
from geoseg.legend import Legend

_LEAST = 0.6
"""Words that are less alike than this (difflib's ratio) are no slip of the pen."""


@dataclass(frozen=True, slots=True)
class Recoding:
    """What codes and names mean. ``given``: by a table, and what that does not name is ignored; else by the legend itself.

    ``codes`` and ``names`` (without case) map to class values or to the legend's nodata, which means: no label. A name with a
    ``*`` stands for all that a file has there (``tree->*``); the first that fits counts, where no name is the same.
    """

    legend: Legend
    codes: Mapping[int, int]
    names: Mapping[str, int]
    given: bool

    @classmethod
    def of(cls, recode: Mapping[int | str, int | str], legend: Legend) -> Self:
        """Read a table of codes or names and class values or names; an empty one takes the legend's own.

        Raises
        ------
        UsageError
            ``LEGEND``: it recodes to what the legend has not, or one code twice; the nearest right name is said.
        """
        if not recode:
            names = {item.name.strip().casefold(): item.value for item in legend.classes}
            return cls(legend, {value: value for value in legend.values}, names, False)
        codes: dict[int, int] = {}
        words: dict[str, int] = {}
        for key, target in recode.items():
            value = _target(target, legend)
            word = str(key).strip().casefold()
            code = whole(key)
            if codes.get(code, value) != value if code is not None else words.get(word, value) != value:
                raise UsageError.of("LEGEND", f"recode of {key}", "is given twice", "Name each code once")
            words[word] = value
            if code is not None:
                codes[code] = value
        return cls(legend, codes, words, True)

    def value_of(self, word: Any) -> int | None:
        """The class value of a code or a name in a label file; None where it is not named."""
        found = self.named(word)
        code = whole(word) if found is None else None
        return found if code is None else self.codes.get(code)

    def named(self, word: Any) -> int | None:
        """The class value of a name; None where neither it nor a pattern that fits is given."""
        name = str(word).strip().casefold()
        if not self.given or name in self.names:
            return self.names.get(name)
        return next((value for key, value in self.names.items() if "*" in key and _fits(key, name)), None)

    def nearest(self, word: Any) -> str:
        """``; did you mean 'forest'`` for a name that nearly is one that is known, else nothing."""
        return did_you_mean(word, self.names)

    @property
    def table(self) -> CodeTable:
        """The codes alone, for rasters."""
        return CodeTable.of(self.codes, self.legend.nodata)


@dataclass(frozen=True, slots=True)
class CodeTable:
    """Codes in rising order and what becomes of them; all others become ``none``."""

    codes: tuple[int, ...]
    values: tuple[int, ...]
    none: int

    @classmethod
    def of(cls, table: Mapping[int, int], none: int) -> Self:
        """From code to class value."""
        codes = tuple(sorted(table))
        return cls(codes, tuple(table[code] for code in codes), none)

    def apply(self, raw: NDArray[Any], there: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
        """Class values uint8 of codes in any real type; ``none`` where not ``there``, and for NaN and fractions."""
        if raw.dtype in (np.uint8, np.uint16):
            out: NDArray[np.uint8] = _lookup(self, 1 << (8 * raw.dtype.itemsize))[raw]
        else:
            codes = np.array(self.codes or (0,), np.int64 if raw.dtype.kind in "iu" else np.float64)
            at = np.searchsorted(codes, raw).clip(0, len(codes) - 1)
            values = np.array(self.values or (self.none,), np.uint8)
            out = np.where(codes[at] == raw, values[at], np.uint8(self.none))
        if there is not None:
            out[~there] = self.none
        return out


def whole(word: Any) -> int | None:
    """A whole number, however it is written; None for anything else."""
    if isinstance(word, str) and not word.strip().lstrip("+-").isdecimal():
        return None
    try:
        number = float(word)
        return int(word) if isinstance(word, int | str) else int(number) if number.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        return None


def did_you_mean(word: Any, known: Iterable[str], *, least: float = _LEAST) -> str:
    """``; did you mean 'forest'`` for a word that nearly is a known one, else nothing."""
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(str(word).strip().casefold(), list(by_fold), n=1, cutoff=least)
    return f"; did you mean '{by_fold[close[0]]}'" if close else ""


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name, re.DOTALL) is not None


def _target(target: int | str, legend: Legend) -> int:
    """The class value that is meant; the legend's nodata too, for no label."""
    code = whole(target)
    if code is not None and code in (*legend.values, legend.nodata):
        return code
    same = [item.value for item in legend.classes if item.name.casefold() == str(target).strip().casefold()]
    if len(same) == 1:
        return same[0]
    known = ", ".join(f"{value} {name}" for value, name in legend.names.items())
    what = f"is no class of the legend{did_you_mean(target, legend.names.values())}"
    raise UsageError.of("LEGEND", f"recode to {target}", what, f"The legend has: {known}")


@lru_cache(maxsize=32)
def _lookup(table: CodeTable, size: int) -> NDArray[np.uint8]:
    out = np.full(size, table.none, np.uint8)
    for code, value in zip(table.codes, table.values, strict=True):
        if 0 <= code < size:
            out[code] = value
    return out
