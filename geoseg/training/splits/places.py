"""Places: what is dealt to the parts of a split: squares of the ground, or whole scenes, and the labels that each has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import GeoBox
from geoseg.raster.align import same_crs

if TYPE_CHECKING:
    from geoseg.training.data.cells import SceneCells
    from geoseg.training.data.labelled import LabelledScene

Ints = npt.NDArray[np.int64]

_ROW, _GROUND = 1 << 20, 1 << 40
"""Numbers of squares count columns, rows and grounds; row and column 0 stay free, so no neighbour is of another row."""
_AROUND = np.array([-_ROW - 1, -_ROW, -_ROW + 1, -1, 1, _ROW - 1, _ROW, _ROW + 1])


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Rectangles of a scene between ``rows`` and ``cols`` (pixels, ascending), and the place of each, -1 for none."""

    rows: Ints
    cols: Ints
    places: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """What is dealt. What has no label is no place, nor is any of a scene that is of one part by itself.

    Parameters
    ----------
    counts
        Labelled pixels, int64 (places, classes).
    lattices
        Where places lie in each scene.
    neighbours
        (places, 8): the places around each on the ground, row-major, -1 for none; None where places are scenes.
    """

    counts: Ints
    lattices: tuple[Lattice, ...]
    neighbours: Ints | None = None

    @classmethod
    def of_scenes(cls, scenes: Sequence[LabelledScene], cells: Sequence[SceneCells]) -> Self:
        """Each scene is a place."""
        return cls._joined([(_Line(0, 0, 1, 1), _Line(0, 0, 1, 1), i) for i in range(len(scenes))], scenes, cells)

    @classmethod
    def of_squares(cls, scenes: Sequence[LabelledScene], cells: Sequence[SceneCells], block: int) -> Self:
        """Squares of ``block`` pixels from a scene's corner; scenes on the same ground share those of the first of them.

        The same ground: CRS and the axes' directions are alike, and the scenes overlap. Squares at the far edges have up to
        half a block more or less.
        """
        grounds = _grounds([scene.scene.geobox for scene in scenes])
        return cls._joined(_squares(scenes, grounds, block), scenes, cells, squares_touch=True)

    @classmethod
    def _joined(
        cls,
        squares: Sequence[tuple[_Line, _Line, int]],
        scenes: Sequence[LabelledScene],
        cells: Sequence[SceneCells],
        *,
        squares_touch: bool = False,
    ) -> Self:
        edges, keys, of_cells = [], [], []
        for (down, across, ground), scene, of_scene in zip(squares, scenes, cells, strict=True):
            (rows, at_row), (cols, at_col) = down.edges(scene.shape[0]), across.edges(scene.shape[1])
            edges.append((rows, cols))
            key = ground * _GROUND + (at_row[:, None].astype(np.int64) + 1) * _ROW + at_col + 1
            row, col = of_scene.centres
            inside = np.searchsorted(rows, row, side="right") - 1, np.searchsorted(cols, col, side="right") - 1
            keys.append(key)
            of_cells.append(key[inside] if scene.part is None else np.zeros(0, np.int64))
        known = np.unique(np.concatenate(of_cells))
        counts = np.zeros((len(known), cells[0].counts.shape[1]), np.int64)
        for own, of_scene in zip(of_cells, cells, strict=True):
            if len(own):
                np.add.at(counts, np.searchsorted(known, own), of_scene.counts)
        lattices = [
            Lattice(rows, cols, _found(known, key)) for (rows, cols), key in zip(edges, keys, strict=True)
        ]  # fmt: skip
        return cls(counts, tuple(lattices), _found(known, known[:, None] + _AROUND) if squares_touch else None)


@dataclass(frozen=True, slots=True)
class _Line:
    """Squares along an axis of a scene: ``count`` of ``size`` pixels from ``start``, the last one to ``stop``."""

    start: float
    stop: float
    size: float
    count: int

    def edges(self, length: int) -> tuple[Ints, Ints]:
        """Where squares begin and end inside of ``length`` pixels, and the numbers of those that are not empty."""
        at = self.start + self.size * np.arange(self.count + 1)
        at[-1] = max(self.stop, length)
        at[0] = min(self.start, 0)
        whole = np.clip(np.floor(at + 0.5).astype(np.int64), 0, length)
        there = np.flatnonzero(np.diff(whole) > 0)
        return np.append(whole[there], length), there


def _squares(scenes: Sequence[LabelledScene], grounds: Sequence[int], block: int) -> list[tuple[_Line, _Line, int]]:
    """Squares down and across in each scene's own pixels, and its ground."""
    made = []
    for scene, ground in zip(scenes, grounds, strict=True):
        first = scenes[ground]
        together = [other for other, number in zip(scenes, grounds, strict=True) if number == ground]
        lines = []
        for axis in (0, 1):
            spans = [_span(other, first, axis) for other in together]
            low, high = min(span[0] for span in spans), max(span[1] for span in spans)
            count = max(1, int((high - low) / block + 0.5))
            start, stop = _span(scene, first, axis)
            scale = scene.shape[axis] / (stop - start)
            lines.append(_Line((low - start) * scale, (high - start) * scale, block * scale, count))
        made.append((lines[0], lines[1], ground))
    return made


def _span(scene: LabelledScene, first: LabelledScene, axis: int) -> tuple[float, float]:
    """Where a scene begins and ends along an axis, in pixels of another one on the same ground."""
    if scene is first:
        return 0.0, float(scene.shape[axis])
    own = scene.scene.geobox
    to_first = ~first.scene.geobox.affine
    ends = [(to_first @ (own.affine @ (corner[1], corner[0])))[1 - axis] for corner in ((0, 0), own.shape)]
    return ends[0], ends[1]


def _grounds(geoboxes: Sequence[GeoBox]) -> list[int]:
    """For each grid the number of the first that it shares the ground with, by others perhaps."""
    ground = np.arange(len(geoboxes))
    left, bottom, right, top = np.array([grid.bounds for grid in geoboxes]).T
    for i, grid in enumerate(geoboxes):
        overlaps = (left[:i] < right[i]) & (left[i] < right[:i]) & (bottom[:i] < top[i]) & (bottom[i] < top[:i])
        for k in np.flatnonzero(overlaps).tolist():
            if ground[k] != ground[i] and _alike(geoboxes[k], grid):
                low, high = sorted((ground[k], ground[i]))
                ground[ground == high] = low
    return [int(number) for number in ground]


def _alike(one: GeoBox, other: GeoBox) -> bool:
    """Whether rectangles of one grid are rectangles of the other, rows down to rows down."""
    a, b, _, d, e, _ = one.transform
    g, h, _, j, k, _ = other.transform
    return b == d == h == j == 0 and a * g > 0 and e * k > 0 and same_crs(one.crs, other.crs)


def _found(known: Ints, keys: Ints) -> Ints:
    """The position of each key in ``known``, ascending; -1 where it is not there."""
    if not len(known):
        return np.full(keys.shape, -1, np.int64)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, at, -1)
