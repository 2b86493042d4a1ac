"""Errors model: how much of an observed change the two maps' own errors and their shift explain, and what is left of it.

The model
    A map shows class i where class k is with probability P(i | k), each pixel on its own and each date on its own; AFTER lies
    a shift s beside BEFORE. With T1, T2 the true classes, pairs of classes at lag h are then expected as
    N_h = P1' Q_(s+h) P2, where Q_u(k, l) is the share of places with T1(x) = k and T2(x + u) = l; so P1'^-1 N_h P2^-1 is
    Q_(s+h) without the noise (the correction of Hay 1988, doi:10.1080/01431168808954945, for both dates at once).
The shift
    Of what is left, q(u) = 1 - tr Q_u = c + r e(u): the true change c, and the borders that both dates have, which are a share r
    of a map's own; e(u) is how a map differs from itself at u (:mod:`geoseg.compare.borders`). c, r and s are fitted to
    the nine lags around s by least squares. Of c the value at s itself is taken, q(s) - r e(s).
The interval
    95 %, of two parts: bounds of e below a pixel, which no map shows (all mixtures of strips that fit), and beyond
    them 1.96 standard errors: of the noise that happened (multinomial), of the correction (jackknife over groups of
    windows, which refits the shift), and of the stated errors (draws of their matrices). Of an overall accuracy alone it is
    not known which class is mistaken for which; errors spread evenly make the most change of all, so that the upper end is
    raised by what they would make less if they all lay in a third of the land (errors e1, e2: by 4 e1 e2).

It rests on this: errors of the two dates are independent, as are those of neighbouring pixels; the matrices hold for these
maps; one shift for the whole. Errors that both maps share (the same model on the same places) make less false change
than is taken off here, and errors in patches scatter more than the interval knows; if an accuracy counts pixels at borders
that the shift explains too, they are taken off twice. An accuracy that is a point off moves the estimate by a point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.compare.borders import Borders
from geoseg.compare.error_estimate import ErrorEstimate, scaled
from geoseg.compare.lags import CROSS, HERE, NEAR, WITHIN, LagCounts
from geoseg.compare.map_errors import MapErrors

Floats = npt.NDArray[np.float64]
Both = tuple[Floats, Floats]
Given = tuple[MapErrors | None, MapErrors | None]

_DRAWS = 60
_Z = 1.959964
_MOST = 3.0
"""Borders that both maps have, as a multiple of those of one: more than 1 where errors in patches hide a map's own."""
_PLACES = 1 / 3
"""Least part of the land that all errors lie in where no more than an overall accuracy is known."""


def estimate_change(
    counts: LagCounts, before: MapErrors | None = None, after: MapErrors | None = None, *, seed: int = 0
) -> ErrorEstimate | None:
    """Estimate the true change of two maps; None where no pixel has a class at both dates.

    Parameters
    ----------
    counts
        :meth:`LagCounts.count` of the maps.
    before, after
        Their errors. Without any they are estimated from single pixels that stand alone: then the estimate is right for
        salt and pepper only, and larger errors of a map count as change.
    seed
        Of the draws of stated errors.
    """
    total = counts.total()
    if not total.n_pixels:
        return None
    errors = _known(total, (before, after))
    matrices = errors[0].matrix, errors[1].matrix
    fit = _Fit.of(total, matrices)
    least, most = fit.borders.bounds(fit.s)
    half = (
        _Z * (_noise(total, matrices) + _jackknife(counts, (before, after)) + _drawn(total, errors, fit, seed)) ** 0.5
    )
    below, above = fit.common * (most - fit.edge) + half, fit.common * (fit.edge - least) + half
    above += 2 * (1 / _PLACES - 1) * (1 - errors[0].even) * (1 - errors[1].even)
    null, change = fit.no_change(matrices), min(max(fit.change, 0.0), 1.0)
    return ErrorEstimate(
        observed=_observed(total), explained=null, explained_low=max(null - above, 0.0), explained_high=min(null + below, 1.0),
        raw=fit.change, below=below, above=above, shift=(-float(fit.s[0]), -float(fit.s[1])), matrix=fit.transitions(change),
        errors=errors, n_pixels=counts.n_pixels, whole=counts.whole,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Change c, share r of common borders and e at the shift s, and the shares without noise that they were fitted to."""

    change: float
    common: float
    edge: float
    s: Floats
    borders: Borders
    crossed: Floats
    within: Floats

    @classmethod
    def of(cls, counts: LagCounts, matrices: Both) -> _Fit:
        """Of counts in one group."""
        crossed, within = _without_noise(counts, matrices)
        differ = _differing(crossed)
        borders = Borders.fit(WITHIN, _differing(within))
        centre = np.clip(CROSS[differ.argmin()], 1 - NEAR, NEAR - 1)
        near = np.abs(CROSS - centre).max(axis=1) <= 1
        s, common = _placed(borders, CROSS[near], differ[near], -centre.astype(np.float64))
        edge = float(borders.share(s))
        return cls(float(differ[HERE]) - common * edge, common, edge, s, borders, crossed[HERE], within)

    def again(self, counts: LagCounts, matrices: Both) -> float:
        """The change of other counts or matrices, at the same shift and share of common borders."""
        crossed, within = _without_noise(counts, matrices)
        edge = Borders.fit(WITHIN, _differing(within)).share(self.s)
        return float(_differing(crossed[HERE]) - self.common * edge)

    def _moved(self) -> Floats:
        """What moving one map by the shift does to each pair of classes: off the diagonal, adding to ``edge``."""
        down, right = (np.flatnonzero((WITHIN == lag).all(axis=1))[0] for lag in ([1, 0], [0, 1]))
        pairs = abs(self.s[0]) * self.within[down] + abs(self.s[1]) * self.within[right]
        pairs = np.maximum(pairs + pairs.T, 0)
        np.fill_diagonal(pairs, 0)
        total = float(pairs.sum())
        return np.asarray(pairs * (self.edge / total)) if total > 0 else pairs

    def no_change(self, matrices: Both) -> float:
        """Share of pixels that would differ if nothing had changed."""
        moved = self._moved() * max(self.common, 1.0)
        margins = np.maximum(self.crossed.sum(axis=0) + self.crossed.sum(axis=1), 0)
        still = np.maximum(margins / margins.sum() - moved.sum(axis=1), 0)
        shown = matrices[0].T @ (np.diag(still * (1 - moved.sum()) / max(still.sum(), 1e-12)) + moved) @ matrices[1]
        return float(1 - np.trace(shown))

    def transitions(self, change: float) -> Floats:
        """Shares of true transitions: what is observed less noise and moved borders, none below 0."""
        found = np.maximum(self.crossed - self.common * self._moved(), 0)
        still = np.maximum(self.crossed.sum(axis=1) - found.sum(axis=1) + np.diagonal(found), 0)
        np.fill_diagonal(found, still)
        return scaled(found, change)


def _without_noise(counts: LagCounts, matrices: Both) -> Both:
    """Shares of pairs of true classes: (25, classes, classes) across, and (24, ...) within, mean of both maps."""
    one, other = _inverse(matrices)
    within = (_undone(counts.within[0, 0], one, one) + _undone(counts.within[0, 1], other, other)) / 2
    return _undone(counts.cross[0], one, other), within


def _inverse(matrices: Both) -> Both:
    one, other = (np.asarray(np.linalg.inv(matrix), np.float64) for matrix in matrices)
    return one, other


def _undone(counts: npt.NDArray[np.int64], one: Floats, other: Floats) -> Floats:
    total = np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1)
    return np.asarray(one.T @ (counts / total) @ other)


def _differing(shares: Floats) -> Floats:
    return np.asarray(1 - np.trace(shares, axis1=-2, axis2=-1))


def _placed(borders: Borders, lags: npt.NDArray[np.int64], differ: Floats, start: Floats) -> tuple[Floats, float]:
    """The shift, and the share of common borders, that fit best: a grid of shifts around ``start``, made finer twice."""
    best, common = start, 0.0
    for step in (0.1, 0.02, 0.004):
        moves = np.arange(-7, 8) * step
        tried = best + np.stack(np.meshgrid(moves, moves, indexing="ij"), axis=-1).reshape(-1, 2)
        edges = borders.share(tried[:, None] + lags)
        centred, rest = edges - edges.mean(axis=1, keepdims=True), differ - differ.mean()
        squares = (centred**2).sum(axis=1)
        slopes = np.clip((centred @ rest) / np.maximum(squares, 1e-18), 0, _MOST)
        found = int(((rest - slopes[:, None] * centred) ** 2).sum(axis=1).argmin())
        best, common = tried[found], float(slopes[found])
    return best, common


def _noise(counts: LagCounts, matrices: Both) -> float:
    """Variance of the share that differs without noise, for the noise that happened: of a weighted sum of a multinomial."""
    one, other = _inverse(matrices)
    weights, p = one @ other.T, counts.cross[0, HERE] / counts.n_pixels
    return max(float((weights**2 * p).sum() - (weights * p).sum() ** 2), 0.0) / counts.n_pixels


def _jackknife(counts: LagCounts, given: Given) -> float:
    """Variance of what is taken off (observed less change), over groups of windows left out in turn; all is fitted again."""
    parts = []
    for group in range(len(counts.cross)):
        rest = counts.total(without=group)
        if rest.n_pixels:
            matrices = tuple(errors.matrix for errors in _known(rest, given))
            parts.append(_observed(rest) - _Fit.of(rest, (matrices[0], matrices[1])).change)
    taken = np.array(parts)
    return float((len(taken) - 1) * taken.var()) if len(taken) > 1 else 0.0


def _drawn(total: LagCounts, errors: tuple[MapErrors, MapErrors], fit: _Fit, seed: int) -> float:
    """Variance from what is not known of the stated errors; the jackknife has that of estimated ones."""
    stated = [not one.specks and bool(np.isfinite(one.labels).any()) for one in errors]
    if not any(stated):
        return 0.0
    rng = np.random.default_rng([seed, 5])
    changes = []
    for _ in range(_DRAWS):
        one, other = (e.drawn(rng) if given else e.matrix for e, given in zip(errors, stated, strict=True))
        changes.append(fit.again(total, (one, other)))
    return float(np.var(changes, ddof=1))


def _known(total: LagCounts, given: Given) -> tuple[MapErrors, MapErrors]:
    """The errors that are given, or those of single pixels."""
    one, other = (e if e is not None else MapErrors.of_specks(total.specks[0, i]) for i, e in enumerate(given))
    return one, other


def _observed(counts: LagCounts) -> float:
    return float(1 - np.trace(counts.cross[0, HERE]) / counts.n_pixels)
