"""Fit: the statistics of what has not changed between two images, from all of their pixels or a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from geoseg.compare.cva import fit_cva
from geoseg.compare.difference import Difference, Moments
from geoseg.compare.images import ImagePair, Pixels, gather
from geoseg.compare.irmad import fit_irmad
from geoseg.compare.threshold import Null
from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.vector.threads import InOrder

_ENOUGH = 1_000_000
"""Pixels of CVA's medians, which need them all at once."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The difference that is measured, how it is distributed without change, and what a report says of it."""

    difference: Difference
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def null(self) -> Null:
        """The distribution of magnitudes where nothing has changed."""
        return Null.of(self.difference.spectrum)


def fit(pair: ImagePair, method: str, sample: int, run: InOrder[Window, Any]) -> Fitted:
    """Fit ``cva`` or ``irmad``.

    Parameters
    ----------
    sample
        Pixels that are taken at most, each k-th row and column, and kept in memory; 0: all, read anew in each round
        (CVA's medians are of a million at most all the same).
    run
        Runs a function on windows and gives results in their order.
    """
    step = pair.step(sample or (_ENOUGH if method == "cva" else 0))
    where = pair.scenes[1].name
    if method == "cva":
        return _cva(_joined(gather(pair, step, run), pair), pair, step, where)
    if sample:
        kept = gather(pair, step, run)

        def add_up(difference: Difference | None) -> Moments:
            return _total((Moments.of(part, difference) for part in kept), pair)
    else:

        def add_up(difference: Difference | None) -> Moments:
            return _total(run(_Weighed(pair, difference), pair.cells()), pair)

    found = fit_irmad(add_up, where=where)
    correlations = [round(float(value), 6) for value in found.correlations]
    facts = {
        "name": "irmad", "sampled_each": step, "canonical_correlations": correlations, "rounds": found.rounds,
        "settled": found.settled, "mean_weight": round(found.no_change, 4),
    }  # fmt: skip
    unsettled = f"the statistics of what has not changed still moved after {found.rounds} rounds: few pixels are alike"
    notes = () if found.settled else (unsettled,)
    return Fitted(found.difference, facts, notes)


def _cva(pixels: Pixels, pair: ImagePair, step: int, where: str) -> Fitted:
    found = fit_cva(pixels, where=where)
    bands = [
        {"name": name, "gain": float(f"{gain:.6g}"), "offset": float(f"{offset:.6g}"), "noise": float(f"{noise:.6g}")}
        for name, gain, offset, noise in zip(pair.bands, found.gain, found.offset, found.noise, strict=True)
    ]
    spectrum = [round(float(value), 6) for value in found.difference.spectrum]
    return Fitted(found.difference, {"name": "cva", "sampled_each": step, "bands": bands, "spectrum": spectrum})


@dataclass(frozen=True, slots=True)
class _Weighed:
    pair: ImagePair
    difference: Difference | None

    def __call__(self, window: Window) -> Moments:
        return Moments.of(self.pair.read(window)[0], self.difference)


def _total(parts: Iterable[Moments], pair: ImagePair) -> Moments:
    """The sum in the parts' order."""
    found = [part for part in parts if part.n]
    if not found:
        raise _no_data(pair)
    return reduce(add, found)


def _joined(parts: list[Pixels], pair: ImagePair) -> Pixels:
    if not parts:
        raise _no_data(pair)
    return np.concatenate(parts)


def _no_data(pair: ImagePair) -> InputRefused:
    what = f"no pixel has data both in it and in {pair.scenes[0].name}"
    return InputRefused.of("NO_DATA", pair.scenes[1].name, what, "Check their nodata values and that they overlap")
