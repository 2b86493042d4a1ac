"""Evaluate: map labelled scenes block by block, count the map against the labels, and score the counts.

scene -> blocks (map, confusion, calibration) -> pairs of label and mask -> windows (boundaries) -> tallies -> scores.
Only pixels are counted that are valid and labelled and that ``where`` allows. Memory is that of a block, whatever the scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.training.data.labelled import distinct_names
from geoseg.training.data.labels import IGNORE, index_of
from geoseg.training.scoring.boundary import SLACK, Disc, boundary_kinds, ground_size
from geoseg.training.scoring.confusion import Confusion
from geoseg.training.scoring.counts import Bytes, Marks, boundary_marks, confidence_marks, pair_marks
from geoseg.training.scoring.intervals import LEVEL, REPLICATES, Method
from geoseg.training.scoring.mapper import Bools, Labelled, Mapper, Piece, Where, labelled_where
from geoseg.training.scoring.pairs import Pairs
from geoseg.training.scoring.scores import UNITS, class_names, confusion_table, scores_of
from geoseg.training.scoring.tally import Tally
from geoseg.training.splits.split import SceneSplit, Split
from geoseg.vector.coverage import Centre
from geoseg.vector.zones import Zones

FORMAT = "geoseg-scores/1"
SIDE = 1024
"""Side of the windows in which boundaries are counted; the size of a pixel on the ground is taken once for each."""
FARTHEST = 256
"""Pixels: a window is read with the boundaries' distance around it, so that this bounds memory and work."""

OnScene = Callable[[Labelled, Pairs, Confusion], None]
"""Called with each scene, its pairs, which last as long as the call, and its confusion."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is counted beside the confusion. ``boundary``: distance in metres, 0: two pixels of the coarsest scene, None: not."""

    boundary: float | None = 0.0
    calibration: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Counts of maps against their labels, by scene and by zone; those of several parts of a split add."""

    legend: Legend
    by_scene: dict[str, Tally]
    by_zone: dict[str, Tally] = field(default_factory=dict)
    boundary: float | None = None
    unscored: tuple[str, ...] = ()
    """Scenes without a scored pixel."""

    def __add__(self, other: Evaluation) -> Evaluation:
        """The counts of both, such as those of two folds."""
        assert self.legend == other.legend
        distance = max((d for d in (self.boundary, other.boundary) if d is not None), default=None)
        scenes, zones = _joined(self.by_scene, other.by_scene), _joined(self.by_zone, other.by_zone)
        unscored = tuple(name for name in dict.fromkeys(self.unscored + other.unscored) if name not in scenes)
        return Evaluation(self.legend, scenes, zones, distance, unscored)

    @property
    def tally(self) -> Tally:
        """The counts of all scenes."""
        whole = Tally(self.legend.values)
        for name in sorted(self.by_scene):
            whole.join(self.by_scene[name])
        return whole

    @property
    def confusion(self) -> Confusion:
        """Pairs of label and mask of all scenes."""
        return self.tally.total.confusion

    def scores(
        self, *, method: Method = "jackknife", seed: int = 0, part: str = "", caveat: str = ""
    ) -> dict[str, Any]:
        """``scores.json``; ``part`` and ``caveat`` say what the figures are of.

        ``overall`` and ``classes`` (by name) hold the scores, each with ``value``, ``low``, ``high`` and ``largest_class``;
        ``scenes`` and ``zones`` the same of each. ``units`` says what the numbers are.
        """
        tally = self.tally
        whole = scores_of(tally, self.legend, method=method, seed=seed)
        counts = tally.total
        largest = int(counts.confusion.labelled.argmax())
        return {
            "format": FORMAT,
            "units": UNITS,
            "part": part,
            "caveat": caveat,
            **whole,
            "largest_class": class_names(self.legend)[largest],
            "intervals": _told(method),
            "boundary_m": self.boundary,
            "confusion": confusion_table(counts, self.legend),
            "reliability": counts.calibration.table(),
            "scenes": self._each(self.by_scene, method, seed),
            "zones": self._each(self.by_zone, method, seed),
            "notes": [f"{name}: no pixel is valid, labelled and asked for" for name in self.unscored],
        }

    def _each(self, tallies: dict[str, Tally], method: Method, seed: int) -> dict[str, Any]:
        return {name: scores_of(tally, self.legend, method=method, seed=seed) for name, tally in tallies.items()}


def evaluate(
    mapper: Mapper,
    scenes: Sequence[Labelled],
    *,
    where: Sequence[Where] | None = None,
    zones: Sequence[Zones | None] | None = None,
    measures: Measures = Measures(),
    on_piece: Callable[[Window], None] | None = None,
    on_scene: OnScene | None = None,
) -> Evaluation:
    """Map scenes and count.

    Parameters
    ----------
    mapper
        A network (:class:`geoseg.training.scoring.mapper.NetworkMapper`) or another classifier.
    where
        For each scene which pixels may be counted, such as those of one part of a split; all when not given.
    zones
        For each scene polygons to count in as well; a pixel belongs to those that its centre lies in.
    on_piece
        Called after each block with its window.

    Raises
    ------
    InputRefused
        ``EMPTY``: no pixel of any scene is valid, labelled and allowed.
    UsageError
        ``BOUNDARY``: the distance is less than a pixel, or more than :data:`FARTHEST` of them.
    """
    legend = mapper.legend
    names, unscored = distinct_names([scene.name for scene in scenes]), []
    distance = _distance(measures.boundary, scenes)
    by_scene: dict[str, Tally] = {}
    by_zone: dict[str, Tally] = {}
    for i, (name, scene) in enumerate(zip(names, scenes, strict=True)):
        tally = Tally(legend.values)
        groups = _Groups(name, tally, zones[i] if zones else None, by_zone)
        wanted = labelled_where(scene, legend, where[i] if where else None)
        with Pairs.blank(scene.shape) as pairs:
            for piece in mapper.pieces(scene, wanted, confidence=measures.calibration):
                _count(piece, pairs, groups, index_of(legend))
                if on_piece:
                    on_piece(piece.window)
            if not tally.cells:
                unscored.append(name)
                continue
            if distance is not None:
                _count_boundaries(scene, pairs, groups, distance)
            if on_scene:
                on_scene(scene, pairs, tally.total.confusion)
        by_scene[name] = tally
    if not by_scene:
        where_ = scenes[0].name if scenes else "labels"
        what = "no pixel is valid, labelled and in the part that is scored"
        raise InputRefused.of("EMPTY", where_, what, "Check the labels' codes and place, the split, and --aoi")
    return Evaluation(legend, by_scene, dict(sorted(by_zone.items())), distance, tuple(unscored))


def in_part(split: Split, part: int) -> tuple[Where, ...]:
    """``where`` of one part of a split, such as :data:`geoseg.training.splits.split.TEST`."""
    return tuple(partial(_in_part, scene, part) for scene in split.scenes)


def _in_part(scene: SceneSplit, part: int, window: Window) -> Bools:
    inside: Bools = scene.read(window) == part
    return inside


@dataclass(frozen=True, slots=True)
class _Groups:
    """The tallies that a scene's pixels count in: the scene's own and those of the zones they lie in."""

    name: str
    tally: Tally
    zones: Zones | None
    by_zone: dict[str, Tally]

    def add(self, window: Window, marks: Iterable[Marks]) -> None:
        made = list(marks)
        self.tally.add(self.name, window, made)
        if self.zones is None or not any(len(mark.pixels) for mark in made):
            return
        for i, cells, _ in Centre().of(self.zones.shapes, window):
            inside = np.zeros(window.height * window.width, bool)
            inside[cells] = True
            key = self.zones.names[i]
            if not key or self.zones.names.count(key) > 1:
                key = f"{key} ({self.zones.ids[i]})".strip()
            counted = Tally(self.tally.values)
            counted.add(self.name, window, made, inside)
            if counted.cells:
                self.by_zone.setdefault(key, Tally(self.tally.values)).join(counted)


def _count(piece: Piece, pairs: Pairs, groups: _Groups, index: Bytes) -> None:
    """Count one piece of a map."""
    classes = len(groups.tally.values)
    label, mask = (np.where(piece.scored, index[values], np.uint8(IGNORE)) for values in (piece.label, piece.mask))
    pairs.put(piece.window, label, mask)
    marks = [pair_marks(label, mask, classes)]
    if piece.best is not None:
        marks += confidence_marks(label, mask, piece.best, classes)
    groups.add(piece.window, marks)


def _count_boundaries(scene: Labelled, pairs: Pairs, groups: _Groups, distance: float) -> None:
    """Count outlines and bands window by window; each looks a margin beyond its own pixels."""
    classes = len(groups.tally.values)
    for window in pairs.windows(SIDE):
        if not pairs.any_in(window):
            continue
        middle = window.row + window.height / 2, window.col + window.width / 2
        disc = Disc.of(distance, ground_size(scene.scene.geobox, *middle))
        around = window.buffer(disc.margin, pairs.shape)
        label, mask = pairs.read(around)
        inner = window.within(around).slices
        kinds = boundary_kinds(label, mask, disc, classes)[:, *inner]
        groups.add(window, boundary_marks(kinds, label[inner], mask[inner], classes))


def _distance(asked: float | None, scenes: Sequence[Labelled]) -> float | None:
    """The distance in metres; two pixels of the coarsest scene for 0."""
    if asked is None:
        return None
    boxes = [scene.scene.geobox for scene in scenes]
    sizes = [ground_size(box, box.shape[0] / 2, box.shape[1] / 2) for box in boxes]
    largest = max(map(max, sizes), default=0.0)
    if asked and asked * SLACK < largest:
        what = f"is less than a pixel, which is {largest:.4g} m"
        raise UsageError.of("BOUNDARY", f"{asked:g} m", what, "Give a pixel's size or more")
    most = FARTHEST * min(map(min, sizes), default=math.inf)
    if asked > most:
        what = f"is more than {FARTHEST} pixels, which are {most:.4g} m"
        raise UsageError.of("BOUNDARY", f"{asked:g} m", what, "Give less: a few pixels tell of boundaries")
    return float(f"{asked or 2 * largest:.6g}")


def _joined(one: dict[str, Tally], other: dict[str, Tally]) -> dict[str, Tally]:
    out: dict[str, Tally] = {}
    for tallies in (one, other):
        for name, tally in tallies.items():
            out.setdefault(name, Tally(tally.values)).join(tally)
    return out


def _told(method: Method) -> dict[str, Any]:
    ways = {
        "jackknife": "delete-one-block jackknife for unequal blocks (Busing et al. 1999), Student's t",
        "bootstrap": f"percentiles of {REPLICATES} draws of blocks with replacement",
    }
    return {
        "method": method,
        "level": LEVEL,
        "how": f"{ways[method]}; blocks are squares of the scenes, or whole scenes",
    }
