"""Split: parts are apart by the buffer, each has each class where it can, and the same settings give the same split."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window
from geoseg.training.data.cells import cell_side, count_cells, count_parts, read_index
from geoseg.training.settings.data import SplitSettings
from geoseg.training.splits.deal import deal
from geoseg.training.splits.split import NONE, TEST, TRAIN, VALIDATION, SceneSplit, Split, make_splits, whole
from tests.helpers.labelled import ArrayScene, array_scene, patchy


def split_of(scenes: list[ArrayScene], **settings: Any) -> tuple[Split, ...]:
    made = SplitSettings.of(**settings)
    return make_splits(scenes, count_cells(scenes, side=cell_side(scenes, made.block)), made)


def whole_of(split: SceneSplit) -> np.ndarray:
    return split.read(Window(0, 0, *split.shape))


def distance(one: np.ndarray, other: np.ndarray) -> int:
    """The larger of rows and columns between the nearest pixels of two masks."""
    return int(distance_transform_cdt(~other, "chessboard")[one].min())


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(0, 20),
    st.lists(st.integers(0, 60), max_size=4), st.lists(st.integers(0, 60), max_size=4), st.integers(0, 99),
)  # fmt: skip
def test_the_buffer_is_what_a_look_at_every_pixel_gives(
    rows: int, cols: int, buffer: int, down: list[int], across: list[int], seed: int
) -> None:
    row_edges = np.unique([0, rows, *(at for at in down if at < rows)])
    col_edges = np.unique([0, cols, *(at for at in across if at < cols)])
    codes = np.random.default_rng(seed).integers(0, 4, (len(row_edges) - 1, len(col_edges) - 1)).astype(np.uint8)
    split = SceneSplit.of((rows, cols), row_edges.tolist(), col_edges.tolist(), codes=codes, buffer=buffer)
    given = np.repeat(np.repeat(codes, np.diff(row_edges), 0), np.diff(col_edges), 1)
    expected = given.copy()
    for row, col in np.ndindex(rows, cols):
        near = given[max(row - buffer, 0) : row + buffer + 1, max(col - buffer, 0) : col + buffer + 1]
        if (given[row, col] == TRAIN and (near >= VALIDATION).any()) or (
            given[row, col] == VALIDATION and (near == TEST).any()
        ):
            expected[row, col] = NONE
    assert (whole_of(split) == expected).all()
    assert all(split.pixels(part) == (expected == part).sum() for part in range(4))
    window = Window(rows // 3, cols // 4, max(rows // 2, 1), max(cols // 2, 1)).intersect(Window(0, 0, rows, cols))
    assert (split.read(window) == expected[window.slices]).all()
    for part in (TRAIN, VALIDATION, TEST):
        held = (given[window.slices] >= VALIDATION) & (given[window.slices] != part)
        assert (split.held_out(window, part) == held).all()
        assert split.sees_other(window, part) == held.any()


def test_parts_of_squares_are_apart_by_the_buffer_and_each_has_each_class() -> None:
    scene = array_scene(patchy((200, 240)))
    (split,) = split_of([scene], block=40, buffer=6, validation=0.2, test=0.2)
    codes = whole_of(split.scenes[0])
    for one, other in itertools.combinations((TRAIN, VALIDATION, TEST), 2):
        assert distance(codes == one, codes == other) > 6
    for part in (TRAIN, VALIDATION, TEST):
        assert set(scene.labels.label[codes == part]) >= {1, 4, 5}


def test_shares_of_the_labels_are_about_those_asked_for() -> None:
    scene = array_scene(patchy((320, 320), unlabelled=0.0))
    (split,) = split_of([scene], block=32, buffer=0, validation=0.15, test=0.25)
    counts = count_parts([scene], split, count_cells([scene], side=32))[0]
    shares = counts / counts.sum(axis=0)
    assert np.abs(shares[VALIDATION] - 0.15).max() < 0.03 and np.abs(shares[TEST] - 0.25).max() < 0.03


@given(st.integers(0, 10_000), st.integers(3, 7), st.integers(1, 4), st.integers(2, 3))
def test_each_part_has_each_class_whenever_some_dealing_gives_it(seed: int, n: int, classes: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 100, (n, classes)) * (rng.random((n, classes)) < 0.5)
    shares = [0.7, 0.3] if parts == 2 else [0.7, 0.15, 0.15]
    part = deal(counts, shares, np.random.default_rng(0))
    assert part.min() >= 0 and part.max() < parts

    def covered(assigned: np.ndarray) -> int:
        return sum(int((counts[assigned == j] > 0).any(axis=0).sum()) for j in range(parts))

    most = max(covered(np.array(each)) for each in itertools.product(range(parts), repeat=n))
    if most == parts * (counts > 0).any(axis=0).sum():
        assert covered(part) == most
    else:
        assert covered(part) >= most - 1


def test_held_out_places_lie_together_so_that_buffers_take_little() -> None:
    """Scattered squares would lose more than half of what is left to train on."""
    scene = array_scene(patchy((512, 512), unlabelled=0.0))
    (split,) = split_of([scene], block=32, buffer=8, validation=0.15, test=0.15)
    assert split.pixels(TRAIN) > 0.6 * 512**2 and split.pixels(NONE) < 0.13 * 512**2
    counts = count_parts([scene], split, count_cells([scene], side=32))[0]
    shares = counts[TEST] / counts.sum(axis=0)
    assert np.abs(shares - 0.15).max() < 0.04


def test_validation_of_a_fold_is_no_part_of_its_test_and_has_its_share() -> None:
    scene = array_scene(patchy((256, 256), unlabelled=0.0))
    for fold in split_of([scene], block=16, buffer=0, folds=4, validation=0.2):
        shares = [fold.pixels(part) / 256**2 for part in (TRAIN, VALIDATION, TEST)]
        assert shares == pytest.approx([0.55, 0.2, 0.25], abs=0.03)


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    scene = array_scene(patchy((256, 256)))
    same = [split_of([scene], block=16, buffer=2, seed=3)[0] for _ in range(2)]
    assert same[0] == same[1] and same[0].digest == same[1].digest
    assert split_of([scene], block=16, buffer=2, seed=4)[0].digest != same[0].digest


def test_each_labelled_pixel_is_tested_in_one_fold_and_trained_on_in_others() -> None:
    scene = array_scene(patchy((128, 160)))
    folds = split_of([scene], block=32, buffer=0, folds=4, validation=0)
    assert [fold.name for fold in folds] == ["fold 1", "fold 2", "fold 3", "fold 4"]
    codes = np.stack([whole_of(fold.scenes[0]) for fold in folds])
    labelled = scene.labels.label > 0
    assert ((codes == TEST).sum(axis=0)[labelled] == 1).all()
    assert ((codes == TRAIN).sum(axis=0)[labelled] == 3).all()


def test_windows_together_are_the_test_part_or_each_a_fold() -> None:
    scene = array_scene(patchy((60, 80)))
    windows = ({"rows": (0, 20)}, {"rows": (10, 30), "cols": (50, 80)})
    (one,) = split_of([scene], by="windows", windows=windows, buffer=5)
    expected = np.zeros((60, 80), bool)
    expected[:20], expected[10:30, 50:] = True, True
    codes = whole_of(one.scenes[0])
    assert ((codes == TEST) == expected).all() and distance(codes == TRAIN, expected) == 6
    first, second = split_of([scene], by="windows", windows=windows, buffer=5, folds=2)
    assert (whole_of(first.scenes[0]) == TEST).sum() == 20 * 80 and (whole_of(second.scenes[0]) == TEST).sum() == 600
    assert (whole_of(whole([scene]).scenes[0]) == TRAIN).all()


def test_a_window_may_lie_in_a_scene_by_its_name() -> None:
    scenes = [array_scene(patchy((40, 40)), name=name, corner=(x, 0.0)) for name, x in (("a", 0.0), ("b", 9e3))]
    (split,) = split_of(scenes, by="windows", windows=({"scene": "b", "rows": (0, 10)},), buffer=0)
    assert split.scenes[0].pixels(TEST) == 0 and split.scenes[1].pixels(TEST) == 400


@pytest.mark.parametrize(
    "settings",
    [
        {"by": "windows", "windows": ({"rows": (0, 61)},)},
        {"by": "windows", "windows": ({"rows": (5, 5)},)},
        {"by": "windows", "windows": ({"scene": "other", "rows": (0, 5)},)},
        {"by": "windows", "windows": ({"rows": (3, 57)},), "buffer": 5},
        {"block": 128},
        {"block": 32, "folds": 7},
        {"by": "scenes"},
    ],
)
def test_what_leaves_nothing_or_lies_outside_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="SPLIT"):
        split_of([array_scene(patchy((60, 64)))], **settings)


def test_scenes_are_dealt_as_wholes_and_keep_the_part_that_they_have() -> None:
    scenes = [array_scene(patchy((32, 32), seed=i), name=f"s{i}", corner=(1e4 * i, 0.0)) for i in range(6)]
    scenes.append(array_scene(patchy((32, 32)), name="held", corner=(9e5, 0.0), part="test"))
    (split,) = split_of(scenes, by="scenes", validation=0.2, test=0.2)
    parts = [set(np.unique(whole_of(scene))) for scene in split.scenes]
    assert all(len(part) == 1 for part in parts) and parts[-1] == {TEST}
    assert {TRAIN, VALIDATION, TEST} == set.union(*parts[:-1])
    assert whole(scenes).pixels(TRAIN) == 6 * 32 * 32
    with pytest.raises(UsageError, match="SPLIT"):
        split_of(scenes, by="scenes", folds=2)


def test_scenes_that_all_have_a_part_need_no_dealing() -> None:
    parts = ("train", "train", "validation", "test")
    scenes = [array_scene(patchy((64, 64), seed=i), name=f"s{i}", part=part) for i, part in enumerate(parts)]
    (split,) = split_of(scenes, block=32)
    assert split.name == "split"
    assert [scene.table().tolist() for scene in split.scenes] == [[[TRAIN]], [[TRAIN]], [[VALIDATION]], [[TEST]]]


@pytest.mark.parametrize(("shift", "res"), [(0, 10.0), (3, 10.0), (0, 20.0)])
def test_two_dates_of_one_ground_are_split_alike(shift: int, res: float) -> None:
    """A pixel of one date lies at the same place as one of the other; no place is trained on in one and tested in the other."""
    first = array_scene(patchy((128, 128)), name="before", corner=(0.0, 0.0))
    side = int(1280 / res)
    second = array_scene(patchy((side, side), seed=1), name="after", corner=(10.0 * shift, 0.0), res=res)
    (split,) = split_of([first, second], block=32, buffer=0, validation=0.2, test=0.2)
    one, other = (whole_of(scene) for scene in split.scenes)
    fine = np.kron(other, np.ones((int(res / 10), int(res / 10)), np.uint8))
    alike = one[:, shift:] == fine[:, : 128 - shift]
    assert alike.all()


def test_squares_without_labels_are_of_no_part_and_cost_no_buffer() -> None:
    label = np.zeros((96, 96), np.uint8)
    label[:32, :32], label[64:, 64:], label[:32, 64:] = 1, 1, 1
    (split,) = split_of([array_scene(label)], block=32, buffer=4, validation=0.3, test=0.3)
    codes = whole_of(split.scenes[0])
    assert (codes[label == 0] == NONE).all() and sorted(np.unique(codes[label > 0])) == [TRAIN, VALIDATION, TEST]


def test_counts_by_part_are_those_of_all_pixels() -> None:
    valid = np.random.default_rng(0).random((150, 170)) > 0.2
    scene = array_scene(patchy((150, 170)), valid=valid)
    (split,) = split_of([scene], block=30, buffer=7)
    cells = count_cells([scene], side=20)
    index, codes = read_index(scene, Window(0, 0, 150, 170)), whole_of(split.scenes[0])
    expected = [[((codes == part) & (index == i)).sum() for i in range(3)] for part in range(4)]
    assert (count_parts([scene], split, cells)[0] == expected).all()
    assert cells[0].invalid == ((scene.labels.label > 0) & ~valid).sum()


def test_cells_are_counted_as_all_pixels_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseg.training.data.cells.BLOCK", 64)
    scene = array_scene(patchy((150, 170), unlabelled=0.5))
    (cells,) = count_cells([scene], side=16)
    index = read_index(scene, Window(0, 0, 150, 170))
    assert (cells.at[1:] > cells.at[:-1]).all()
    for i, counts in enumerate(cells.counts):
        assert (np.bincount(index[cells.window(i).slices].ravel(), minlength=256)[:3] == counts).all()
    assert (cells.totals == np.bincount(index[index < 3], minlength=3)).all()
    row, col = cells.centres
    assert all(
        w.row <= r < w.row + w.height and w.col <= c < w.col + w.width
        for w, r, c in zip((cells.window(i) for i in range(len(row))), row, col, strict=True)
    )
