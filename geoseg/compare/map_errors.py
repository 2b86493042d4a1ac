"""Map errors: how often a map shows one class where another is, from what is known of it, or from its single pixels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused, UsageError
from geoseg.legend import Legend

Floats = npt.NDArray[np.float64]

_Z = 1.959964
_NUMBER = re.compile(r"\s*([0-9.eE-]+?)\s*(?:(?:\+-|\+/-|±)\s*([0-9.eE-]+))?\s*")
_SPECKS = 100
"""Pixels around which a class must be alone for its own errors to be told from all classes'."""
_CONDITION = 50.0
"""Condition number of a matrix of errors from which on undoing it makes more of them."""


@dataclass(frozen=True, slots=True, eq=False)
class MapErrors:
    """Errors of one map.

    Attributes
    ----------
    matrix
        ``[k, i]``: probability that the map shows class i where class k is, float64 (classes, classes), rows add to 1.
    labels
        Independent labels that the rows are worth, (classes,); infinite where the matrix is taken as exact.
    source
        Where it comes from, in words.
    specks
        Whether it was estimated from the map's single pixels, and thus says nothing of larger errors.
    even
        The overall accuracy where no more is known and errors were spread evenly over the classes; 1 otherwise.
    """

    matrix: Floats
    labels: Floats
    source: str
    specks: bool = False
    even: float = 1.0

    @classmethod
    def of_accuracy(cls, accuracy: float, classes: int, spread: float = 0.0) -> Self:
        """Of an overall accuracy, with its standard error: every class is as often right, and wrong as each other class.

        Raises
        ------
        UsageError
            ``ERRORS``: no accuracy, or one no better than chance.
        """
        if not (1 / max(classes, 2) < accuracy <= 1) or not (0 <= spread < 1):
            what = f"is no accuracy of a map of {classes} classes"
            raise UsageError.of("ERRORS", accuracy, what, "Give the share of pixels that are right, as 0.9")
        matrix = np.full((classes, classes), (1 - accuracy) / max(classes - 1, 1))
        np.fill_diagonal(matrix, accuracy if classes > 1 else 1.0)
        labels = accuracy * (1 - accuracy) / spread**2 if spread else np.inf
        said = f"overall accuracy {accuracy:g}" + (f" +- {spread * _Z:.3g}" if spread else ", taken as exact")
        return cls(matrix, np.full(classes, labels / classes), said, even=accuracy)

    @classmethod
    def of_scores(cls, scores: Mapping[str, Any], legend: Legend, source: str) -> Self:
        """Of the confusion in a ``scores.json``, joined by the classes' names; its interval says what the labels are worth.

        A class that was not in its labels has the overall accuracy. Labels near each other are alike: the confusion is
        worth as many independent ones as would give the interval of the overall accuracy.

        Raises
        ------
        InputRefused
            ``ERRORS``: no such content, or errors that cannot be undone.
        """
        try:
            names, counts = scores["confusion"]["classes"], np.asarray(scores["confusion"]["counts"], np.float64)
            overall = scores["overall"]["overall_accuracy"]
            accuracy, ends = float(overall["value"]), (overall["low"], overall["high"])
            if counts.shape != (len(names), len(names)) or not (counts >= 0).all() or not counts.sum() > 0:
                raise ValueError("counts")
        except (KeyError, TypeError, ValueError) as error:
            what = "has no confusion and overall accuracy as geoseg evaluate writes them"
            raise InputRefused.of("ERRORS", source, what, "Name a scores.json, its bundle, or a number") from error
        classes = [item.name.casefold() for item in legend.classes]
        at = [classes.index(name) if (name := str(raw).casefold()) in classes else -1 for raw in names]
        if max(at, default=-1) < 0:
            what = f"knows {', '.join(map(str, names[:6]))}, and none of the maps' classes"
            raise InputRefused.of("ERRORS", source, what, "Name the scores of this map")
        joined = np.zeros((len(classes), len(classes)))
        for i, k in enumerate(at):
            for j, m in enumerate(at):
                if k >= 0 and m >= 0:
                    joined[k, m] += counts[i, j]
        spread = (ends[1] - ends[0]) / (2 * _Z) if None not in ends else 0.0
        worth = accuracy * (1 - accuracy) / spread**2 if spread > 0 else counts.sum()
        return cls._of_counts(joined, accuracy, worth / counts.sum(), f"confusion of {source}")

    @classmethod
    def of_specks(cls, specks: npt.NDArray[np.int64]) -> Self:
        """Of pixels that stand alone in a place that is of one class at both dates: counts (classes, classes)."""
        counts = specks.astype(np.float64)
        accuracy = float(np.trace(counts) / counts.sum()) if counts.sum() else 1.0
        counts[counts.sum(axis=1) < _SPECKS] = 0
        said = "single pixels that stand alone in either map"
        try:
            made = cls._of_counts(counts, accuracy, 1.0, said)
        except InputRefused:  # so few, or so wild, that nothing is learnt of them
            made = cls(np.eye(len(counts)), np.full(len(counts), np.inf), f"none: too few {said}")
        return replace(made, specks=True)

    @classmethod
    def _of_counts(cls, counts: Floats, accuracy: float, worth: float, source: str) -> Self:
        n = len(counts)
        rows = counts.sum(axis=1)
        matrix = np.full((n, n), (1 - accuracy) / max(n - 1, 1))
        np.fill_diagonal(matrix, accuracy if n > 1 else 1.0)
        known = rows >= 1
        matrix[known] = counts[known] / rows[known, None]
        if np.linalg.cond(matrix) > _CONDITION:
            what = "the classes are confused so often that their errors cannot be undone"
            raise InputRefused.of(
                "ERRORS", source, what, "Join these classes with --recode, or give overall accuracies"
            )
        return cls(matrix, np.where(known, np.maximum(rows * worth, 1), np.inf), source)

    def drawn(self, rng: np.random.Generator) -> Floats:
        """A matrix that the labels might have come from as well (Dirichlet rows); the same where it is exact."""
        out = self.matrix.copy()
        for k in np.flatnonzero(np.isfinite(self.labels)):
            out[k] = rng.dirichlet(np.maximum(self.matrix[k] * self.labels[k], 1e-6))
        return out

    def to_json(self) -> dict[str, Any]:
        """Source, and mean accuracy over the classes."""
        return {"source": self.source, "mean_accuracy": round(float(np.diagonal(self.matrix).mean()), 6)}


def read_errors(given: str | float, legend: Legend) -> MapErrors:
    """The errors that a user states: ``0.97``, ``0.97+-0.01`` (95 %), a ``scores.json``, or a folder that holds one.

    Raises
    ------
    UsageError, InputRefused
        ``ERRORS``: see :class:`MapErrors`.
    """
    number = _NUMBER.fullmatch(str(given))
    if number:
        try:
            accuracy, half = float(number[1]), float(number[2] or 0)
        except ValueError as error:
            raise UsageError.of("ERRORS", given, "is no number", "Give an accuracy as 0.9 or 0.9+-0.02") from error
        return MapErrors.of_accuracy(accuracy, len(legend.classes), half / _Z)
    path = Path(str(given))
    path = path / "scores.json" if path.is_dir() else path
    try:
        scores = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        what = "cannot be read as JSON" if path.exists() else "is not there"
        raise InputRefused.of("ERRORS", path, what, "Name a scores.json, a bundle with one, or a number") from error
    if not isinstance(scores, dict):
        raise InputRefused.of("ERRORS", path, "is no scores.json", "Name one that geoseg evaluate wrote")
    return MapErrors.of_scores(scores, legend, path.name)
