"""Scores told: how good a bundle was where it was measured, and where that was, as lines for a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from geoseg.model.told import score_rows
from geoseg.report.words import Rows, number

_NAMES = {
    "overall_accuracy": "Overall accuracy", "kappa": "Kappa", "macro_f1": "F1, mean of the classes",
    "mean_iou": "IoU, mean of the classes", "boundary_f1": "F1 of the borders", "boundary_iou": "IoU of the borders",
    "expected_calibration_error": "Calibration error of the confidence", "balanced_accuracy": "Balanced accuracy",
    "frequency_weighted_iou": "IoU, weighted by frequency",
}  # fmt: skip
_NOT_TOLD = {"of", "caveat", "pixels", "largest_class", "iou", "f1"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of 0-1 with its 95 % interval, and what the largest class alone would reach; None: not known."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    alone: float | None = None


@dataclass(frozen=True, slots=True)
class ScoresTold:
    """Scores with intervals, what they were measured on, what to think of them; ``others`` are scores of other makers."""

    figures: tuple[Figure, ...] = ()
    measured_on: str = ""
    caveat: str = ""
    others: Rows = ()


def figure_of(name: str, told: Mapping[str, Any]) -> Figure:
    """One score as ``scores.json`` and cards have it."""
    found = [told.get(key) for key in ("value", "low", "high", "largest_class")]
    value, low, high, alone = (float(f) if isinstance(f, int | float) else None for f in found)
    return Figure(_NAMES.get(name, name.replace("_", " ")), value, low, high, alone)


def scores_of(scores: Mapping[str, Any]) -> ScoresTold | None:
    """What a page says of a card's scores; None where it has none. Scores of other makers stay as they are."""
    if not scores:
        return None
    held = scores.get("held_out")
    if not isinstance(held, Mapping) or not isinstance(held.get("overall_accuracy"), Mapping):
        return ScoresTold(others=tuple(score_rows(scores)))
    figures = [
        figure_of(name, told)
        for name in (*(n for n in _NAMES if n in held), *(n for n in held if n not in _NAMES and n not in _NOT_TOLD))
        if isinstance(told := held[name], Mapping) and "value" in told
    ]
    others = {name: value for name, value in scores.items() if name != "held_out"}
    return ScoresTold(
        tuple(figures),
        measured_on(held.get("of"), held.get("pixels")),
        str(held.get("caveat") or ""),
        tuple(score_rows(others)),
    )


def measured_on(part: object, pixels: object) -> str:
    """Of which places scores are, in a sentence."""
    return " ".join(_measured(part, pixels))


def _measured(part: object, pixels: object) -> Iterator[str]:
    if part:
        yield f"Measured on {part}."
    if isinstance(pixels, int | float):
        yield f"{number(float(pixels))} labelled pixels."
