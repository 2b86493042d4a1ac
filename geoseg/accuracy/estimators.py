"""Estimators: areas and accuracies from a stratified random sample of labelled pixels, with standard errors.

One estimator serves all. Area, overall, user's and producer's accuracy are ratios ``R = Y / X`` of two totals of pixels'
areas, where ``y <= x`` are 0 or 1 at a pixel (Stehman 2014, "Estimating area and map accuracy for stratified random
sampling when the strata are different from the map classes", IJRS 35(13), equations 1-2 and 24-29):

====================  ==========================  ================================
R                     x                           y
====================  ==========================  ================================
share of area of k    1                           the reference is k
overall accuracy      1                           map and reference are the same
user's accuracy of k  the map is k                map and reference are k
producer's of k       the reference is k          map and reference are k
====================  ==========================  ================================

Where strata are the map's classes, these are the estimators of Olofsson et al. (2014, "Good practices for estimating area
and assessing accuracy of land change", RSE 148, equations 1-11) to the last digit, but for the finite-population
correction ``1 - n / N``, which Stehman applies and Olofsson et al. leave out. Here it is applied to strata of which a stated
share was sampled; below 5 % it "can be ignored", which overstates the error a little (Cochran 1977, section 2.6).

Pixels may differ in area. Every pixel of a stratum was drawn with one probability, so a share of a stratum's area is the
mean of ``y`` weighted by the drawn pixels' areas, a ratio estimator within the stratum, whose total is known (Cochran 1977,
section 6.10, the separate ratio estimate). The variance is that of the linearized variable. Where pixels are alike, all of
this is the plain mean and its variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """What was sampled, by stratum: arrays (strata,), and which map classes may occur in each, bool (strata, classes).

    ``n_pixels`` of 0 are not known: then there is no finite-population correction.
    """

    n_pixels: Ints
    area: Floats
    may: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled pixels: positions of stratum, map class and reference class, int64 (n,), and areas in any unit."""

    stratum: Ints
    mapped: Ints
    reference: Ints
    area: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """What is known of several ratios in each stratum, arrays (strata, ratios).

    ``hit`` is the share of the stratum's area with x = y = 1, ``miss`` that with x = 1 and y = 0; ``hit2``, ``miss2`` and
    ``rest2`` are the sums of squared weights in the three groups (the weights of a stratum sum to 1). ``may_hit``,
    ``may_miss`` and ``may_rest``: whether such pixels can occur there. ``area`` (strata, 1) is that of the strata with
    samples, 0 for others; ``noise`` (strata, 1) is one over the effective number of samples, ``(1 - n / N) * sum w²``, NaN
    without samples; ``n`` (strata, 1) are the samples.
    """

    hit: Floats
    miss: Floats
    hit2: Floats
    miss2: Floats
    rest2: Floats
    may_hit: Bools
    may_miss: Bools
    may_rest: Bools
    area: Floats
    noise: Floats
    n: Ints

    @property
    def value(self) -> Floats:
        """The estimates, float64 (ratios,); NaN where X is 0."""
        above, below = (self.area * self.hit).sum(0), (self.area * (self.hit + self.miss)).sum(0)
        made: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
        return made

    @property
    def error(self) -> Floats:
        """Standard errors, float64 (ratios,).

        Stehman 2014, equations 25-29: ``V(R) = 1 / X² sum A_h² (1 - n_h / N_h) s²(y - R x) / n_h``. NaN where R is, and
        where a stratum that matters has one sample and more pixels: its spread is not known.
        """
        value = self.value
        mean = self.hit - value * (self.hit + self.miss)
        squares = self.hit2 * (1 - value - mean) ** 2 + self.miss2 * (-value - mean) ** 2 + self.rest2 * mean**2
        all2 = np.where(self.n > 0, self.hit2 + self.miss2 + self.rest2, 1)
        finite = np.where(self.n > 0, self.noise, 0) / all2
        parts = self.area**2 * finite * squares * self.n / np.maximum(self.n - 1, 1)
        lonely = (self.n == 1) & (finite > 0) & (self.may_hit | self.may_miss)
        below = (self.area * (self.hit + self.miss)).sum(0)
        found = np.sqrt(parts.sum(0)) / np.where(below > 0, below, 1)
        return np.where(lonely.any(0), np.nan, found)


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Estimates, standard errors and ends of the intervals, float64 (numbers,) each; NaN where there is none."""

    value: Floats
    error: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """All that is estimated; by class in the order of ``classes``.

    ``area`` is in the population's unit, of the strata that have samples (``covered``, of ``total``). ``matrix`` are
    counts (map, reference) of samples, ``shares`` the same as estimated shares of the covered area; ``n`` are the
    samples of each stratum.
    """

    overall: Estimates
    area: Estimates
    users: Estimates
    producers: Estimates
    matrix: Ints
    shares: Floats
    n: Ints
    covered: float
    total: float


NOTABLE = 0.05
"""Share of a stratum from which on it is a finite population (Cochran 1977, section 2.6)."""

Interval = Callable[[Ratios], tuple[Floats, Floats]]


def estimate(population: Population, sample: Labelled, interval: Interval, *, finite: float = NOTABLE) -> Accuracy:
    """Estimate areas and accuracies.

    Parameters
    ----------
    interval
        One of :mod:`geoseg.accuracy.intervals`.
    finite
        Multiply variances by ``1 - n_h / N_h`` in strata of which at least this share was sampled: 0 is what Stehman (2014)
        does, anything above 1 what Olofsson et al. (2014) do.

    Notes
    -----
    Strata without samples say nothing of what they hold: they are left out, ``covered`` is the rest. Strata with one sample
    count for estimates and intervals, and leave standard errors unknown (NaN), unless they are one pixel.
    """
    classes = population.may.shape[1]
    made = ratios(population, sample, finite=finite)
    value, error, (low, high) = made.value, made.error, interval(made)
    covered = float(made.area.sum())
    parts = [slice(0, 1), *(slice(1 + i * classes, 1 + (i + 1) * classes) for i in range(3))]
    overall, area, users, producers = (Estimates(value[p], error[p], low[p], high[p]) for p in parts)
    area = Estimates(area.value * covered, area.error * covered, area.low * covered, area.high * covered)
    weight = _weights(sample, len(population.area))[0] * population.area[sample.stratum]
    cell = sample.mapped * classes + sample.reference
    shares = _sums(cell, weight / (covered or 1), classes**2).reshape(classes, classes)
    matrix: Ints = np.bincount(cell, minlength=classes**2).astype(np.int64).reshape(classes, classes)
    n = made.n[:, 0]
    return Accuracy(overall, area, users, producers, matrix, shares, n, covered, float(population.area.sum()))


def ratios(population: Population, sample: Labelled, *, finite: float = NOTABLE) -> Ratios:
    """Overall accuracy, then shares of area, user's and producer's accuracy of each class: 1 + 3 * classes ratios."""
    strata, classes = population.may.shape
    weight, n = _weights(sample, strata)
    same = sample.mapped == sample.reference

    def shares(of: Ints | None, where: Bools | None, power: int) -> Floats:
        """Sums of weights by stratum and class; of all samples in one column where ``of`` is None."""
        wide = 1 if of is None else classes
        cell = sample.stratum * wide + (0 if of is None else of)
        chosen = np.ones(len(cell), bool) if where is None else where
        return _sums(cell[chosen], weight[chosen] ** power, strata * wide).reshape(strata, wide)

    columns = []
    for power in (1, 2):
        every, right = shares(None, None, power), shares(None, same, power)
        seen, both = shares(sample.reference, None, power), shares(sample.reference, same, power)
        there = shares(sample.mapped, None, power)
        hit = np.hstack([right, seen, both, both])
        miss = np.hstack([every - right, every - seen, there - both, seen - both])
        columns += [hit, np.maximum(miss, 0), np.maximum(every - hit - miss, 0)]
    hit, miss, _, hit2, miss2, rest2 = columns
    true = np.ones((strata, 1 + classes), bool)
    may = population.may
    may_hit = np.hstack([true, may, may])
    single = may.sum(1, keepdims=True) == 1  # a stratum of one class: the map is that class everywhere, or nowhere
    may_miss = np.hstack([true, may, ~(may & single)])
    may_rest = np.hstack([~true, ~(may & single), np.ones_like(may)])
    part = n / np.where(population.n_pixels > 0, population.n_pixels, np.inf)
    noise: Floats = np.where(part >= finite, np.maximum(1 - part, 0), 1) * _sums(sample.stratum, weight**2, strata)
    noise = np.where(n > 0, noise, np.nan)[:, None]
    area = np.where(n > 0, population.area, 0.0)[:, None]
    return Ratios(hit, miss, hit2, miss2, rest2, may_hit, may_miss, may_rest, area, noise, n[:, None])


def possible(classes: Sequence[int], of_stratum: Sequence[Sequence[int]], sample: Labelled) -> Bools:
    """Which map classes may occur in each stratum: those named (all where none is), and those that samples show."""
    place = {value: i for i, value in enumerate(classes)}
    made = np.zeros((len(of_stratum), len(classes)), bool)
    for i, values in enumerate(of_stratum):
        made[i, [place[value] for value in values]] = True
        made[i] |= not values
    made[sample.stratum, sample.mapped] = True
    return made


def _sums(cell: Ints, weight: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(cell, weight, size), np.float64)


def _weights(sample: Labelled, strata: int) -> tuple[Floats, Ints]:
    """Weights of the samples, which sum to 1 in each stratum, and the samples of each."""
    total = _sums(sample.stratum, sample.area, strata)
    return sample.area / total[sample.stratum], np.bincount(sample.stratum, minlength=strata).astype(np.int64)
