"""Change: two class maps to what became what. Open, measure the shift, decide, drop small places, write, count, tell.

maps -> one grid, one legend -> (shift) -> rules, block by block -> (small places, after the seams) -> change.tif ->
transitions.csv -> (zones.csv) -> polygons -> item, page, run.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.cluster.connect import ClusterSettings
from geoseg.compare.blocks import BlockWork, Compared, find_small, tiles_of
from geoseg.compare.change_legend import change_legend
from geoseg.compare.dates import Dates
from geoseg.compare.decide import Codes, Decider, Dropped, Rules
from geoseg.compare.error_estimate import ErrorEstimate
from geoseg.compare.errors_model import estimate_change
from geoseg.compare.maps import Pair
from geoseg.compare.open_maps import Source, open_pair
from geoseg.compare.places import PlaceFinder, SmallPlaces
from geoseg.compare.settings import ChangeSettings
from geoseg.compare.shift import MapShift, measure_map_shift, refuse_shift
from geoseg.compare.transition import TransitionCounter, Transitions
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.jobs.change_products import ChangeFacts, write_products
from geoseg.jobs.folder import COMPARISONS, run_folder
from geoseg.jobs.result_html import change_html
from geoseg.jobs.sieve import by_value, minimum_of
from geoseg.jobs.steps import Report, Steps, workforce
from geoseg.legend import Legend
from geoseg.notebook import shown
from geoseg.raster.classes import ClassRaster
from geoseg.raster.overview import step_for
from geoseg.raster.write import in_strips, write_codes
from geoseg.vector.lattice import lattice_of
from geoseg.vector.threads import InOrder
from geoseg.vector.zones import read_zones

NAMES = COMPARISONS["change.tif"]
"""What a run may leave."""

_PICTURE = 1024


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """Where the outputs are, the transitions after all rules and before any, and what ``run.json`` says."""

    folder: Path
    transitions: Transitions = field(repr=False)
    naive: Transitions = field(repr=False)
    run: dict[str, Any] = field(repr=False)

    @property
    def statement(self) -> str:
        """What can be said of the change, in a sentence."""
        return str(self.run["statement"])

    def _repr_html_(self) -> str:
        """The change in a notebook: a small picture, what can be said, the largest transitions."""
        return shown(self, lambda: change_html(self.folder, self.statement, self._changes()))

    def _changes(self) -> Iterator[tuple[str, str, float]]:
        """Names of the classes before and after, and hectares, of what has changed."""
        names, area = list(self.transitions.legend.names.values()), self.transitions.area_m2
        for i, j in np.argwhere(area > 0).tolist():
            if i != j:
                yield names[i], names[j], float(area[i, j]) / 1e4


def change(
    before: Source,
    after: Source,
    out: str | Path,
    *,
    settings: ChangeSettings | None = None,
    on_progress: Report | None = None,
    cluster: ClusterSettings | None = None,
    **options: Any,
) -> ChangeResult:
    """Compare two class maps.

    Parameters
    ----------
    before, after
        Class rasters of any origin, or folders of segment runs; see :func:`geoseg.compare.open_maps.open_maps` for grids and
        legends that differ.
    out
        Folder for ``change.tif`` (uint16, before * 256 + after), ``transitions.csv``, ``polygons.gpkg``, ``item.json``,
        ``report.html`` and ``run.json``; ``zones.csv`` where there are zones.
    settings, options
        :class:`ChangeSettings`, whole or as keywords: ``align=True``, ``min_area=1000``, ``tolerance=1``.
    on_progress
        Called after each tile with the step, the tiles that are done, and all.
    cluster
        Where to work, in place of what the settings say: with a hook, say, for a Gateway or Kubernetes cluster.

    Returns
    -------
    ChangeResult
        The transitions after all rules and before any, a ``statement`` in words, and ``run``, what ``run.json`` says.

    Raises
    ------
    InputRefused
        ``GRID``, ``LEGEND``: see :func:`geoseg.compare.open_maps.open_maps`. ``SHIFT``: the maps lie too far beside each other.
        ``CONFIDENCE``, ``PROBABILITIES``: what a rule needs is not there.
    Conflict
        ``EXISTS``, ``INPUT``: an output would replace a file.
    UsageError
        ``DATES``: ``dates`` are none, or not in order.

    Examples
    --------
    >>> made = geoseg.change("land/truth_1.tif", "land/truth_2.tif", "change", tolerance=1)
    >>> made.folder.name, made.transitions.n_pixels.shape == made.naive.n_pixels.shape
    ('change', True)
    """
    settings = ChangeSettings.either(settings, options)
    read = [source.path if isinstance(source, ClassRaster) else source for source in (before, after)]
    with run_folder(out, NAMES, inputs=[*read, settings.zones], overwrite=settings.overwrite) as folder:
        steps = Steps(on_progress)
        with steps.timed("open"):
            pair = open_pair(
                before, after, align=settings.align, recode=settings.recode, band=settings.band, nodata=settings.nodata,
                assume_crs=settings.assume_crs,
            )  # fmt: skip
            pair = _dated(pair, settings.dates)
        cluster = cluster or ClusterSettings.of(settings, threads=settings.threads)
        made = _Run(pair, settings, folder, steps, cluster).go()
    return ChangeResult(Path(out), *made)


def _dated(pair: Pair, dates: tuple[str, ...]) -> Pair:
    """The maps with dates that were stated, in place of what they say themselves."""
    if not dates:
        return pair
    labels = Dates.stated(dates, 2).labels
    layers = tuple(replace(layer, datetime=label) for layer, label in zip(pair.maps.layers, labels, strict=True))
    return Pair(replace(pair.maps, layers=layers))


@dataclass(frozen=True, slots=True)
class _Run:
    """One execution: what the steps of the main path share."""

    pair: Pair
    settings: ChangeSettings
    folder: Path
    steps: Steps
    cluster: ClusterSettings

    def go(self) -> tuple[Transitions, Transitions, dict[str, Any]]:
        s, pair = self.settings, self.pair
        self.check()
        zones = read_zones(s.zones, pair.geobox, field=s.zone_field) if s.zones else None
        with self.steps.timed("shift"):
            shift = self.shift()
        with self.steps.timed("errors"):
            errors = self.errors()
        with workforce(self.cluster) as (run, travels):
            rules = Rules(s.tolerance, s.confidence_min, s.joint_min)
            step = step_for(pair.geobox.shape, _PICTURE)
            work = BlockWork(Decider(pair, rules), PlaceFinder(pair.geobox, s.connectivity), step, packed=travels)
            small = self.small(work, run) if s.min_area.any else None
            writer = _Writer(self, work, small)
            with self.steps.timed("change"):
                writer.write(run)
            record = write_products(writer.facts(shift, errors), self.folder, run, self.steps, zones)
        return writer.transitions, writer.naive, record

    def check(self) -> None:
        """Refuse rules that nothing is there for, before anything is computed."""
        s, pair = self.settings, self.pair
        layers = (pair.before, pair.after)
        if s.confidence_min and all(layer.confidence is None for layer in layers):
            remedy = "Name folders of runs made with geoseg segment --confidence"
            raise InputRefused.of("CONFIDENCE", pair.before.path, "no map has a confidence", remedy)
        if s.joint_min:
            lack = next((layer for layer in layers if layer.probabilities is None), None)
            if lack:
                remedy = "Name folders of runs made with geoseg segment --probabilities"
                raise InputRefused.of("PROBABILITIES", lack.path, "the map has no probabilities", remedy)
            moved = next((layer for layer in layers if layer.placed.offset is None), None)
            if moved:
                what, remedy = "probabilities are not warped, and its grid is another", "Segment both dates on one grid"
                raise InputRefused.of("PROBABILITIES", moved.path, what, remedy)
        if s.zone_field and not s.zones:
            raise UsageError.of("ZONES", s.zone_field, "is a column of no zones", "Name the file with --zones")
        by_value(s.min_area, pair.legend)

    def shift(self) -> MapShift | None:
        """How far AFTER lies beside BEFORE; refused where that is surely more than was allowed."""
        pair = self.pair
        found = measure_map_shift(pair.before.read, pair.after.read, pair.geobox, pair.legend.values)
        refuse_shift(found, self.settings.max_shift, before=pair.before.path, after=pair.after.path)
        return found

    def errors(self) -> ErrorEstimate | None:
        """How much of what differs the maps' errors explain; before any rule, from the stated errors or from single pixels."""
        from geoseg.compare.lags import LagCounts
        from geoseg.compare.map_errors import read_errors

        pair, s = self.pair, self.settings
        if len(pair.legend.values) < 2:
            return None
        given = (
            None if stated is None else read_errors(stated, pair.legend) for stated in (s.before_errors, s.after_errors)
        )
        before, after = given
        counts = LagCounts.count(pair.read, pair.geobox.shape, pair.legend.values)
        return estimate_change(counts, before, after, seed=s.seed)

    def small(self, work: BlockWork, run: InOrder[Any, Any]) -> SmallPlaces:
        """The changed places that are too small."""
        pair, codes = self.pair, np.arange(1 << 16)
        minimum = minimum_of(lattice_of(pair.geobox), pair.legend, self.settings.min_area)
        tiles = tiles_of(pair.geobox.shape, self.settings.block_size)
        with self.steps.timed("small"):
            return find_small(work, tiles, minimum.least[codes & 255], self.steps.told("small", run))


class _Writer:
    """Writes change.tif from top to bottom, and adds up what the tiles counted."""

    def __init__(self, run: _Run, work: BlockWork, small: SmallPlaces | None) -> None:
        self.run, self.work, self.small = run, work, small
        pair = run.pair
        self.naive = self.transitions = TransitionCounter(pair.geobox, pair.legend, lattice_of(pair.geobox)).result()
        self.dropped = Dropped(min_area_px=small.n_pixels if small else 0)
        shape = [-(-n // work.step) for n in pair.geobox.shape]
        self.before, self.after = np.zeros((2, *shape), np.uint8)
        self.picture = np.zeros(shape, np.uint16)

    def write(self, run: InOrder[Any, Any]) -> None:
        """Decide on every tile, and write the codes."""
        facts = ChangeFacts.of(self.run.pair, self.run.settings)
        geobox = self.run.pair.geobox
        write_codes(
            self.run.folder / "change.tif", geobox, in_strips(self._codes(run), geobox.shape[1]), legend=self._legend,
            description="change, before * 256 + after", tags=facts.tags, threads=self.run.settings.threads,
        )  # fmt: skip

    def facts(self, shift: MapShift | None, errors: ErrorEstimate | None) -> ChangeFacts:
        """What is known when the raster is written."""
        if errors is not None:
            errors = errors.of_whole(self.naive.differing_share)
        return ChangeFacts.of(
            self.run.pair, self.run.settings, shift=shift, errors=errors, naive=self.naive, transitions=self.transitions,
            dropped=self.dropped, small=self.small, overview=(self.before, self.after, self.picture),
            seconds=self.run.steps.seconds,
        )  # fmt: skip

    def _legend(self) -> tuple[Legend, dict[int, int]]:
        pair = self.run.pair
        self.naive.refuse_strays(f"{pair.before.path} or {pair.after.path}")
        counts = self.transitions.codes()
        rows, cols = pair.geobox.shape
        return change_legend(pair.legend, counts), {0: rows * cols - sum(counts.values()), **counts}

    def _codes(self, run: InOrder[Any, Any]) -> Iterator[tuple[Window, Codes]]:
        """The tiles' codes, row-major; what they counted is added up on the way."""
        tiles = list(tiles_of(self.run.pair.geobox.shape, self.run.settings.block_size))
        tables = self.small.tables if self.small else [None] * len(tiles)
        told = self.run.steps.told("change", run)
        for done in told(self.work.compare, zip(tiles, tables, strict=True)):
            codes = done.unpacked()
            self._add(done, codes)
            yield done.window, codes

    def _add(self, done: Compared, codes: np.ndarray) -> None:
        self.naive += done.naive
        self.transitions += done.transitions
        self.dropped += done.dropped
        step, window = self.work.step, done.window
        row, col = -(-window.row // step), -(-window.col // step)
        high, wide = done.overview[0].shape
        place = np.s_[row : row + high, col : col + wide]
        self.before[place], self.after[place] = done.overview
        self.picture[place] = codes[-window.row % step :: step, -window.col % step :: step]
