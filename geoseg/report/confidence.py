"""Confidence: how sure a map is, drawn from the counts in a run's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from geoseg.legend import Legend
from geoseg.report.figures import RAMP, ramp
from geoseg.report.words import hex_colour, number, percent

_BARS = 20
_HALF = 50
_NOTABLE = 0.1
"""Share of pixels below 50 % from which on the page warns."""


@dataclass(frozen=True, slots=True)
class ConfidenceLine:
    """One class: mean confidence, and the share of its pixels below 50 % (0-1)."""

    name: str
    colour: str
    mean: float
    low: float


@dataclass(frozen=True, slots=True)
class ConfidenceTold:
    """Shares of pixels in 20 steps of confidence, the same of the highest bar, their colours, and lines by class."""

    shares: tuple[float, ...]
    ramp: tuple[str, ...]
    classes: tuple[ConfidenceLine, ...]
    note: str

    @property
    def bars(self) -> tuple[float, ...]:
        """Heights of the bars, 0-1."""
        top = max(self.shares) or 1.0
        return tuple(share / top for share in self.shares)


def confidence_of(told: Mapping[str, Any], legend: Legend) -> ConfidenceTold | None:
    """What a page shows of ``run["confidence"]``; None where no pixel was counted."""
    counts = np.asarray(told.get("histogram") or [0], np.float64)
    if not counts.sum():
        return None
    shares = _steps(counts) / counts.sum()
    middles = np.arange(_BARS) * 100 / _BARS + 50 / _BARS
    each = int(told.get("each") or 1)
    counted = "" if each == 1 else f" Counted on each {each}th row and column."
    note = f"Mean {percent(told['mean'])}; {percent(told['below_50'])} of {number(int(counts.sum()))} pixels below 50 %.{counted}"
    colours = {item.name: hex_colour(item.colour) for item in legend.classes}
    lines = [
        ConfidenceLine(row["class_name"], colours.get(row["class_name"], "#808080"), row["mean"], row["below_50"])
        for row in told.get("by_class") or ()
    ]
    return ConfidenceTold(
        tuple(shares.tolist()), tuple(hex_colour(c) for c in ramp(RAMP, middles)),
        tuple(sorted(lines, key=lambda line: line.mean)), note,
    )  # fmt: skip


def low_notes(told: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know before trusting the map."""
    if told and float(told.get("below_50") or 0) >= _NOTABLE:
        yield f"{percent(told['below_50'])} of the map has a confidence below 50 %: there another class was nearly as probable."


def _steps(counts: Any) -> Any:
    """Counts of 0-100 % in 20 steps; 100 % belongs to the last."""
    at = np.minimum(np.arange(len(counts)) * _BARS // 100, _BARS - 1)
    return np.bincount(at, counts, minlength=_BARS)
