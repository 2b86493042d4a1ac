"""Scores: every score of a map with its 95 % interval and what the map of the largest class alone would score, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geoseg.legend import Legend
from geoseg.training.scoring import confusion
from geoseg.training.scoring.boundary import boundary_f1, boundary_iou
from geoseg.training.scoring.calibration import expected_calibration_error
from geoseg.training.scoring.confusion import Floats, Ints, mean_of_known
from geoseg.training.scoring.counts import Counts
from geoseg.training.scoring.intervals import Method, interval
from geoseg.training.scoring.tally import Tally


@dataclass(frozen=True, slots=True)
class ScoreOf:
    """How a score follows from counts, and the least value that it can have; the largest is 1."""

    name: str
    of: Callable[[Counts], Floats]
    least: float = 0.0


OVERALL = (
    ScoreOf("overall_accuracy", lambda c: confusion.overall_accuracy(c.confusion)),
    ScoreOf("balanced_accuracy", lambda c: confusion.balanced_accuracy(c.confusion)),
    ScoreOf("kappa", lambda c: confusion.kappa(c.confusion), -1.0),
    ScoreOf("macro_f1", lambda c: confusion.macro_f1(c.confusion)),
    ScoreOf("mean_iou", lambda c: confusion.mean_iou(c.confusion)),
    ScoreOf("frequency_weighted_iou", lambda c: confusion.frequency_weighted_iou(c.confusion)),
    ScoreOf("boundary_f1", lambda c: mean_of_known(boundary_f1(c.boundary))),
    ScoreOf("boundary_iou", lambda c: mean_of_known(boundary_iou(c.boundary))),
    ScoreOf("expected_calibration_error", lambda c: expected_calibration_error(c.calibration)),
)
"""Scores of a map as a whole; means are over the classes that occur."""

BY_CLASS = (
    ScoreOf("iou", lambda c: confusion.iou(c.confusion)),
    ScoreOf("f1", lambda c: confusion.f1(c.confusion)),
    ScoreOf("precision", lambda c: confusion.precision(c.confusion)),
    ScoreOf("recall", lambda c: confusion.recall(c.confusion)),
    ScoreOf("boundary_f1", lambda c: boundary_f1(c.boundary)),
    ScoreOf("boundary_iou", lambda c: boundary_iou(c.boundary)),
)
"""Scores of each class; F1 is the Dice coefficient, precision the user's and recall the producer's accuracy."""

UNITS = (
    "Every score is a fraction of 1 (kappa: -1 to 1), the larger the better but for expected_calibration_error. "
    "value: over all pixels; low, high: 95 % interval; largest_class: of the map that has the most frequent class of the labels "
    "everywhere; f1: the Dice coefficient. null: not defined, as for a class that does not occur."
)


def every_score(values: Sequence[int], flat: Ints) -> Floats:
    """All scores of counts (..., numbers) side by side, float64 (..., scores): :data:`OVERALL`, then :data:`BY_CLASS`."""
    counts = Counts(tuple(values), flat)
    whole = np.stack([score.of(counts) for score in OVERALL], axis=-1)
    return np.concatenate([whole, *(score.of(counts) for score in BY_CLASS)], axis=-1)


def scores_of(tally: Tally, legend: Legend, *, method: Method, seed: int = 0) -> dict[str, Any]:
    """Scores of a tally as JSON: ``overall``, ``classes`` by name, ``pixels`` and ``blocks``."""
    blocks, total = tally.rows, tally.total

    def score(flat: Ints) -> Floats:
        return every_score(tally.values, flat)

    sizes = Counts(tally.values, blocks).confusion.labelled.sum(axis=-1).astype(np.int64)
    low, high = interval(blocks, sizes, score, method=method, seed=seed)
    found = _Figures(score(total.flat), low, high, score(total.of_largest_class().flat))
    classes, start = len(tally.values), len(OVERALL)
    c = total.confusion
    told: dict[str, Any] = {
        "pixels": c.pixels,
        "blocks": {"count": len(blocks), "side": tally.side},
        "overall": {score.name: found.tell(i, score.least) for i, score in enumerate(OVERALL)},
        "classes": {},
    }
    for i, name in enumerate(class_names(legend)):
        told["classes"][name] = {
            "class_id": tally.values[i],
            "label_pixels": int(c.labelled[i]),
            "mask_pixels": int(c.mapped[i]),
            **{score.name: found.tell(start + j * classes + i, score.least) for j, score in enumerate(BY_CLASS)},
        }
    return told


def class_names(legend: Legend) -> list[str]:
    """The classes' names; with their value where a name stands for several."""
    names = [item.name for item in legend.classes]
    return [f"{item.name} ({item.value})" if names.count(item.name) > 1 else item.name for item in legend.classes]


def confusion_table(counts: Counts, legend: Legend) -> dict[str, Any]:
    """The confusion as JSON: ``counts[i][j]`` pixels of class i in the labels and j in the mask; ``missed[i]``: not mapped."""
    c = counts.confusion
    return {"classes": class_names(legend), "counts": c.counts.tolist(), "missed": c.missed.tolist()}


def score_at(name: str) -> int:
    """Where an overall score stands in :func:`every_score`."""
    return [score.name for score in OVERALL].index(name)


def rounded(figure: float | np.floating[Any]) -> float | None:
    """A score as JSON has it: six digits, None for NaN."""
    return None if np.isnan(figure) else round(float(figure), 6)


@dataclass(frozen=True, slots=True)
class _Figures:
    value: Floats
    low: Floats
    high: Floats
    largest: Floats

    def tell(self, i: int, least: float) -> dict[str, float | None]:
        value = self.value[i]
        none = bool(np.isnan(value))
        low, high = (np.clip(end[i], least, 1.0) for end in (self.low, self.high))
        return {
            "value": rounded(value),
            "low": None if none else rounded(low),
            "high": None if none else rounded(high),
            "largest_class": rounded(self.largest[i]),
        }
