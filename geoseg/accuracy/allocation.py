"""Allocation: the strata of a census with the samples that settings give each of them, and what to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.accuracy.design import ADVISED_MINIMUM, Floats, allocate, expected_error, samples_needed, shares_of
from geoseg.accuracy.samples import Stratum
from geoseg.accuracy.settings import MOST_SAMPLES, SampleSettings
from geoseg.accuracy.strata import Cells, Part
from geoseg.config import PerClass
from geoseg.errors import InputRefused, UsageError


@dataclass(frozen=True, slots=True)
class Allocation:
    """Strata with their samples, and what is known of them.

    ``minimum`` are the samples of a stratum at least; ``expected_error`` is the standard error of the overall accuracy to
    expect, None where it is not known.
    """

    strata: tuple[Stratum, ...]
    minimum: int
    expected_error: float | None
    notes: tuple[str, ...]


def allocation_of(
    path: Path, cells: Cells, parts: Sequence[Part], unit_m2: float, settings: SampleSettings
) -> Allocation:
    """How many samples each stratum gets; says where a stratum gives all it has.

    Parameters
    ----------
    path
        The mask, for errors.
    cells, unit_m2
        Pixels and area by class, and the unit of area.

    Raises
    ------
    InputRefused
        ``CLASSES``: there is no stratum.
    UsageError
        ``TOTAL``: fewer samples than strata, or than their minimum, or more than can be labelled. ``LEGEND``, ``ACCURACY``: a
        user's accuracy of no stratum, or none of one.
    """
    if not parts:
        raise InputRefused.of("CLASSES", path, "no pixel has a class that is sampled", "Check --class and --nodata")
    n_pixels = [sum(int(cells.n_pixels[cell]) for cell in part.cells) for part in parts]
    area = [sum(int(cells.units[cell]) for cell in part.cells) * unit_m2 for part in parts]
    accuracy = _accuracies(parts, settings.users_accuracy) if settings.users_accuracy.any else None
    if settings.total is not None:
        total = settings.total
    else:
        assert accuracy is not None and settings.standard_error is not None
        needed = max(samples_needed(area, accuracy, settings.standard_error), 2.0 * len(parts))
        if min(needed, sum(n_pixels)) > MOST_SAMPLES:
            what = f"needs {needed:.3g} samples, and {MOST_SAMPLES} are possible"
            raise UsageError.of("TOTAL", f"standard error {settings.standard_error:g}", what, "Allow a larger one")
        total = int(min(needed, 2.0 * MOST_SAMPLES))
    minimum = _minimum(total, len(parts), settings.min_per_class)
    shares = shares_of(settings.allocation, area if sum(area) else n_pixels, accuracy)
    got = allocate(total, n_pixels, shares, minimum=minimum)
    strata = tuple(
        Stratum(part.value, part.name, part.map_class, n, m2, drawn, part.classes)
        for part, n, m2, drawn in zip(parts, n_pixels, area, got, strict=True)
    )
    error = expected_error(area, accuracy, got) if accuracy is not None else float("nan")
    notes = _shortfalls(strata, total, minimum, shares)
    return Allocation(strata, minimum, None if np.isnan(error) else error, notes)


def _minimum(total: int, strata: int, stated: int | None) -> int:
    if total < strata:
        what = f"{total} samples for {strata} strata"
        raise UsageError.of("TOTAL", "sample", what, "Raise --total, or join strata with --group or --group-below")
    if stated is None:
        return max(min(ADVISED_MINIMUM, total // (2 * strata)), 1)
    if stated * strata > total:
        what = f"{strata} strata of {stated} samples at least are {stated * strata}, and --total is {total}"
        raise UsageError.of("TOTAL", "sample", what, "Raise --total, or lower --min-per-class")
    return max(stated, 1)


def _shortfalls(strata: Sequence[Stratum], total: int, minimum: int, shares: Floats) -> tuple[str, ...]:
    """Strata that are taken whole, and those that say nothing of their spread."""
    even = total * shares / max(float(shares.sum()), 1e-300)
    notes = [
        f"{s.name}: all of its {s.n_pixels} pixels are taken, {max(minimum, round(share))} were due"
        for s, share in zip(strata, even.tolist(), strict=True)
        if s.sampled == s.n_pixels and s.n_pixels < max(minimum, round(share))
    ]
    drawn = sum(s.sampled for s in strata)
    if drawn < total:
        notes.append(f"the map has {drawn} pixels, and all are taken: {total} were asked for")
    notes += [
        f"{s.name}: one sample tells no standard error; raise --total or --min-per-class, or group it"
        for s in strata
        if s.sampled == 1 < s.n_pixels
    ]
    return tuple(notes)


def _accuracies(parts: Sequence[Part], stated: PerClass) -> list[float]:
    """The stated user's accuracy of each stratum, by its name or value."""
    known = {part.name.casefold(): i for i, part in enumerate(parts)}
    known |= {str(part.value): i for i, part in enumerate(parts) if str(part.value) not in known}
    made = [stated.others] * len(parts)
    for name, number in stated.classes.items():
        if name.strip().casefold() not in known:
            there = ", ".join(part.name for part in parts)
            raise UsageError.of("LEGEND", name, "no stratum of this name", f"The strata are: {there}")
        made[known[name.strip().casefold()]] = number
    for part, number in zip(parts, made, strict=True):
        if not number:
            what = "no user's accuracy is stated"
            raise UsageError.of("ACCURACY", part.name, what, "State it, or one for all others: --users-accuracy 0.8")
    return made
