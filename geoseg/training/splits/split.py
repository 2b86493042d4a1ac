"""Split: which pixels of all scenes are trained on, which steer the training, and which are kept to test it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.training.settings.data import Rectangle, SplitSettings
from geoseg.training.splits.deal import Ground, deal
from geoseg.training.splits.parts import NONE, PARTS, TEST, TRAIN, VALIDATION, Codes, SceneSplit
from geoseg.training.splits.places import Places

if TYPE_CHECKING:
    from geoseg.training.data.cells import SceneCells
    from geoseg.training.data.labelled import LabelledScene

__all__ = ["NONE", "PARTS", "TEST", "TRAIN", "VALIDATION", "SceneSplit", "Split", "make_splits", "whole"]


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
        Labels by cells, of :func:`geoseg.training.data.cells.count_cells`, one for each scene: what a square holds.

    Raises
    ------
    UsageError
        ``SPLIT``: a window outside of its scene, fewer squares than parts, or nothing left to train on.
    """
    if settings.by == "windows":
        splits = _by_windows(scenes, settings)
    elif not settings.folds and all(scene.part is not None for scene in scenes):
        splits = (Split("split", whole(scenes).scenes),)
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
    if not settings.folds:
        dealt = [("split", _parts(places, settings.test, settings, rng))]
    else:
        _check_folds(scenes, places, settings)
        ground = _ground(places, 1.0 - np.eye(settings.folds), settings)
        fold = deal(places.counts, [1 / settings.folds] * settings.folds, rng, ground=ground)
        dealt = [
            (f"fold {number + 1}", _parts(places, 1 / settings.folds, settings, rng, test=fold == number))
            for number in range(settings.folds)
        ]
    return tuple(Split(name, _scene_splits(scenes, places, part, settings.buffer)) for name, part in dealt)


def _parts(
    places: Places,
    tested: float,
    settings: SplitSettings,
    rng: np.random.Generator,
    *,
    test: npt.NDArray[np.bool_] | None = None,
) -> Codes:
    """The part of each place: as much to each as it shall have, each class to each part as far as there are places.

    ``tested`` is the share of the test part, ``test`` says which places it has where that is known.
    """
    shares = {TRAIN: 1 - tested - settings.validation, TEST: tested, VALIDATION: settings.validation}
    shares = {part: share for part, share in shares.items() if share > 0}
    if TRAIN not in shares or len(places.counts) < len(shares):
        what = f"{len(places.counts)} places with labels can not be dealt to {len(shares)} parts"
        remedy = "Use smaller squares (split.block), name windows, or set split.validation to 0"
        raise UsageError.of("SPLIT", f"by {settings.by}", what, remedy)
    codes = np.array(list(shares), np.uint8)
    asked = np.array(list(shares.values()))
    # The buffer takes from training where there is any of it, else from validation: it hurts the more the less there is.
    loser = np.where(codes == TRAIN, 0, np.where(codes == VALIDATION, 1, 2))
    borders = np.where(loser[:, None] < loser, 1 / asked[:, None], 1 / asked) / (1 / asked.max())
    ground = _ground(places, borders * (1 - np.eye(len(codes))), settings)
    fixed = None if test is None else np.where(test, list(shares).index(TEST), -1)
    return codes[deal(places.counts, asked.tolist(), rng, ground=ground, fixed=fixed)]


def _ground(places: Places, borders: npt.NDArray[np.float64], settings: SplitSettings) -> Ground | None:
    """How places lie, where they are squares; ``borders`` are what the loss of a place costs."""
    width = min(settings.buffer / settings.block, 1.0)
    return None if places.neighbours is None else Ground(places.neighbours, borders * width)


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
