"""Deal: places with class counts to parts of given shares, so that each part has each class as far as possible.

After Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data (ECML PKDD): the rarest class first,
and each place to the part that lacks most of what it holds. Counts of pixels stand in for their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """How places lie to each other.

    Parameters
    ----------
    neighbours
        (places, 8): the places around each, row-major, -1 for none.
    borders
        (parts, parts), symmetric: what a border of a place's length between two parts costs, in places.
    """

    neighbours: Ints
    borders: Floats


def deal(
    counts: Ints,
    shares: Sequence[float],
    rng: np.random.Generator,
    *,
    ground: Ground | None = None,
    fixed: Ints | None = None,
) -> Ints:
    """The number of the part of each place.

    Parameters
    ----------
    counts
        (places, classes), labelled pixels.
    shares
        What each part shall have of each class; they add up to 1. Where a class has fewer places than there are parts,
        the parts with larger shares come first.
    rng
        Decides between places that are alike. The same generator gives the same parts.
    ground
        Where it is given, parts are made of few pieces, so that less is lost to buffers.
    fixed
        (places,), the part of those that have one, -1 for the others.
    """
    asked = np.asarray(shares, np.float64)
    fixed = np.full(len(counts), -1) if fixed is None else fixed
    dealer = _Dealer(counts, asked, fixed)
    held = dealer.has.sum(axis=0)
    for of_class in np.argsort(held, kind="stable"):
        dealer.cover(int(of_class))
    size = dealer.worth.max(axis=1, initial=0.0)
    magnitude = np.floor(np.log2(np.maximum(size, 1e-12)))
    order = rng.permutation(len(counts))
    for place in order[np.argsort(-magnitude[order], kind="stable")]:
        if dealer.part[place] < 0:
            dealer.give(int(place), int(np.argmin(dealer.costs(place) + dealer.closed)))
    dealer.repair()
    if ground is None or not ground.borders.any() or (fixed >= 0).all():
        return dealer.part
    from geoseg.training.splits.clump import clump  # numba, so only when something is dealt

    return clump(
        dealer.part, dealer.worth, asked,
        neighbours=ground.neighbours, borders=ground.borders, fixed=fixed >= 0, rng=rng,
    )  # fmt: skip


class _Dealer:
    """What each part has so far."""

    def __init__(self, counts: Ints, shares: Floats, fixed: Ints) -> None:
        totals = counts.sum(axis=0)
        self.has = counts > 0
        self.worth = counts / np.maximum(totals, 1)
        self.part = np.full(len(counts), -1, np.int64)
        self.lack = np.repeat(shares[:, None], counts.shape[1], axis=1)
        """(parts, classes): share of the class that the part shall still get."""
        self.places = np.zeros(self.lack.shape, np.int64)
        """(parts, classes): places with the class that the part has."""
        self.free = fixed < 0
        for place in np.flatnonzero(~self.free):
            self.give(int(place), int(fixed[place]))
        self.closed = np.where(np.isin(np.arange(len(shares)), fixed), np.inf, 0.0)
        """(parts,): infinite for those that were given before and get no more."""

    def costs(self, place: npt.NDArray[np.intp] | int) -> Floats:
        """(places, parts): by how much the sum of squares of what is lacking grows if a part gets a place."""
        worth = self.worth[place]
        own = (worth**2).sum(axis=-1, keepdims=True)
        costs: Floats = own - 2 * worth @ self.lack.T
        return costs

    def give(self, place: int, part: int) -> None:
        """Put a place into a part, from another one or from none."""
        before = self.part[place]
        if before >= 0:
            self.lack[before] += self.worth[place]
            self.places[before] -= self.has[place]
        self.part[place] = part
        self.lack[part] -= self.worth[place]
        self.places[part] += self.has[place]

    def cover(self, of_class: int) -> None:
        """Give each part that has no place of a class one, as long as there are any; the best pair first."""
        while True:
            without = np.flatnonzero((self.places[:, of_class] == 0) & (self.closed == 0))
            free = np.flatnonzero(self.has[:, of_class] & (self.part < 0))
            if not (len(without) and len(free)):
                return
            costs = self.costs(free)[:, without]
            at, which = np.unravel_index(int(np.argmin(costs)), costs.shape)
            self.give(int(free[at]), int(without[which]))

    def repair(self) -> None:
        """Move or swap places while that gives a part a class that it lacks, and takes no more from another."""
        there = self.has.any(axis=0)
        for _ in range(self.places.size):
            missing = np.argwhere((self.places == 0) & there & (self.closed == 0)[:, None])
            if not any(self._supply(int(part), int(of_class)) for part, of_class in missing):
                return

    def _supply(self, part: int, of_class: int) -> bool:
        best: tuple[float, float, int, int] | None = None
        for place in np.flatnonzero(self.has[:, of_class] & (self.part != part) & self.free)[:_TRIED]:
            other = int(self.part[place])
            partners = np.flatnonzero(self.part == part)[:_TRIED]
            for partner in (-1, *partners):
                gain, cost = self._change(int(place), int(partner), part, other)
                if gain > 0 and (best is None or (-gain, cost) < best[:2]):
                    best = (-gain, cost, int(place), int(partner))
        if best is None:
            return False
        _, _, place, partner = best
        other = int(self.part[place])
        self.give(place, part)
        if partner >= 0:
            self.give(partner, other)
        return True

    def _change(self, place: int, partner: int, part: int, other: int) -> tuple[float, float]:
        """How many pairs of part and class a move (a swap, with a partner) gains, and what it costs."""
        back = self.has[partner] if partner >= 0 else np.zeros_like(self.has[place])
        weight = self.worth[partner] if partner >= 0 else np.zeros_like(self.worth[place])
        moved = self.has[place].astype(np.int64) - back
        after = np.stack([self.places[part] + moved, self.places[other] - moved])
        before = self.places[[part, other]]
        lack = self.lack[[part, other]]
        shift = np.stack([self.worth[place] - weight, weight - self.worth[place]])
        cost = ((lack - shift) ** 2).sum() - (lack**2).sum()
        return float((after > 0).sum() - (before > 0).sum()), float(cost)


_TRIED = 64
"""Places that a repair looks at, of a class or of a part: where a class is missing there are few."""
