"""Estimate table: areas and accuracies of a map's classes with intervals, as CSV or JSON, and what to know of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from geoseg import notebook
from geoseg.accuracy.estimators import NOTABLE, Accuracy, Estimates, Labelled, Population, estimate, possible
from geoseg.accuracy.intervals import Z, normal, score
from geoseg.accuracy.samples import Samples, Stratum
from geoseg.raster.files import complete_or_absent
from geoseg.vector.measure import print_csv, write_csv

NO_CLASS = "(no class)"
"""Name of what a map says where it has no class."""

INTERVALS = {"score": score, "normal": normal}
CORRECTIONS = {"auto": NOTABLE, "always": 0.0, "never": math.inf}
_SAID = {
    "score": "95 % score interval (Wilson 1927; Martin Andres et al. 2011)",
    "normal": "95 % normal interval: estimate and 1.96 standard errors to each side, cut to what is possible",
}
_CORRECTED = {
    "auto": "1 - n / N in strata of which at least 5 % are sampled",
    "always": "1 - n / N in all strata (Stehman 2014)",
    "never": "none (Olofsson et al. 2014)",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimate: ``margin`` are 1.96 standard errors, ``low`` and ``high`` the ends of the interval; None: not known."""

    value: float | None
    se: float | None
    margin: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ClassEstimate:
    """One class: what the map says (``map_ha``, None where nobody counted it), and what is estimated (``area_ha``).

    ``n_map``, ``n_reference`` and ``n_agree`` are labelled samples of the class in the map, the reference, and both.
    """

    class_id: int
    class_name: str
    n_map: int
    n_reference: int
    n_agree: int
    map_pixels: int | None
    map_ha: float | None
    area_ha: Estimate
    users: Estimate
    producers: Estimate


@dataclass(frozen=True, slots=True)
class StratumUse:
    """One stratum: its size, samples in the file, how many are labelled, and what that means (``ok`` or why not)."""

    stratum: int
    name: str
    n_pixels: int | None
    area_ha: float
    samples: int
    labelled: int
    state: str


@dataclass(frozen=True, slots=True)
class EstimateTable:
    """Areas by class with intervals, the map's own areas beside them, and the accuracy of the map.

    ``covered_ha`` of ``total_ha`` lie in strata with labelled samples: estimates are of these. ``matrix`` counts samples,
    ``matrix_share`` holds estimated shares of the covered area; rows are the map, columns the reference, both in the order
    of ``classes``.
    """

    overall: Estimate
    classes: tuple[ClassEstimate, ...]
    strata: tuple[StratumUse, ...]
    matrix: tuple[tuple[int, ...], ...]
    matrix_share: tuple[tuple[float, ...], ...]
    covered_ha: float
    total_ha: float
    samples: int
    unlabelled: int
    method: str
    interval: str
    correction: str
    area_method: str
    notes: tuple[str, ...] = ()

    def print_csv(self, file: TextIO) -> None:
        """Write one line for each class, and one for all of them with the overall accuracy; empty cells: not known."""
        print_csv(file, HEADER, self._lines())

    def to_json(self) -> str:
        """The table as JSON, numbers in full, null where one is not known."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        header = ("class", "map, ha", "estimate, ha", "user's", "producer's")

        def made() -> str:
            rows = [
                (
                    row.class_name,
                    "" if row.map_ha is None else f"{row.map_ha:,.1f}",
                    *map(_told, (row.area_ha, row.users, row.producers)),
                )
                for row in self.classes
            ]
            title = f"Overall accuracy {_told(self.overall)}, {self.samples} samples"
            return notebook.panel(title, notebook.table(header, rows, right=(1,)))

        return notebook.shown(self, made)

    def write(self, path: str | Path, *, as_json: bool) -> None:
        """Write the table, complete or not at all."""
        with complete_or_absent(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            if as_json:
                file.write(self.to_json())
            else:
                self.print_csv(file)

    def write_matrix(self, path: str | Path) -> None:
        """Write the matrix of counts as CSV: a line for each class of the map, a column for each of the reference."""
        names = [row.class_name for row in self.classes]
        write_csv(path, ["map", *names], ([name, *row] for name, row in zip(names, self.matrix, strict=True)))

    def _lines(self) -> Iterator[list[object]]:
        said = [self.method, self.interval, self.correction, self.area_method]
        nothing = [""] * 5
        for c in self.classes:
            counts: list[object] = [c.n_map, c.n_reference, c.n_agree, "" if c.map_pixels is None else c.map_pixels]
            estimates = [*_cells(c.area_ha, 4), *_cells(c.users, 6), *_cells(c.producers, 6), *nothing]
            yield [c.class_id, c.class_name, *counts, _cell(c.map_ha, 4), *estimates, *said]
        n = self.samples - self.unlabelled
        agree = sum(c.n_agree for c in self.classes)
        mapped, pixels = [c.map_ha for c in self.classes], [c.map_pixels for c in self.classes]
        total = None if None in mapped else math.fsum(ha for ha in mapped if ha is not None)
        number = "" if None in pixels else sum(n for n in pixels if n is not None)
        area = [_cell(self.covered_ha, 4), "", "", "", ""]
        all_of_it: list[object] = ["", "all", n, n, agree, number, _cell(total, 4)]
        yield [*all_of_it, *area, *nothing, *nothing, *_cells(self.overall, 6), *said]


_PARTS = ("", "_se", "_margin", "_low", "_high")
HEADER = (
    "class_id", "class_name", "n_map", "n_reference", "n_agree", "map_pixels", "map_ha",
    "area_ha", "area_se_ha", "area_margin_ha", "area_low_ha", "area_high_ha",
    *(f"{name}{part}" for name in ("users", "producers", "overall") for part in _PARTS),
    "method", "interval", "correction", "area_method",
)  # fmt: skip


def tabulate(
    samples: Samples, mapped: Mapping[int, tuple[int, float]] | None, *, interval: str, correction: str
) -> EstimateTable:
    """Estimate from labelled samples.

    Parameters
    ----------
    samples
        Where :attr:`Samples.map_class` is the class of the map that is judged; references are classes of the legend.
    mapped
        Pixels and area in m² of each class on that map; None: known only where strata are its classes.
    interval, correction
        Keys of :data:`INTERVALS` and :data:`CORRECTIONS`.
    """
    seen = samples.labelled
    classes = _classes(samples, seen, mapped)
    values = list(classes)
    at = {stratum.value: i for i, stratum in enumerate(samples.strata)}
    place = {value: i for i, value in enumerate(values)}
    labelled = Labelled(
        np.array([at[v] for v in samples.stratum[seen].tolist()], np.int64),
        np.array([place[v] for v in samples.map_class[seen].tolist()], np.int64),
        np.array([place[v] for v in samples.reference[seen].tolist()], np.int64),
        samples.area_m2[seen],
    )
    may = possible(values, [[v for v in s.classes if v in place] for s in samples.strata], labelled)
    population = Population(
        np.array([s.n_pixels for s in samples.strata], np.int64),
        np.array([s.area_m2 for s in samples.strata], np.float64), may,
    )  # fmt: skip
    found = estimate(population, labelled, INTERVALS[interval], finite=CORRECTIONS[correction])
    own: dict[int, tuple[int, float]] = dict(mapped) if mapped is not None else _mapped(samples.strata)
    if mapped is not None or not _unknown(samples):
        own = {value: (0, 0.0) for value, name in classes.items() if name != NO_CLASS} | own
    strata = _strata(samples, found)
    return EstimateTable(
        _one(found.overall, 0),
        tuple(_class(found, i, value, name, own.get(value)) for i, (value, name) in enumerate(classes.items())),
        strata,
        tuple(tuple(row) for row in found.matrix.tolist()),
        tuple(tuple(row) for row in found.shares.tolist()),
        found.covered / 1e4, found.total / 1e4, len(samples), int((~seen).sum()),
        _method(samples.strata), _SAID[interval], _CORRECTED[correction],
        samples.facts.get("area_method", "as given"), _notes(samples, strata, found, classes, own),
    )  # fmt: skip


def _classes(samples: Samples, seen: Any, mapped: Mapping[int, Any] | None) -> dict[int, str]:
    """The classes that the map or a reference has, in the legend's order."""
    there = {value for s in samples.strata for value in s.classes} | set(mapped or ())
    there |= set(samples.map_class[seen].tolist()) | set(samples.reference[seen].tolist())
    names = samples.legend.names
    return {v: names[v] for v in names if v in there} | {v: str(v) for v in sorted(there - names.keys())}


def _mapped(strata: Sequence[Stratum]) -> dict[int, tuple[int, float]]:
    """Pixels and area of each class where strata say it: those that are in no stratum of several classes."""
    mixed = {value for s in strata if s.map_class is None for value in s.classes}
    unknown = any(s.map_class is None and not s.classes for s in strata)
    made: dict[int, tuple[int, float]] = {}
    for s in strata:
        if s.map_class is not None and s.map_class not in mixed and not unknown:
            made[s.map_class] = (s.n_pixels, s.area_m2)
    return made


def _class(found: Accuracy, i: int, value: int, name: str, own: tuple[int, float] | None) -> ClassEstimate:
    n_map, n_reference, agree = int(found.matrix[i].sum()), int(found.matrix[:, i].sum()), int(found.matrix[i, i])
    pixels, area = own if own is not None else (None, None)
    return ClassEstimate(
        value, name, n_map, n_reference, agree, pixels or (None if area else pixels), None if area is None else area / 1e4,
        _one(found.area, i, 1e4), _one(found.users, i), _one(found.producers, i),
    )  # fmt: skip


def _one(estimates: Estimates, i: int, unit: float = 1.0) -> Estimate:
    value, se, low, high = (
        float(part[i]) / unit for part in (estimates.value, estimates.error, estimates.low, estimates.high)
    )
    return Estimate(*(None if math.isnan(x) else x for x in (value, se, Z * se, low, high)))


def _strata(samples: Samples, found: Accuracy) -> tuple[StratumUse, ...]:
    made = []
    for s, n in zip(samples.strata, found.n.tolist(), strict=True):
        state = "ok"
        if n == 0:
            state = "no labelled sample: not estimated" if s.n_pixels or s.area_m2 else "no pixels"
        elif n == 1 and s.n_pixels != 1:
            state = "one labelled sample: no standard error"
        there = int((samples.stratum == s.value).sum())
        made.append(StratumUse(s.value, s.name, s.n_pixels or None, s.area_m2 / 1e4, there, n, state))
    return tuple(made)


def _method(strata: Sequence[Stratum]) -> str:
    if all(s.map_class is not None for s in strata):
        return "stratified estimators, strata are the map's classes (Olofsson et al. 2014)"
    return "stratified estimators, strata are not the map's classes (Stehman 2014)"


def _notes(
    samples: Samples, strata: Sequence[StratumUse], found: Accuracy, classes: Mapping[int, str], own: Mapping[int, Any]
) -> tuple[str, ...]:
    notes = []
    unlabelled = int((~samples.labelled).sum())
    if unlabelled:
        where = ", ".join(f"{s.name} {s.samples - s.labelled}" for s in strata if s.samples > s.labelled)
        notes.append(
            f"{unlabelled} of {len(samples)} samples are not labelled ({where}) and left out: that is right only where what "
            "was left unlabelled is a random part of its stratum"
        )
    empty = [s for s in strata if s.state.startswith("no labelled")]
    if empty:
        share = 1 - found.covered / found.total if found.total else 0.0
        notes.append(
            f"no labelled sample in {_some(s.name for s in empty)}: {share:.2%} of the area are not in the estimates"
        )
    single = [s for s in strata if s.state.startswith("one labelled")]
    if single:
        notes.append(
            f"one labelled sample in {_some(s.name for s in single)}: standard errors that need its spread are not known; "
            "label a second one there"
        )
    strange = [name for value, name in classes.items() if not own.get(value, (1, 1.0))[1]]
    if strange:
        notes.append(f"in the reference and nowhere on the map: {_some(strange)}")
    return tuple(notes)


def _unknown(samples: Samples) -> bool:
    """Whether some strata do not say how much of each class they hold."""
    return any(s.map_class is None for s in samples.strata)


def _some(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _cells(estimate: Estimate, digits: int) -> list[str]:
    parts = (estimate.value, estimate.se, estimate.margin, estimate.low, estimate.high)
    return [_cell(part, digits) for part in parts]


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _told(estimate: Estimate | None) -> str:
    """A value with its interval, as a person reads it."""
    if estimate is None or estimate.value is None:
        return "not known"
    digits = 1 if abs(estimate.value) > 1 else 3
    value, low, high = (
        None if x is None else f"{x:,.{digits}f}" for x in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})" if low is not None and high is not None else f"{value}"
