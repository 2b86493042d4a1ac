"""Stay: how likely a pixel keeps its class between two dates, from what two maps show and their known errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST, LEAST = 0.9999, 0.5
"""Bounds of the estimate: a model that allows no change could not find any, one that expects it would keep all flicker."""
USUAL = 0.95
"""Taken where two maps share no pixel."""
_ROUNDS = 2000
_SMALL = 1e-9


def true_transitions(observed: Ints, before: Floats, after: Floats) -> Floats:
    """Shares of pixels by (class before, class after) on the ground that make what was observed the most likely.

    Expectation maximisation (Dempster, Laird and Rubin 1977) of the mixture ``observed ~ before.T @ truth @ after``: maps
    whose errors at a pixel are independent between the dates. Errors that repeat (a class always mistaken for the same
    other one) make the estimate of change too low.

    Parameters
    ----------
    observed
        Pixels by (class before, class after) on the maps, (classes, classes).
    before, after
        ``P(class on the map | class on the ground)`` of each map, rows are classes on the ground.

    Returns
    -------
    ndarray
        float64 (classes, classes), sums to 1; all 0 where nothing was observed.
    """
    total = int(observed.sum())
    if not total:
        return np.zeros(observed.shape)
    shares = observed / total
    n = len(observed)
    truth = 0.5 * shares + 0.5 / n**2  # nothing is 0, which would stay 0
    likelihood = -np.inf
    for _ in range(_ROUNDS):
        expected = before.T @ truth @ after
        told = np.divide(shares, expected, out=np.zeros_like(shares), where=expected > 0)
        truth = truth * (before @ told @ after.T)
        truth /= truth.sum()
        now = float((shares[shares > 0] * np.log(expected[shares > 0])).sum())
        if now - likelihood < _SMALL:
            break
        likelihood = now
    return truth


def stay_of(truth: Floats) -> float:
    """The share that keeps its class, within :data:`LEAST` and :data:`MOST`; :data:`USUAL` where nothing is known."""
    return float(np.clip(np.trace(truth), LEAST, MOST)) if truth.any() else USUAL


def false_change(truth: Floats, before: Floats, after: Floats) -> float:
    """The share of pixels that two maps with these errors would show as changed if nothing had changed, 0-1.

    The classes are those of the date before as ``truth`` has them.
    """
    classes = truth.sum(axis=1)
    return float(classes.sum() - np.einsum("a,aj,aj->", classes, before, after))
