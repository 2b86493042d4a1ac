"""Split: which pixels of each scene are trained on, which steer the training, and which are kept to test it.

A split is known by rectangles, so it costs no memory however large the scene is, and each window is looked up in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.train.deal import deal
from geoseg.train.places import Places
from geoseg.train.settings.data import Rectangle, SplitSettings

if TYPE_CHECKING:
    from geoseg.train.cells import SceneCells
    from geoseg.train.labelled import LabelledScene

NONE, TRAIN, VALIDATION, TEST = 0, 1, 2, 3
"""Codes of the parts; a pixel of none is not used: it lies in a buffer, or in a square without any label."""
PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SceneSplit:
    """The parts of one scene of ``shape`` (rows, cols).

    Parameters
    ----------
    rows, cols
        Where rectangles of one code begin and end, pixels, ascending, from 0 to the scene's side.
    given
        Codes of the rectangles, row-major, as they were dealt: held-out pixels and all others.
    used
        The same with the buffer: a training pixel at most ``buffer`` pixels (rows or columns, the larger) away from a
        validation or test pixel is of no part, nor is a validation pixel so near to a test pixel.
    buffer
        Pixels.
    """

    shape: tuple[int, int]
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    given: bytes
    used: bytes
    buffer: int

    @classmethod
    def of(cls, shape: tuple[int, int], rows: Sequence[int], cols: Sequence[int], *, codes: Codes, buffer: int) -> Self:
        """Split by rectangles between ``rows`` and ``cols``, of which ``codes`` (rectangles down, across) says the part."""
        down, across = _steps(rows, buffer, shape[0]), _steps(cols, buffer, shape[1])
        given = codes[np.ix_(_number(rows, down[:-1]), _number(cols, across[:-1]))]
        used = given.copy()
        for part, losers in ((VALIDATION, (TRAIN,)), (TEST, (TRAIN, VALIDATION))):
            near = _near(codes == part, (rows, cols), (down, across), buffer)
            used[near & np.isin(given, losers)] = NONE
        return cls(shape, tuple(down.tolist()), tuple(across.tolist()), given.tobytes(), used.tobytes(), buffer)

    @classmethod
    def all_of(cls, shape: tuple[int, int], part: int) -> Self:
        """A scene that is of one part as a whole."""
        return cls.of(shape, (0, shape[0]), (0, shape[1]), codes=np.full((1, 1), part, np.uint8), buffer=0)

    def read(self, window: Window) -> Codes:
        """Codes (rows, cols) of a window, with the buffer: NONE, TRAIN, VALIDATION, TEST."""
        return self._look_up(self.used, window)

    def held_out(self, window: Window, part: int = TRAIN) -> npt.NDArray[np.bool_]:
        """(rows, cols), True on validation and test pixels that are not of ``part``, with those that the buffer took."""
        codes = self._look_up(self.given, window)
        return (codes >= VALIDATION) & (codes != part)

    def sees_other(self, window: Window, part: int = TRAIN) -> bool:
        """Whether a window holds a validation or test pixel that is not of ``part``."""
        seen = np.unique(self._rectangles(self.given, window))
        return bool(((seen >= VALIDATION) & (seen != part)).any())

    def pixels(self, part: int) -> int:
        """Number of pixels of a part."""
        table = self.table()
        return int((np.diff(self.rows)[:, None] * np.diff(self.cols) * (table == part)).sum())

    def table(self, *, buffered: bool = True) -> Codes:
        """Codes of the rectangles between ``rows`` and ``cols``; without the buffer, as they were dealt."""
        codes = self.used if buffered else self.given
        return np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)

    def _look_up(self, codes: bytes, window: Window) -> Codes:
        across = np.arange(window.col, window.col + window.width)
        down = np.arange(window.row, window.row + window.height)
        table = np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)
        return table[np.ix_(_number(self.rows, down), _number(self.cols, across))]

    def _rectangles(self, codes: bytes, window: Window) -> Codes:
        inside = window.intersect(Window(0, 0, *self.shape))
        if not (inside.height and inside.width):
            return np.zeros((0, 0), np.uint8)
        top, bottom = _number(self.rows, np.array([inside.row, inside.row + inside.height - 1]))
        left, right = _number(self.cols, np.array([inside.col, inside.col + inside.width - 1]))
        table = np.frombuffer(codes, np.uint8).reshape(len(self.rows) - 1, len(self.cols) - 1)
        return table[top : bottom + 1, left : right + 1]


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of all scenes, in their order; ``name`` is ``split``, ``fold 1``, ... or ``whole``."""

    name: str
    scenes: tuple[SceneSplit, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what the split is: change a pixel's part and it changes."""
        seen = hashlib.sha256()
        for scene in self.scenes:
            seen.update(repr((scene.shape, scene.rows, scene.cols, scene.buffer)).encode() + scene.given + scene.used)
        return seen.hexdigest()

    def pixels(self, part: int) -> int:
        """Number of pixels of a part in all scenes."""
        return sum(scene.pixels(part) for scene in self.scenes)


def make_splits(
    scenes: Sequence[LabelledScene], cells: Sequence[SceneCells], settings: SplitSettings
) -> tuple[Split, ...]:
    """Deal the scenes' places to the parts: one split, or one for each fold.

    A scene with a part of its own belongs to it as a whole, in every split. Two scenes on the same ground, as of two dates,
    get the same parts where axes and CRS are alike: no place is trained on in one and tested in the other.

    Parameters
    ----------
    cells
        Labels by cells, of :func:`geoseg.train.cells.count_cells`, one for each scene: what a square holds.

    Raises
    ------
    UsageError
        ``SPLIT``: a window outside of its scene, fewer squares than parts, or nothing left to train on.
    """
    if settings.by == "windows":
        splits = _by_windows(scenes, settings)
    else:
        by_scenes = settings.by == "scenes"
        places = Places.of_scenes(scenes, cells) if by_scenes else Places.of_squares(scenes, cells, settings.block)
        splits = _dealt(scenes, places, settings)
    for split in splits:
        if not split.pixels(TRAIN):
            what = f"nothing is left to train on in {split.name} of {settings.buffer} pixels' buffer"
            raise UsageError.of("SPLIT", settings.by, what, "Hold out less, or use a smaller buffer or larger squares")
    return splits


def whole(scenes: Sequence[LabelledScene]) -> Split:
    """Everything is trained on, as after the folds; but for scenes that are of another part by themselves."""
    parts = (TRAIN if scene.part is None else PARTS[scene.part] for scene in scenes)
    return Split(
        "whole", tuple(SceneSplit.all_of(scene.shape, part) for scene, part in zip(scenes, parts, strict=True))
    )


def _dealt(scenes: Sequence[LabelledScene], places: Places, settings: SplitSettings) -> tuple[Split, ...]:
    rng = np.random.default_rng([settings.seed, len(places.counts)])
    held = {TEST: settings.test, VALIDATION: settings.validation}
    if settings.folds:
        _check_folds(scenes, places, settings)
        fold = deal(places.counts, [1 / settings.folds] * settings.folds, rng)
        held[TEST] = 0
        dealt = []
        for number in range(settings.folds):
            part = np.full(len(fold), TEST, np.uint8)
            part[fold != number] = _parts(places.counts[fold != number], held, rng, settings)
            dealt.append((f"fold {number + 1}", part))
    else:
        dealt = [("split", _parts(places.counts, held, rng, settings))]
    return tuple(Split(name, _scene_splits(scenes, places, part, settings.buffer)) for name, part in dealt)


def _parts(
    counts: npt.NDArray[np.int64], held: dict[int, float], rng: np.random.Generator, settings: SplitSettings
) -> Codes:
    """The part of each place: as much to each as it shall have, each class to each part as far as there are places."""
    shares = {TRAIN: 1 - sum(held.values()), **{part: share for part, share in held.items() if share}}
    if len(counts) < len(shares) and len(counts) + (len(shares) == 1):
        what = f"{len(counts)} places with labels can not be dealt to {len(shares)} parts"
        remedy = "Use smaller squares (split.block), name windows, or set split.validation to 0"
        raise UsageError.of("SPLIT", f"by {settings.by}", what, remedy)
    codes = np.array(list(shares), np.uint8)
    return codes[deal(counts, list(shares.values()), rng)]


def _check_folds(scenes: Sequence[LabelledScene], places: Places, settings: SplitSettings) -> None:
    if any(scene.part == "test" for scene in scenes):
        what = "a scene that is a test by itself would be tested in each fold"
        raise UsageError.of("SPLIT", "folds", what, "Leave out its part, or the folds")
    if len(places.counts) < settings.folds:
        what = f"{len(places.counts)} places with labels can not be dealt to {settings.folds} folds"
        raise UsageError.of("SPLIT", f"by {settings.by}", what, "Use fewer folds or smaller squares (split.block)")


def _scene_splits(scenes: Sequence[LabelledScene], places: Places, part: Codes, buffer: int) -> tuple[SceneSplit, ...]:
    made = []
    for scene, lattice in zip(scenes, places.lattices, strict=True):
        if scene.part is not None:
            made.append(SceneSplit.all_of(scene.shape, PARTS[scene.part]))
            continue
        codes = np.where(lattice.places >= 0, part[lattice.places], NONE).astype(np.uint8)
        made.append(
            SceneSplit.of(scene.shape, lattice.rows.tolist(), lattice.cols.tolist(), codes=codes, buffer=buffer)
        )
    return tuple(made)


def _by_windows(scenes: Sequence[LabelledScene], settings: SplitSettings) -> tuple[Split, ...]:
    found = [_window(rectangle, scenes) for rectangle in settings.windows]
    groups = [[one] for one in found] if settings.folds else [found]
    names = [f"fold {i + 1}" for i in range(len(groups))] if settings.folds else ["split"]
    return tuple(
        Split(name, tuple(
            _with_windows(scene, [w for i, w in held if i == number], settings.buffer)
            for number, scene in enumerate(scenes)
        ))
        for name, held in zip(names, groups, strict=True)
    )  # fmt: skip


def _with_windows(scene: LabelledScene, held: Sequence[Window], buffer: int) -> SceneSplit:
    if scene.part is not None and not held:
        return SceneSplit.all_of(scene.shape, PARTS[scene.part])
    rows = np.unique([0, scene.shape[0], *(edge for w in held for edge in (w.row, w.row + w.height))])
    cols = np.unique([0, scene.shape[1], *(edge for w in held for edge in (w.col, w.col + w.width))])
    codes = np.full((len(rows) - 1, len(cols) - 1), PARTS[scene.part or "train"], np.uint8)
    for w in held:
        top, bottom = np.searchsorted(rows, (w.row, w.row + w.height))
        left, right = np.searchsorted(cols, (w.col, w.col + w.width))
        codes[top:bottom, left:right] = TEST
    return SceneSplit.of(scene.shape, rows.tolist(), cols.tolist(), codes=codes, buffer=buffer)


def _window(rectangle: Rectangle, scenes: Sequence[LabelledScene]) -> tuple[int, Window]:
    """The number of the scene and the window in it."""
    names = [scene.name for scene in scenes]
    name = names[0] if rectangle.scene is None else rectangle.scene
    if names.count(name) != 1:
        what = f"{name} is {'no scene' if name not in names else 'the name of several scenes'}"
        raise UsageError.of("SPLIT", "windows", what, f"Scenes: {', '.join(names)}")
    number = names.index(name)
    shape = scenes[number].shape
    (top, bottom), (left, right) = rectangle.rows or (0, shape[0]), rectangle.cols or (0, shape[1])
    if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
        what = f"rows {top}-{bottom}, columns {left}-{right} do not lie in {name} of {shape[0]} x {shape[1]}"
        raise UsageError.of("SPLIT", "windows", what, "Correct the job")
    return number, Window(top, left, bottom - top, right - left)


def _steps(edges: Sequence[int], buffer: int, length: int) -> npt.NDArray[np.int64]:
    """Between these positions the part with the buffer is one: an edge, and the buffer's width before and after it."""
    at = np.asarray(edges, np.int64)
    return np.unique(np.clip(np.concatenate([at, at - buffer, at + buffer]), 0, length))


def _number(edges: Sequence[int], at: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """In which interval positions lie."""
    return np.searchsorted(np.asarray(edges), at, side="right") - 1


def _near(
    held: npt.NDArray[np.bool_],
    edges: tuple[Sequence[int], Sequence[int]],
    steps: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    buffer: int,
) -> npt.NDArray[np.bool_]:
    """For the rectangles between ``steps``: whether one between ``edges`` that is held lies within the buffer."""
    table = np.pad(held.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    spans = []
    for line, at in zip(edges, steps, strict=True):
        first = _number(line, np.maximum(at[:-1] - buffer, 0))
        last = _number(line, np.minimum(at[1:] - 1 + buffer, line[-1] - 1)) + 1
        spans.append((first, last))
    (top, bottom), (left, right) = spans
    inside = table[np.ix_(bottom, right)] - table[np.ix_(top, right)] - table[np.ix_(bottom, left)]
    return np.asarray(inside + table[np.ix_(top, left)] > 0)
