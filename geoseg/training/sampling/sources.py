"""Sources: a scene as training sees it: without what is held out, and where crops may be centred; in memory or read as needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import Window
from geoseg.training.data.labels import IGNORE, index_of
from geoseg.training.splits.split import TRAIN, SceneSplit

if TYPE_CHECKING:
    from geoseg.training.data.labelled import LabelledScene

Index = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """What was read of a window: ``image`` (bands, rows, cols) in file values, ``valid`` and ``index`` (rows, cols).

    Held-out pixels are not valid; ``index`` is ``IGNORE`` where there is no label to train on.
    """

    image: npt.NDArray[Any]
    valid: Bools
    index: Index


@dataclass(frozen=True, slots=True)
class CropRule:
    """Which crops are wanted: of ``size`` pixels, labelled for at least ``labelled`` of what lies inside the scene."""

    size: int
    labelled: float

    def start(self, centre: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
        """First row (or column) of the crop at a centre, moved inward at an edge; 0 where the scene is smaller."""
        return np.clip(centre - self.size // 2, 0, max(length - self.size, 0))


class Source(Protocol):
    """A scene, from which several threads may read."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""

    def read(self, window: Window) -> Pixels:
        """The pixels of a window inside the scene."""

    def centres(self, window: Window) -> Index:
        """(rows, cols): the class index of pixels at which a crop may be centred, else ``IGNORE``."""


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """A scene that is read from its files, window by window."""

    scene: LabelledScene
    split: SceneSplit
    rule: CropRule

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.scene.shape

    def read(self, window: Window) -> Pixels:
        """The pixels of a window inside the scene."""
        image, valid, label = self.scene.read(window)
        index = index_of(self.scene.legend)[label]
        index[~valid | (self.split.read(window) != TRAIN)] = IGNORE
        return Pixels(image, valid & ~self.split.held_out(window), index)

    def centres(self, window: Window) -> Index:
        """(rows, cols): the class index of pixels at which a crop may be centred, else ``IGNORE``."""
        nothing = np.full(window.shape, IGNORE, np.uint8)
        if (self.scene.labels.read(window) == self.scene.legend.nodata).all():
            return nothing
        if not (self.split.read(window) == TRAIN).any():
            return nothing
        around = window.buffer(self.rule.size, self.shape)
        return centres(self.read(around).index, around, window, split=self.split, rule=self.rule)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A scene that lies in memory."""

    pixels: Pixels
    where: Index

    @classmethod
    def of(cls, source: Streamed, step: int) -> Held:
        """Read a scene, ``step`` rows at a time."""
        rows, cols = source.shape
        strips = [Window(row, 0, min(step, rows - row), cols) for row in range(0, rows, step)]
        first = source.read(strips[0])
        image = np.empty((len(first.image), rows, cols), first.image.dtype)
        valid, index = np.empty((rows, cols), bool), np.empty((rows, cols), np.uint8)
        for strip in strips:
            part = first if strip is strips[0] else source.read(strip)
            image[:, strip.slices[0]], valid[strip.slices], index[strip.slices] = part.image, part.valid, part.index
        where = np.empty((rows, cols), np.uint8)
        for strip in strips:
            around = strip.buffer(source.rule.size, source.shape)
            known = index[around.slices]
            where[strip.slices] = centres(known, around, strip, split=source.split, rule=source.rule)
        return cls(Pixels(image, valid, index), where)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.where.shape

    def read(self, window: Window) -> Pixels:
        """The pixels of a window inside the scene."""
        own = self.pixels
        return Pixels(own.image[:, *window.slices], own.valid[window.slices], own.index[window.slices])

    def centres(self, window: Window) -> Index:
        """(rows, cols): the class index of pixels at which a crop may be centred, else ``IGNORE``."""
        return self.where[window.slices]


def bytes_of(scene: LabelledScene) -> int:
    """What a scene takes in memory."""
    width = np.result_type(*(np.dtype(band.dtype) for band in scene.scene.bands)).itemsize
    return scene.shape[0] * scene.shape[1] * (len(scene.scene.bands) * width + 3)


def centres(index: Index, around: Window, window: Window, *, split: SceneSplit, rule: CropRule) -> Index:
    """Where in ``window`` crops may be centred: on a label to train on, with no held-out pixel and enough labels in them.

    Parameters
    ----------
    index
        Class indices of ``around``: ``window`` and a crop's size on each side, as far as the scene goes.

    Returns
    -------
    ndarray
        uint8 of the window's shape: the class index, ``IGNORE`` elsewhere.
    """
    found = index[window.within(around).slices].copy()
    spans = []
    for first, count, length, offset in zip(
        (window.row, window.col), window.shape, split.shape, (around.row, around.col), strict=True
    ):
        start = rule.start(np.arange(first, first + count), length)
        spans.append((start - offset, np.minimum(start + rule.size, length) - offset))
    (top, bottom), (left, right) = spans
    area = (bottom - top)[:, None] * (right - left)
    if rule.labelled > 0:
        found[_boxes(index != IGNORE, spans) < rule.labelled * area] = IGNORE
    if split.sees_other(around):
        found[_boxes(split.held_out(around), spans) > 0] = IGNORE
    return found


def _boxes(there: Bools, spans: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]) -> npt.NDArray[np.int64]:
    """Number of True in each rectangle of rows ``start .. stop`` and columns ``start .. stop``."""
    table = np.pad(there.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    (top, bottom), (left, right) = spans
    down = table[bottom] - table[top]
    sums: npt.NDArray[np.int64] = down[:, right] - down[:, left]
    return sums
