"""Intervals: 95 % intervals of scores from the counts of blocks of neighbouring pixels.

Pixels next to each other are alike, so intervals that take pixels for independent are far too narrow. Here whole blocks are
left out in turn (jackknife), or drawn again (bootstrap), as Kunsch 1989 and Lahiri 2003 do for dependent data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoseg.training.scoring.confusion import Floats, Ints

Method = Literal["jackknife", "bootstrap"]
Score = Callable[[Ints], Floats]
"""Counts (..., numbers) to scores (..., scores), NaN where a score is not defined."""

LEVEL = 0.95
REPLICATES = 1000
ENOUGH = 0.9
"""Share of the bootstrap's draws in which a score must be defined to have an interval: a class may live in few blocks."""

_AT_ONCE = 1 << 22  # numbers in the replicates that are scored at a time


def interval(blocks: Ints, sizes: Ints, score: Score, *, method: Method, seed: int = 0) -> tuple[Floats, Floats]:
    """Ends of the intervals around ``score(blocks.sum(axis=0))``; NaN where there is none.

    Parameters
    ----------
    blocks
        int64 (blocks, numbers): counts by block.
    sizes
        int64 (blocks,): pixels by block, above 0.

    Notes
    -----
    There is none with fewer than two blocks, and where a score is not defined without one of them (a class that lives in one
    block), or for the bootstrap in more than a tenth of the draws.
    """
    if len(blocks) < 2:
        nothing = np.full(score(blocks.sum(axis=0)).shape, np.nan)
        return nothing, nothing.copy()
    return _jackknife(blocks, sizes, score) if method == "jackknife" else _bootstrap(blocks, score, seed)


def _jackknife(blocks: Ints, sizes: Ints, score: Score) -> tuple[Floats, Floats]:
    """The delete-one-block jackknife for blocks of unequal size (Busing, Meijer & van der Leeden 1999, equations 8 and 9).

    With pseudo-values ``t_j = h_j T - (h_j - 1) T_(-j)``, ``h_j = n / m_j``, and ``T_J = sum_j t_j / h_j`` the variance is
    ``1/g sum_j (t_j - T_J)^2 / (h_j - 1)``; for equal blocks that is Tukey's. The interval is ``T`` and the 97.5 % quantile of
    Student's t with g - 1 degrees of freedom to each side.
    """
    from scipy.special import stdtrit

    whole, total = score(blocks.sum(axis=0)), blocks.sum(axis=0)
    without = _scored(len(blocks), blocks.shape[1], lambda part: score(total - blocks[part]))
    h = (sizes.sum() / sizes)[:, None]
    pseudo = h * whole - (h - 1) * without
    centre = (pseudo / h).sum(axis=0)
    variance = ((pseudo - centre) ** 2 / (h - 1)).mean(axis=0)
    same = np.isclose(without, whole, rtol=1e-12, atol=1e-12).all(axis=0)  # no rounding where nothing varies
    half = stdtrit(len(blocks) - 1, (1 + LEVEL) / 2) * np.where(same, 0.0, np.sqrt(variance))
    return whole - half, whole + half


def _bootstrap(blocks: Ints, score: Score, seed: int) -> tuple[Floats, Floats]:
    """The percentile interval of :data:`REPLICATES` draws of as many blocks with replacement (Efron & Tibshirani 1993, ch. 13).

    It is widened where it would not hold the score itself.
    """
    whole, count = score(blocks.sum(axis=0)), len(blocks)
    drawn = np.random.default_rng([seed, count]).multinomial(count, np.full(count, 1 / count), REPLICATES)
    found = _scored(REPLICATES, blocks.shape[1], lambda part: score(drawn[part] @ blocks))
    tail = (1 - LEVEL) / 2
    known = np.isfinite(found)
    enough = known.mean(axis=0) >= ENOUGH
    found = np.where(enough & known, found, np.where(enough, np.nan, 0.0))
    low, high = np.nanquantile(found, [tail, 1 - tail], axis=0)
    return np.where(enough, np.fmin(low, whole), np.nan), np.where(enough, np.fmax(high, whole), np.nan)


def _scored(count: int, width: int, score: Callable[[slice], Floats]) -> Floats:
    """Scores of replicates 0 .. count, a part at a time, so that their counts stay small."""
    step = max(_AT_ONCE // width, 1)
    parts: list[npt.NDArray[np.float64]] = [score(slice(i, min(i + step, count))) for i in range(0, count, step)]
    return np.concatenate(parts)
