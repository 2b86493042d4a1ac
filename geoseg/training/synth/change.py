"""Change: how far the landscape must move on for a stated share of pixels to change class; found on a sample of rows."""

from __future__ import annotations

import numpy as np

from geoseg.errors import UsageError
from geoseg.training.synth.land import Date
from geoseg.training.synth.scene import Landscape

_ROWS = 48
"""Rows that are looked at, evenly spaced; all of a smaller scene."""
_CLOSE = 0.02
"""Relative: a closer fit to the sample would not be one to the scene."""


def dates(landscape: Landscape, count: int, share: float) -> tuple[Date, ...]:
    """The dates of a series in which about ``share`` of the pixels change class from each to the next.

    The land only moves on: towns and quarries grow, lakes rise, felling and regrowth go round, fields become pasture and
    pasture fields; crops rotate in any case, without a change of class.

    Raises
    ------
    UsageError
        ``CHANGE``: the land cannot change that much.
    """
    made = [Date(0, 0.0)]
    while len(made) < count:
        made.append(Date(len(made), _next(landscape, made[-1], share)))
    return tuple(made)


def _next(landscape: Landscape, last: Date, share: float) -> float:
    """The change of the date after ``last``, by false position between what is too little and too much."""
    if share == 0:
        return last.change
    before = _sample(landscape, last)

    def changed(change: float) -> float:
        return float((_sample(landscape, Date(last.number + 1, change)) != before).mean())

    low, high, below, above = last.change, 1.0, 0.0, changed(1.0)
    if above < share:
        what = f"at most {above:.3f} of the pixels can change between dates {last.number + 1} and {last.number + 2}"
        raise UsageError.of("CHANGE", share, what, "Ask for less change, or fewer dates")
    at = high
    for _ in range(12):
        part = (share - below) / max(above - below, 1e-9)
        at = low + (high - low) * min(max(part, 0.1), 0.9)
        found = changed(at)
        if abs(found - share) < _CLOSE * share:
            break
        low, below, high, above = (at, found, high, above) if found < share else (low, below, at, found)
    return at


def _sample(landscape: Landscape, date: Date) -> np.ndarray:
    rows = landscape.geobox.shape[0]
    at = np.unique(np.linspace(0, rows - 1, min(rows, _ROWS)).round().astype(int))
    return np.concatenate([landscape.truth(date, int(row), 1) for row in at])
