"""Damage: what hands have done to a samples file so that no estimate of it would stand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from geoseg.accuracy.samples import Ints, Samples, Stratum
from geoseg.errors import InputRefused

_REMEDY = "Take the file that geoseg sample wrote, and change reference and notes only"


def refuse_damage(path: str | Path, samples: Samples) -> None:
    """Refuse strata and samples that :func:`geoseg.sample` cannot have drawn.

    Raises
    ------
    InputRefused
        ``SAMPLES``: a stratum without pixels or with an area that is none, two samples of one pixel, an area of a pixel
        that is none, a class of the map that the sample's stratum has not.
    """
    for stratum in samples.strata:
        if stratum.n_pixels < 1 or stratum.sampled < 0 or not 0 <= stratum.area_m2 < math.inf:
            what = f"stratum {stratum.name} has {stratum.n_pixels} pixels, {stratum.area_m2:g} m2"
            raise InputRefused.of("SAMPLES", path, what, _REMEDY)
    wrong = ~(np.isfinite(samples.area_m2) & (samples.area_m2 >= 0))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        what = f"sample {samples.sample_id[i]} has an area of {samples.area_m2[i]:g} m2"
        raise InputRefused.of("SAMPLES", path, what, _REMEDY)
    _refuse_twice(path, samples)
    strange = ~np.isin(_pairs(samples.stratum, samples.map_class), _allowed(samples.strata))
    if strange.any():
        i = int(np.flatnonzero(strange)[0])
        what = (
            f"sample {samples.sample_id[i]} of stratum {samples.stratum[i]} has the map_class {samples.map_class[i]}, "
            "which that has not"
        )
        raise InputRefused.of("SAMPLES", path, what, _REMEDY)


def missing(samples: Samples) -> str | None:
    """A sentence on samples that were drawn and are not in the file any more; None where all are."""
    drawn = sum(stratum.sampled for stratum in samples.strata)
    if len(samples) >= drawn:
        return None
    there = {int(value): int(n) for value, n in zip(*np.unique(samples.stratum, return_counts=True), strict=True)}
    lost = [f"{s.name} {s.sampled - n}" for s in samples.strata if (n := there.get(s.value, 0)) < s.sampled]
    more = f" and {len(lost) - 8} more strata" if len(lost) > 8 else ""
    return (
        f"{drawn - len(samples)} of {drawn} samples that were drawn are not in the file ({', '.join(lost[:8])}{more}): "
        "that is right only where those that were deleted are a random part of their stratum"
    )


def _refuse_twice(path: str | Path, samples: Samples) -> None:
    order = np.lexsort((samples.col, samples.row))
    twice = (np.diff(samples.row[order]) == 0) & (np.diff(samples.col[order]) == 0)
    if twice.any():
        i = int(np.flatnonzero(twice)[0])
        one, other = sorted(int(samples.sample_id[order[j]]) for j in (i, i + 1))
        raise InputRefused.of("SAMPLES", path, f"samples {one} and {other} are of one pixel", "Delete one of them")


def _pairs(stratum: Ints, map_class: Ints) -> Ints:
    """One number for a stratum's value and a class."""
    return stratum * (1 << 20) + map_class


def _allowed(strata: tuple[Stratum, ...]) -> Ints:
    pairs = np.array([(s.value, value) for s in strata for value in s.classes], np.int64).reshape(-1, 2)
    return _pairs(pairs[:, 0], pairs[:, 1])
