"""Trajectory products: tables, item, page and record of a comparison of several dates, made when its rasters are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import geoseg
from geoseg.compare.dates import Dates
from geoseg.compare.hmm import FlickerFilter, emission_of
from geoseg.compare.map_errors import MapErrors
from geoseg.compare.maps import Maps
from geoseg.compare.shift import MapShift
from geoseg.compare.stay import false_change, true_transitions
from geoseg.compare.tables import HEADER, transition_lines
from geoseg.compare.trajectory import Trajectories, area_by_changes
from geoseg.compare.trajectory_settings import TrajectorySettings
from geoseg.compare.transition import Transitions
from geoseg.config import ClusterChoice
from geoseg.jobs.record import (
    ITEM,
    by_class_facts,
    changed_facts,
    class_facts,
    grid_facts,
    map_facts,
    matrix_facts,
    now,
    pending,
    run_id_of,
    write_record,
)
from geoseg.jobs.steps import Steps
from geoseg.jobs.told_places import changed_places
from geoseg.jobs.trajectory_page import times_of, write_trajectory_page
from geoseg.jobs.trajectory_told import said_of
from geoseg.raster.classes import MOST_CLASSES, open_classes
from geoseg.raster.overview import step_for
from geoseg.report.item import write_item
from geoseg.report.qgis_run import write_trajectory_project
from geoseg.report.trajectory_item import FILES, build_trajectory_item
from geoseg.vector.measure import write_csv

NAMES = tuple(FILES)
"""What a run may leave, without the filtered maps."""

Ints = npt.NDArray[np.int64]

_ELSEWHERE = {*ClusterChoice.model_fields, "block_size", "threads", "overwrite", "errors", "notes"}
"""Settings that say where the work is done; errors count by what is read of them."""
_PICTURE = 1024
_TRAJECTORY_HEADER = (
    "trajectory", "sequence", "class_ids", "n_changes", "first_change", "last_change", "n_pixels", "area_m2", "area_ha",
    "share", "area_method",
)  # fmt: skip


@dataclass(slots=True)
class TrajectoryFacts:
    """What is known of a run, filled as its steps are done.

    Parameters
    ----------
    naive
        Transitions as the maps have them: between consecutive dates, and last from the first date to the last; none
        where there is no filter.
    steps, whole
        Transitions after the filter, between consecutive dates, and from the first date to the last.
    corrected, filled, naive_units
        See :class:`geoseg.compare.trajectory.Filtered`.
    overview
        Numbers of trajectories of every ``step``-th pixel, int32.
    """

    maps: Maps
    dates: Dates
    settings: TrajectorySettings
    errors: tuple[MapErrors, ...]
    notes: tuple[str, ...] = ()
    shifts: list[MapShift | None] = field(default_factory=list)
    naive: list[Transitions] = field(default_factory=list)
    flicker: FlickerFilter | None = None
    trajectories: Trajectories = field(init=False)
    steps: tuple[Transitions, ...] = ()
    whole: Transitions = field(init=False)
    corrected: Ints = field(init=False)
    filled: Ints = field(init=False)
    naive_units: Ints = field(init=False)
    step: int = field(init=False)
    overview: npt.NDArray[np.int32] = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make room for the overview."""
        shape = self.maps.geobox.shape
        self.step = step_for(shape, _PICTURE)
        self.overview = np.zeros([-(-n // self.step) for n in shape], np.int32)

    @property
    def paths(self) -> str:
        """The maps, for an error."""
        return ", ".join(layer.path for layer in self.maps.layers)

    @property
    def run_id(self) -> str:
        """The run's name: equal inputs and settings give equal names."""
        rules = self.settings.model_dump(mode="json", exclude=_ELSEWHERE)
        prints = [layer.fingerprint for layer in self.maps.layers]
        rates = [np.round(emission_of(known), 12).tolist() for known in self.errors]
        return run_id_of(geoseg.__version__, prints, self.maps.geobox.transform, self.dates.labels, rules, rates)

    @property
    def tags(self) -> dict[str, str]:
        """What the rasters say of their makers; nothing that changes from run to run."""
        inputs = ", ".join(f"{layer.name}@sha256:{layer.fingerprint[:12]}" for layer in self.maps.layers)
        return {
            "TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_RUN": self.run_id, "GEOSEG_MAPS": inputs,
            "GEOSEG_DATES": ", ".join(self.dates.labels),
        }  # fmt: skip

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of the filtered maps."""
        return tuple(f"mask_{label}.tif" for label in self.dates.labels) if self.settings.flicker else ()

    def name_of(self, row: Sequence[int]) -> str:
        """A sequence in words, ``tree->tree->bare``; a date without data is ``?``."""
        names = self.maps.legend.names
        return "->".join(names.get(value, "?") for value in row)

    def final_units(self) -> Ints:
        """Area units by number of changes, after the filter."""
        return area_by_changes(self.trajectories.rows, self.trajectories.area)


def write_products(facts: TrajectoryFacts, folder: Path, steps: Steps) -> dict[str, Any]:
    """Write all but the rasters into ``folder``, and return the run's record."""
    with steps.timed("tables"):
        _write_tables(facts, folder)
    record, page = record_of(facts), facts.settings.only != "raster"
    if page:
        _write_project(facts, folder)
    write_item(folder / ITEM, build_trajectory_item(record, facts.maps.geobox, folder, pending=pending(page=page)))
    if page:
        with steps.timed("report"):
            _write_page(facts, folder, record)
    write_record(folder, record)
    return record


def _write_project(facts: TrajectoryFacts, folder: Path) -> None:
    """``folder`` is hidden inside the run's."""
    few = len(facts.trajectories) <= MOST_CLASSES
    legend = open_classes(folder / "trajectory.tif").legend if few else None
    dates = list(zip(facts.dates.labels, map(int, facts.dates.codes), strict=True))
    write_trajectory_project(folder, folder.parent, facts.maps, dates=dates, masks=facts.masks, legend=legend)


def record_of(facts: TrajectoryFacts) -> dict[str, Any]:
    """The content of ``run.json``; ``before``, ``after``, ``matrix`` and ``changed`` are of the first and the last date."""
    maps, whole = facts.maps, facts.whole
    naive = facts.naive[-1] if facts.naive else whole
    unit = whole.unit_m2 / 1e4
    record: dict[str, Any] = {
        "geoseg": geoseg.__version__,
        "run": facts.run_id,
        "kind": "trajectory",
        "before": _side(facts, 0),
        "after": _side(facts, -1),
        "maps": [_side(facts, i) for i in range(len(maps.layers))],
        "dates": {"labels": list(facts.dates.labels), "kind": facts.dates.kind, "codes": list(facts.dates.codes)},
        "masks": list(facts.masks),
        "grid": grid_facts(maps.geobox),
        "classes": class_facts(maps.legend),
        "area_method": whole.area_method,
        "trajectories": len(facts.trajectories),
        "by_n_changes": _by_changes(facts.final_units(), unit),
        "naive_by_n_changes": _by_changes(facts.naive_units, unit),
        "matrix": matrix_facts(whole),
        "naive": matrix_facts(naive),
        "by_class": by_class_facts(whole),
        "changed": changed_facts(whole, naive),
        "steps": [_step(facts, i) for i in range(len(facts.steps))],
        "shifts": [shift.to_json() if shift is not None else None for shift in facts.shifts],
        "flicker": _flicker(facts),
        "places": _places(facts),
        "settings": facts.settings.model_dump(mode="json", exclude={"notes"}),
        "notes": [*facts.settings.notes, *maps.notes, *facts.notes],
        "seconds": facts.seconds,
        "finished": now(),
    }
    return {**record, "statement": said_of(record)}


def _places(facts: TrajectoryFacts) -> list[dict[str, Any]]:
    rows = facts.trajectories.rows
    changed = np.append(0, times_of(rows))[facts.overview] > 0
    return changed_places(
        facts.overview, changed, facts.step, facts.maps.geobox, lambda number: facts.name_of(rows[number - 1].tolist())
    )


def _side(facts: TrajectoryFacts, i: int) -> dict[str, Any]:
    side = {**map_facts(facts.maps.layers[i]), "date": facts.dates.labels[i]}
    return {**side, "errors": facts.errors[i].source} if facts.errors else side


def _step(facts: TrajectoryFacts, i: int) -> dict[str, Any]:
    """What is known of the change between two consecutive dates."""
    transitions = facts.steps[i]
    naive = facts.naive[i] if facts.naive else transitions
    told: dict[str, Any] = {
        "from": facts.dates.labels[i], "to": facts.dates.labels[i + 1], "matrix": matrix_facts(transitions),
        "changed": changed_facts(transitions, naive),
    }  # fmt: skip
    if facts.errors:
        before, after = emission_of(facts.errors[i]), emission_of(facts.errors[i + 1])
        truth = true_transitions(naive.n_pixels, before, after)
        told["errors"] = {
            "observed_share": naive.differing_share,
            "false_share": false_change(truth, before, after),
            "estimated_share": float(truth.sum() - np.trace(truth)),
        }
    return told


def _flicker(facts: TrajectoryFacts) -> dict[str, Any] | None:
    """The filter in full, and what it did."""
    if facts.flicker is None:
        return None
    names = [item.name for item in facts.maps.legend.classes]
    how = "estimated from the maps and their errors" if facts.settings.stay == "auto" else "stated"
    return {
        **facts.flicker.facts(facts.dates.labels, names),
        "stay_is": how,
        "corrected_pixels": facts.corrected.tolist(),
        "filled_pixels": facts.filled.tolist(),
    }


def _by_changes(units: Ints, unit_ha: float) -> list[dict[str, float]]:
    total = int(units.sum()) or 1
    return [{"n_changes": n, "area_ha": int(u) * unit_ha, "share": int(u) / total} for n, u in enumerate(units)]


def _write_tables(facts: TrajectoryFacts, folder: Path) -> None:
    write_csv(folder / "trajectories.csv", _TRAJECTORY_HEADER, _trajectory_lines(facts))
    write_csv(folder / "transitions.csv", ("from_date", "to_date", *HEADER), _transition_lines(facts))


def _trajectory_lines(facts: TrajectoryFacts) -> Iterator[list[object]]:
    found, codes = facts.trajectories, np.array(facts.dates.codes)
    unit, total, method = facts.whole.unit_m2, int(found.area.sum()) or 1, facts.whole.area_method
    changes = found.n_changes
    first, last = (np.where(changes > 0, codes[at], 0) for at in (found.first_change, found.last_change))
    for i, row in enumerate(found.rows.tolist()):
        units = int(found.area[i])
        yield [
            i + 1, facts.name_of(row), " ".join(map(str, row)), int(changes[i]), int(first[i]), int(last[i]),
            int(found.n_pixels[i]), f"{units * unit:.3f}", f"{units * unit / 1e4:.7f}", f"{units / total:.9f}", method,
        ]  # fmt: skip


def _transition_lines(facts: TrajectoryFacts) -> Iterator[list[object]]:
    labels = facts.dates.labels
    for i, transitions in enumerate(facts.steps):
        yield from ([labels[i], labels[i + 1], *line] for line in transition_lines(transitions))


def _write_page(facts: TrajectoryFacts, folder: Path, record: dict[str, Any]) -> None:
    """The page of a change, from the first date to the last."""
    write_trajectory_page(folder, record, facts.maps.legend, facts.overview, facts.trajectories.rows)
