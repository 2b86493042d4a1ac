"""Trajectory: maps of several dates to what became of every pixel. Open, (filter flicker), number, write, count, tell.

maps -> one grid, one legend, dates -> (shifts) -> (errors, stay: the flicker filter) -> sequences of all pixels, window by
window -> numbers -> trajectory.tif -> first_change.tif, last_change.tif, n_changes.tif (mask_DATE.tif) -> tables ->
item, page, run.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.cluster.connect import ClusterSettings
from geoseg.compare.dates import Dates
from geoseg.compare.hmm import FlickerFilter, emission_of
from geoseg.compare.map_errors import MapErrors, read_errors
from geoseg.compare.maps import Maps
from geoseg.compare.open_maps import Source, open_maps
from geoseg.compare.series import SeriesWork, transitions_of, windows_of
from geoseg.compare.shift import measure_map_shift, refuse_shift, shift_notes
from geoseg.compare.stay import stay_of, true_transitions
from geoseg.compare.trajectory import SequenceCounter, Trajectories
from geoseg.compare.trajectory_settings import TrajectorySettings
from geoseg.compare.transition import Transitions
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.jobs.folder import run_folder
from geoseg.jobs.steps import Report, Steps, workforce
from geoseg.jobs.trajectory_products import NAMES, TrajectoryFacts, write_products
from geoseg.jobs.trajectory_rasters import write_rasters, write_trajectory
from geoseg.raster.classes import ClassRaster
from geoseg.raster.sidecars import sidecars
from geoseg.vector.threads import InOrder


@dataclass(frozen=True, slots=True)
class TrajectoryResult:
    """Where the outputs are, the sequences by number, the transitions between consecutive dates, what ``run.json`` says."""

    folder: Path
    trajectories: Trajectories = field(repr=False)
    steps: tuple[Transitions, ...] = field(repr=False)
    run: dict[str, Any] = field(repr=False)

    @property
    def statement(self) -> str:
        """What can be said of the change, in a few sentences."""
        return str(self.run["statement"])


def trajectory(
    maps: Sequence[Source],
    out: str | Path,
    *,
    settings: TrajectorySettings | None = None,
    on_progress: Report | None = None,
    cluster: ClusterSettings | None = None,
    **options: Any,
) -> TrajectoryResult:
    """Follow every pixel through the class maps of several dates.

    Parameters
    ----------
    maps
        Class rasters of any origin, or folders of segment runs, from the first date to the last; see
        :func:`geoseg.compare.open_maps.open_maps` for grids and legends that differ.
    out
        Folder for ``trajectory.tif`` (numbers of sequences), ``trajectories.csv`` (what each number is),
        ``first_change.tif``, ``last_change.tif`` (dates, 0: never), ``n_changes.tif``, ``transitions.csv``, ``item.json``,
        ``report.html`` and ``run.json``; with ``flicker`` also a filtered map ``mask_DATE.tif`` for each date.
    settings, options
        :class:`TrajectorySettings`, whole or as keywords: ``dates=("1985", "2000")``, ``flicker=True, errors=(0.9,)``.
    on_progress
        Called after each window with the step, the windows that are done, and all.
    cluster
        Where to work, in place of what the settings say: with a hook, say, for a Gateway or Kubernetes cluster.

    Returns
    -------
    TrajectoryResult
        The sequences by number, the transitions between dates, and ``run``, what ``run.json`` says.

    Raises
    ------
    UsageError
        ``MAPS``: fewer than two. ``DATES``, ``ERRORS``, ``STAY``: what was stated does not fit.
    InputRefused
        ``GRID``, ``LEGEND``: see :func:`geoseg.compare.open_maps.open_maps`. ``SHIFT``: a map lies too far beside the first.
    Conflict
        ``EXISTS``, ``INPUT``: an output would replace a file.
    ResourceError
        ``TOO_BIG``: more than 8,388,608 different sequences.

    Notes
    -----
    A date without data is none of the sequence: between a class before it and another one after it lies one change, at the
    date when the new class is first seen. The maps are read twice, with ``flicker`` three times. Memory: a few windows of
    all maps, 512 rows of numbers (it grows with the columns, not with the rows), and the table of sequences.

    Examples
    --------
    >>> maps = ["land/truth_1.tif", "land/truth_2.tif"]
    >>> made = geoseg.trajectory(maps, "years", dates=("2000", "2010"))
    >>> len(made.steps)
    1
    """
    settings = TrajectorySettings.either(settings, options)
    out = Path(out)
    if len(maps) < 2:
        raise UsageError.of("MAPS", out, f"{len(maps)} map has no trajectory", "Name the maps of two dates or more")
    steps = Steps(on_progress)
    with steps.timed("open"):
        found = open_maps(
            maps, align=settings.align, recode=settings.recode, band=settings.band, nodata=settings.nodata,
            assume_crs=settings.assume_crs,
        )  # fmt: skip
    dates, note = _dates(found, settings)
    errors = _errors(found, settings)
    read = [source.path if isinstance(source, ClassRaster) else source for source in maps]
    masks = tuple(f"mask_{label}.tif" for label in dates.labels) if settings.flicker else ()
    with run_folder(out, _names(out, masks), inputs=read, overwrite=settings.overwrite) as folder:
        facts = TrajectoryFacts(found, dates, settings, errors, notes=(note,) if note else (), seconds=steps.seconds)
        cluster = cluster or ClusterSettings.of(settings, threads=settings.threads)
        made = _Run(facts, folder, steps, cluster).go()
    return TrajectoryResult(out, *made)


def _dates(maps: Maps, settings: TrajectorySettings) -> tuple[Dates, str]:
    if settings.dates:
        return Dates.stated(settings.dates, len(maps.layers)), ""
    return Dates.of([layer.datetime for layer in maps.layers])


def _errors(maps: Maps, settings: TrajectorySettings) -> tuple[MapErrors, ...]:
    """What is known of each map's errors; nothing of any, or something of all."""
    given, n = settings.errors, len(maps.layers)
    if settings.flicker and not given:
        remedy = "State how good the maps are with --errors: scores.json, a bundle, or an overall accuracy"
        raise UsageError.of("ERRORS", "flicker filter", "what is flicker depends on how often the maps err", remedy)
    if not settings.flicker and (settings.fill_gaps or settings.stay != "auto"):
        name = "fill_gaps" if settings.fill_gaps else "stay"
        raise UsageError.of("FLICKER", name, "belongs to the flicker filter, which is off", "Add --flicker")
    _stated(settings, n - 1)
    if given and len(given) not in (1, n):
        raise UsageError.of("ERRORS", "errors", f"{len(given)} for {n} maps", "State one for all maps, or one for each")
    if not maps.legend.classes:
        return ()
    return tuple(read_errors(source, maps.legend) for source in (given * n if len(given) == 1 else given))


def _stated(settings: TrajectorySettings, steps: int) -> tuple[float, ...]:
    """How likely a pixel keeps its class in each interval, as stated; none where it is to be estimated."""
    if settings.stay == "auto":
        return ()
    stay = settings.stay if isinstance(settings.stay, tuple) else (settings.stay,)
    if len(stay) not in (1, steps):
        what = f"{len(stay)} probabilities for {steps} intervals"
        raise UsageError.of("STAY", "flicker filter", what, "State one for all intervals, or one for each")
    if not all(0 < p < 1 for p in stay):
        what = f"{', '.join(f'{p:g}' for p in stay)}: not between 0 and 1"
        raise UsageError.of("STAY", "flicker filter", what, "A probability such as 0.95, or auto")
    return stay * steps if len(stay) == 1 else stay


def _names(out: Path, masks: Sequence[str]) -> tuple[str, ...]:
    """Every name that this run may leave, and the filtered maps that an earlier one left."""
    try:
        earlier = json.loads((out / "run.json").read_text(encoding="utf-8")).get("masks", [])
        left = [name for name in earlier if re.fullmatch(r"mask_[\d-]+\.tif", str(name))]
    except (OSError, ValueError, AttributeError, TypeError):
        left = []
    rasters = dict.fromkeys([*masks, *left])
    return (*NAMES, *(name for mask in rasters for name in (mask, *sidecars(mask))))


@dataclass(frozen=True, slots=True)
class _Run:
    """One execution: what the steps of the main path share."""

    facts: TrajectoryFacts
    folder: Path
    steps: Steps
    cluster: ClusterSettings

    def go(self) -> tuple[Trajectories, tuple[Transitions, ...], dict[str, Any]]:
        facts, s, maps = self.facts, self.facts.settings, self.facts.maps
        with self.steps.timed("shift"):
            self.shifts()
        with workforce(self.cluster) as (run, travels):
            if s.flicker and maps.legend.classes:
                with self.steps.timed("survey"):
                    facts.naive = self.survey(run)
                facts.flicker = self.filter(facts.naive)
            with self.steps.timed("gather"):
                self.gather(run)
            with self.steps.timed("trajectory"):
                work = SeriesWork(maps, facts.flicker, facts.trajectories, packed=travels)
                write_trajectory(facts, self.folder, self.steps.told("trajectory", run)(work.number, self.windows))
        with self.steps.timed("rasters"):
            write_rasters(facts, self.folder)
        record = write_products(facts, self.folder, self.steps)
        return facts.trajectories, facts.steps, record

    @property
    def windows(self) -> Sequence[Window]:
        """The windows of the maps, row-major."""
        maps = self.facts.maps
        return windows_of(maps.geobox.shape, self.facts.settings.block_size, len(maps.layers))

    def shifts(self) -> None:
        """How far each map lies beside the first; refused where that is surely more than was allowed."""
        facts, limit = self.facts, self.facts.settings.max_shift
        maps = facts.maps
        first, *others = maps.layers
        for layer in others:
            shift = measure_map_shift(first.read, layer.read, maps.geobox, maps.legend.values)
            refuse_shift(shift, limit, before=first.path, after=layer.path)
            facts.shifts.append(shift)
            facts.notes += shift_notes(shift, limit, before=first.name, after=layer.name)

    def survey(self, run: InOrder[Any, Any]) -> list[Transitions]:
        """What the maps show before any filter."""
        work = SeriesWork(self.facts.maps)
        total: list[Transitions] = []
        for counted in self.steps.told("survey", run)(work.survey, self.windows):
            total = [a + b for a, b in zip(total, counted, strict=True)] if total else counted
        for transitions in total:
            transitions.refuse_strays(self.facts.paths)
        return total

    def filter(self, naive: Sequence[Transitions]) -> FlickerFilter:
        """The model: errors as stated, and how likely a pixel keeps its class, stated or estimated."""
        facts, s = self.facts, self.facts.settings
        rates = [emission_of(known) for known in facts.errors]
        steps = len(rates) - 1
        if s.stay == "auto":
            pairs = zip(naive[:steps], rates, rates[1:], strict=False)
            stay = [stay_of(true_transitions(seen.n_pixels, before, after)) for seen, before, after in pairs]
        else:
            stay = list(_stated(s, steps))
        return FlickerFilter(facts.maps.legend.values, np.stack(rates), np.array(stay), s.fill_gaps)

    def gather(self, run: InOrder[Any, Any]) -> None:
        """Count the sequences of all pixels and number them."""
        facts = self.facts
        dates = len(facts.dates)
        counter = SequenceCounter(dates, facts.paths)
        facts.corrected, facts.filled, facts.naive_units = (np.zeros(dates, np.int64) for _ in range(3))
        work = SeriesWork(facts.maps, facts.flicker)
        for part in self.steps.told("gather", run)(work.gather, self.windows):
            counter.add(part.sequences)
            facts.corrected += part.corrected
            facts.filled += part.filled
            facts.naive_units += part.naive
        found = facts.trajectories = Trajectories.of(counter.table())
        legend, geobox = facts.maps.legend, facts.maps.geobox
        pairs = [*((i, i + 1) for i in range(dates - 1)), (0, dates - 1)]
        *steps, facts.whole = (transitions_of(found, a, b, legend, geobox) for a, b in pairs)
        facts.steps = tuple(steps)
        strange = ~np.isin(found.rows, [0, *legend.values]).all(axis=1)
        if strange.any():
            what = f"{int(found.n_pixels[strange].sum())} pixels have a value that is in no legend"
            remedy = "Somebody painted into a map: give the value a name, or remove it"
            raise InputRefused.of("LEGEND", facts.paths, what, remedy)
