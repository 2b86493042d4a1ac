"""Clump: places of one part moved together, for each border between parts costs a buffer; compiled.

Simulated annealing (Kirkpatrick, Gelatt and Vecchi 1983) of a Potts energy: what the buffers take, in places, and how far
each part's share of each class is from the one asked for. No move takes a part's last place of a class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.raster.jit import jit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_Shares = tuple[Floats, Floats, Ints, Floats, float]
"""``worth``, what parts have of classes, how many places with them, what they shall have, and what a deviation costs."""

_SWEEPS = 80
_HOT, _COLD = 0.5, 0.01
"""Temperatures, places."""
_EVEN = 3.0
"""What shares that are off by their own size cost, in shares of all places."""
_SIDES = np.array([0.25, 1.0, 0.25, 1.0, 1.0, 0.25, 1.0, 0.25])
"""How much of a border each of the eight neighbours is, row-major: a corner takes little."""


def clump(
    part: Ints,
    worth: Floats,
    shares: Floats,
    *,
    neighbours: Ints,
    borders: Floats,
    fixed: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Ints:
    """Other parts of the places, with borders that cost less and about the same shares.

    Parameters
    ----------
    part
        (places,), numbers of the parts; they stay as they are.
    worth
        (places, classes): share of the labels of a class that a place has.
    shares
        (parts,): what each shall have of each class, above 0.
    neighbours
        (places, 8): numbers of the places around, row-major; -1 for none.
    borders
        (parts, parts), symmetric: what a border of a place's length costs, in places.
    fixed
        (places,): True for those that keep their part.
    """
    part, has = part.copy(), worth > 0
    held, places = np.zeros((len(shares), worth.shape[1])), np.zeros((len(shares), worth.shape[1]), np.int64)
    np.add.at(held, part, worth)
    np.add.at(places, part, has)
    scale = _EVEN * len(part) / max(len(shares) * int(has.any(axis=0).sum()), 1)
    free = np.flatnonzero(~fixed)
    for temperature in np.geomspace(_HOT, _COLD, _SWEEPS):
        order, side = rng.choice(free, len(free)), rng.integers(8, size=len(free))
        chance = -temperature * np.log1p(-rng.random(len(free)))
        for_shares = worth, held, places, shares, scale
        _sweep(part, for_shares, neighbours, borders, (order, side, chance))
    return part


@jit
def _sweep(
    part: Ints, for_shares: _Shares, neighbours: Ints, borders: Floats, drawn: tuple[Ints, Ints, Floats]
) -> None:
    order, side, chance = drawn
    worth, held, places, _, _ = for_shares
    for t in range(len(order)):
        i, like = order[t], neighbours[order[t], side[t]]
        if like < 0 or part[like] == part[i] or _takes_last(worth[i], places[part[i]]):
            continue
        a, b = part[i], part[like]
        if _border_cost(part, neighbours[i], borders, a, b) + _share_cost(i, a, b, for_shares) < chance[t]:
            part[i] = b
            for c in np.flatnonzero(worth[i]):
                held[a, c] -= worth[i, c]
                held[b, c] += worth[i, c]
                places[a, c] -= 1
                places[b, c] += 1


@jit
def _takes_last(worth: Floats, places: Ints) -> bool:
    """Whether a part would lose its only place of a class."""
    for c in range(len(worth)):
        if worth[c] > 0 and places[c] == 1:
            return True
    return False


@jit
def _border_cost(part: Ints, around: Ints, borders: Floats, a: int, b: int) -> float:
    """What borders cost more if a place goes from part ``a`` to ``b``."""
    cost = 0.0
    for m in range(8):
        if around[m] >= 0:
            other = part[around[m]]
            cost += _SIDES[m] * (borders[b, other] - borders[a, other])
    return cost


@jit
def _share_cost(i: int, a: int, b: int, for_shares: _Shares) -> float:
    """By how much squares of relative deviations from the shares grow if a place goes from part ``a`` to ``b``."""
    worth, held, _, shares, scale = for_shares
    cost = 0.0
    for c in range(worth.shape[1]):
        w = worth[i, c]
        off_a, off_b = held[a, c] - shares[a], held[b, c] - shares[b]
        cost += w * ((w - 2 * off_a) / shares[a] ** 2 + (w + 2 * off_b) / shares[b] ** 2)
    return float(scale * cost)
