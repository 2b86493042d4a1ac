"""Hmm: take flicker out of sequences of classes, by the most probable sequence of a hidden Markov model.

What lies on the ground is a Markov chain over the dates: it keeps its class between two dates with a probability ``stay``
and else takes any other class, all equally likely; at the first date all classes are. Each map shows the ground through
its errors: ``P(class on the map | class on the ground)``, rows of a confusion matrix (the emission). A date without an
observation (nodata) says nothing. The filter gives the one sequence of the ground that is the most probable given all
maps (Viterbi 1967; Rabiner 1989, "A tutorial on hidden Markov models", section III.B; used on land cover by Abercrombie
and Friedl 2016).

Probabilities are held as whole numbers, ``-ln p`` in steps of ``2**-20``, so the answer is exact for them, the same on
every machine. Where several sequences are equally probable, the one with the fewest changes is taken; of those, the one
that differs from the maps at the fewest dates; of those, the one whose class at the first date where they differ comes
first in the legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.compare.map_errors import MapErrors
from geoseg.compare.sequence_kernels import viterbi
from geoseg.errors import UsageError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

LEAST = 1e-9
"""Probabilities below this count as this: there is a cost for everything."""
MOST_DATES = 120
"""Ties are broken in the lowest 15 bits, which hold this many dates."""
RARE = 0.5
"""Labels added to each cell of a confusion (Krichevsky and Trofimov 1981): what was never seen is rare, not impossible."""

_STEPS = 1 << 20
_TIES = 15


@dataclass(frozen=True, slots=True)
class FlickerFilter:
    """The model for one series of maps; small, and pickles.

    Parameters
    ----------
    values
        Class values, in the order of the legend.
    emissions
        ``P(map class | true class)``, float64 (dates, classes, classes): rows are true classes and sum to 1.
    stay
        Probability that a pixel keeps its class from one date to the next, float64 (dates - 1,).
    fill
        Whether dates without an observation get the most probable class; else they stay 0. Pixels that no map shows
        stay 0 in any case.
    """

    values: tuple[int, ...]
    emissions: Floats
    stay: Floats
    fill: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        dates, classes = len(self.stay) + 1, len(self.values)
        if dates > MOST_DATES:
            raise UsageError.of(
                "DATES", "flicker filter", f"{dates} dates, and {MOST_DATES} are the limit", "Give fewer"
            )
        if self.emissions.shape != (dates, classes, classes):
            what = f"emissions are {self.emissions.shape} for {dates} dates and {classes} classes"
            raise UsageError.of("ERRORS", "flicker filter", what, "Give one square matrix for each map")
        if not np.allclose(self.emissions.sum(axis=-1), 1, atol=1e-6) or self.emissions.min(initial=0) < 0:
            what = "a row of an error matrix is no distribution"
            raise UsageError.of("ERRORS", "flicker filter", what, "Rows are true classes and sum to 1")
        if not ((self.stay > 0) & (self.stay < 1)).all():
            what = f"{self.stay.tolist()} are no probabilities between 0 and 1"
            raise UsageError.of("STAY", "flicker filter", what, "0.95 is a common choice")

    def apply(self, rows: Bytes) -> Bytes:
        """The most probable sequences of the ground for observed ones, uint8 (n, dates) of class values; 0: no data."""
        known = np.array([*self.values, 0], np.uint8)
        index = np.full(256, len(self.values), np.uint8)
        index[list(self.values)] = np.arange(len(self.values))
        found = viterbi(index[rows], *self._costs())
        truth: Bytes = known[found]
        seen = rows != 0
        truth[~(seen | (self.fill & seen.any(axis=1, keepdims=True)))] = 0
        return truth

    def facts(self, dates: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
        """The model in full, as JSON: nothing that decided a pixel is left out."""
        return {
            "model": "hidden Markov model, most probable sequence (Viterbi)",
            "start": "all classes equally probable at the first date",
            "transition": "a class stays with the probability given, else any other class, all equally probable",
            "stay": [
                {"from": dates[i], "to": dates[i + 1], "probability": round(float(p), 9)}
                for i, p in enumerate(self.stay)
            ],
            "emission": {
                "what": "P(class on the map | class on the ground), rows are classes on the ground",
                "classes": list(names),
                "maps": [
                    {"date": date, "matrix": np.round(matrix, 9).tolist()}
                    for date, matrix in zip(dates, self.emissions, strict=True)
                ],
            },
            "least_probability": LEAST,
            "missing": "no data at a date says nothing"
            + ("; such dates get the most probable class" if self.fill else "; such dates stay no data"),
            "ties": "fewest changes, then fewest dates that differ from the maps, then the legend's order",
        }

    def _costs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Costs of emissions (dates, true, seen or missing) and of moves (dates, from, to), ties in the low bits."""
        dates, n, _ = self.emissions.shape
        emit = np.zeros((dates, n, n + 1), np.int64)
        other = ~np.eye(n, dtype=bool)
        emit[..., :n] = (_cost(self.emissions) << _TIES) + other
        moves = np.zeros((dates, n, n), np.int64)  # none after the last date
        for step, p in enumerate(self.stay):
            matrix = np.full((n, n), (1 - p) / max(n - 1, 1))
            np.fill_diagonal(matrix, p)
            moves[step] = (_cost(matrix) << _TIES) + other * (dates + 1)
        return emit, moves


def emission_of(errors: MapErrors) -> Floats:
    """``P(map class | true class)`` of a map's errors, (classes, classes).

    Rows that come from labels get :data:`RARE` label more in every cell; rows that are taken as exact stay.
    """
    finite = np.isfinite(errors.labels)
    counts = errors.matrix * np.where(finite, errors.labels, 1.0)[:, None] + RARE
    return np.where(finite[:, None], counts / counts.sum(axis=1, keepdims=True), errors.matrix)


def _cost(p: Floats) -> npt.NDArray[np.int64]:
    cost: npt.NDArray[np.int64] = np.rint(-np.log(np.maximum(p, LEAST)) * _STEPS).astype(np.int64)
    return cost
