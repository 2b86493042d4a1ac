"""Intervals: 95 % intervals of ratios from a stratified sample.

``normal`` is the interval of the papers: the estimate and 1.96 standard errors to each side. It is too short where a class
is rare: when none of its pixels was found in a large stratum, that stratum's variance is estimated as 0.

``score`` asks instead which values the sample does not contradict: all R at which the difference between what was observed
and what R implies is at most 1.96 standard errors *as R implies them*. For one stratum and a proportion it is the interval
of Wilson (1927); for several it is the score interval for a linear combination of proportions (Martin Andres, Alvarez
Hernandez and Herranz Tejedor 2011, "Inferences about a linear combination of proportions", Stat. Methods Med. Res. 20:
369-387), with pixels of three kinds where both totals of a ratio are estimated. It stays within 0 and 1, needs no
spread (one sample in a stratum gives a wide interval, none of a class gives an upper end above 0), and is not symmetric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geoseg.accuracy.estimators import Bools, Floats, Ratios

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

_STEPS = 80
_CLOSE = 1e-10


def normal(ratios: Ratios) -> tuple[Floats, Floats]:
    """Estimate and 1.96 standard errors to each side, cut to 0-1; NaN where the standard error is not known."""
    half = Z * ratios.error
    return np.clip(ratios.value - half, 0, 1), np.clip(ratios.value + half, 0, 1)


def score(ratios: Ratios) -> tuple[Floats, Floats]:
    """The score interval; NaN where the ratio is not defined.

    Notes
    -----
    In each stratum pixels are of three kinds with ``d = y - R x`` of ``1 - R``, ``-R`` or 0. Among all shares p of the kinds
    for which ``sum A_h E_h(d)`` is 0, those most likely to give the sample are ``p = p' / (t + c d)``, where p' is what
    was observed, ``c = m A_h / n_h`` and t makes them sum to 1; m is one number for all strata (Lagrange's). The test's
    statistic is then ``m² V(R)`` with ``V = sum A_h² Var_h(d) / n_h``; the ends are where it is 1.96².
    """
    value = ratios.value
    matters = (ratios.area > 0) & (ratios.may_hit | ratios.may_miss)
    noise = np.where(matters, np.nan_to_num(ratios.noise) * ratios.area**2, 0).sum(0)
    known = np.isfinite(value)
    low, high = value.copy(), value.copy()
    moves = known & (noise > 0)
    for end, sign in ((low, 1.0), (high, -1.0)):
        seen = (ratios.area * (ratios.hit if sign > 0 else ratios.miss)).sum(0) > 0
        other = (matters & (ratios.may_miss if sign > 0 else ratios.may_hit)).any(
            0
        )  # else it is 1, or 0, whatever is drawn
        end[moves & ~seen] = 0.0 if sign > 0 else 1.0
        chosen = moves & seen & other
        if chosen.any():
            end[chosen] = _end(_Kinds(ratios, chosen), sign, noise[chosen])
    return np.fmin(low, value), np.fmax(high, value)


class _Kinds:
    """Observed shares of the three kinds of pixels, (kinds, strata, ratios), for some of the ratios."""

    def __init__(self, ratios: Ratios, chosen: Bools) -> None:
        there = (ratios.area > 0)[:, 0]
        hit, miss = ratios.hit[there][:, chosen], ratios.miss[there][:, chosen]
        self.share = np.stack([hit, miss, np.maximum(1 - hit - miss, 0)])
        may = (ratios.may_hit, ratios.may_miss, ratios.may_rest)
        self.may = np.stack([part[there][:, chosen] for part in may])
        self.share = np.where(self.may & (self.share > 1e-12), self.share, 0)
        self.share /= self.share.sum(0)
        scale = ratios.area.sum()
        self.area = ratios.area[there] / scale
        self.noise = ratios.noise[there]
        self.scale = scale

    def at(self, m: Floats, ratio: Floats) -> tuple[Floats, Floats]:
        """``sum A E(d)`` and ``sum A² Var(d) / n`` for Lagrange's number and a ratio, (ratios,) each."""
        d = np.stack([1 - ratio, -ratio, np.zeros_like(ratio)])[:, None, :]
        p = _tilted(self.share, self.may, m * self.area * self.noise * d)
        mean = (p * d).sum(0)
        spread = (p * d**2).sum(0) - mean**2
        return (self.area * mean).sum(0), (self.area**2 * self.noise * np.maximum(spread, 0)).sum(0)

    def solve(self, m: Floats) -> tuple[Floats, Floats]:
        """The ratio that belongs to Lagrange's number, and its variance."""
        zero, one = np.zeros_like(m), np.ones_like(m)
        ratio = find_root(lambda r: self.at(m, r)[0], zero, one)
        return ratio, self.at(m, ratio)[1]


def _end(kinds: _Kinds, sign: float, noise: Floats) -> Floats:
    """One end: where ``|m| sqrt(V)`` is 1.96. A variance is at most a quarter of the noise: there the search begins."""
    low = 2 * Z / np.sqrt(noise) * kinds.scale

    def beyond(m: Floats) -> Floats:
        return m * np.sqrt(kinds.solve(sign * m)[1]) - Z

    high = low * 2
    for _ in range(_STEPS):
        short = beyond(high) < 0
        if not short.any():
            break
        low, high = np.where(short, high, low), np.where(short, high * 2, high)
    return kinds.solve(sign * find_root(beyond, low, high))[0]


def _tilted(share: Floats, may: Bools, tilt: Floats) -> Floats:
    """Shares ``p = share / (t + tilt)`` that sum to 1 over the kinds (axis 0), by Newton's method from the left.

    The sum falls with t and is convex, so each step stays left of the solution. Where it is below 1 at the least t that
    the kinds allow, the kind that sets this bound was not observed and takes what is missing.
    """
    seen = share > 0
    bound = np.where(may, -tilt, -np.inf).max(0)
    t = np.maximum(np.where(seen, share - tilt, -np.inf).max(0), bound)
    top: Floats = np.where(seen, share, 0)
    for _ in range(_STEPS):
        below = np.where(seen, np.maximum(t + tilt, share), 1)  # no share is above 1; t + tilt alone may cancel to 0
        part = top / below
        over = part.sum(0) - 1
        step = np.where(over > 0, over / np.maximum((part / below).sum(0), 1e-300), 0)
        t = t + step
        if (step <= 1e-14 * np.abs(t) + 1e-300).all():
            break
    p = top / np.where(seen, np.maximum(t + tilt, share), 1)
    rest = np.maximum(1 - p.sum(0), 0)
    takes = may & ~seen & (-tilt >= bound)
    takes &= np.cumsum(takes, axis=0) == 1
    p = p + takes * rest
    made: Floats = p / p.sum(0)
    return made


def find_root(f: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Roots of functions that change sign between ``low`` and ``high``, elementwise, by Chandrupatla's method (1997).

    Where the sign does not change, the end with the smaller value.
    """
    a, b = low.astype(np.float64), high.astype(np.float64)
    fa, fb = f(a), f(b)
    same = np.sign(fa) * np.sign(fb) > 0
    end = np.where(np.abs(fa) < np.abs(fb), a, b)
    c, fc = a.copy(), fa.copy()
    t = np.full(a.shape, 0.5)
    for _ in range(_STEPS):
        x = a + t * (b - a)
        fx = f(x)
        stays = np.sign(fx) == np.sign(fa)
        c, fc = np.where(stays, a, b), np.where(stays, fa, fb)
        b, fb = np.where(stays, b, a), np.where(stays, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        width = np.abs(b - a)
        done = same | (width <= _CLOSE * np.abs(best) + 1e-15) | (fa == 0) | (fb == 0)
        if done.all():
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        least = np.minimum(0.5, (_CLOSE / 2 * np.abs(best) + 1e-15) / np.maximum(width, 1e-300))
        t = np.where(smooth & np.isfinite(t), np.clip(t, least, 1 - least), 0.5)
    root: Floats = np.where(same, end, np.where(np.abs(fa) < np.abs(fb), a, b))
    return root
