"""Significance: which changes the maps' own confidence and probabilities bear out, pixel by pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
UNKNOWN = 255
"""A confidence that is not known."""


def confident(before: Bytes | None, after: Bytes | None, least: float) -> npt.NDArray[np.bool_] | None:
    """True where no date's confidence is known to be below ``least``: (rows, cols), or None where neither date has any.

    Parameters
    ----------
    before, after
        Confidence in percent, uint8 (rows, cols), 255 unknown; None for a date without.
    least
        Percent.
    """
    known = [date for date in (before, after) if date is not None]
    if not known:
        return None
    kept = np.ones(known[0].shape, np.bool_)
    for date in known:
        kept &= (date >= least) | (date == UNKNOWN)
    return kept


def joint_probability(before: Bytes, after: Bytes, p_before: Floats, p_after: Floats) -> Floats:
    """Probability of each pixel's own transition, P(before) P(after): float32 (rows, cols); 0 where a date has no class.

    It takes the errors of the two dates for independent and the probabilities for calibrated. The same classifier tends to
    make the same error twice, so that a false change is rarer, and a probability of no change higher, than this says.

    Parameters
    ----------
    before, after
        Class values, uint8 (rows, cols), 0 nodata.
    p_before, p_after
        Probabilities, float32 (classes, rows, cols); channel k is class value k + 1. NaN counts as 0.
    """
    out = np.zeros(before.shape, np.float32)
    _joint(before, after, p_before, p_after, out)
    return out


@jit
def _joint(before: Bytes, after: Bytes, p_before: Floats, p_after: Floats, out: Floats) -> None:
    rows, cols = before.shape
    for row in range(rows):
        for col in range(cols):
            old, new = before[row, col], after[row, col]
            if old == 0 or new == 0 or old > len(p_before) or new > len(p_after):
                continue
            joint = p_before[old - 1, row, col] * p_after[new - 1, row, col]
            if joint > 0:  # not where it is NaN
                out[row, col] = joint
