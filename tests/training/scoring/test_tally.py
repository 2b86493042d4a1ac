"""Tally: the same cells for any windows in any order, few enough, and nothing lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid.geobox import Window
from geoseg.training.scoring.counts import pair_marks
from geoseg.training.scoring.tally import MOST, SIDE, Tally, paired

VALUES = (1, 2)


def add(tally: Tally, label: np.ndarray, mask: np.ndarray, window: Window, scene: str = "a") -> None:
    tally.add(scene, window, [pair_marks(label[window.slices], mask[window.slices], 2)])


def some(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), (2, *shape))


@given(st.integers(7, 90), st.integers(7, 90), st.integers(0, 99))
def test_cells_do_not_depend_on_windows_and_their_order(height: int, width: int, seed: int) -> None:
    label, mask = some((100, 130))
    whole = Tally(VALUES)
    add(whole, label, mask, Window(0, 0, 100, 130))
    windows = [
        Window(row, col, min(height, 100 - row), min(width, 130 - col))
        for row in range(0, 100, height)
        for col in range(0, 130, width)
    ]
    parts = Tally(VALUES)
    for i in np.random.default_rng(seed).permutation(len(windows)):
        add(parts, label, mask, windows[i])
    assert parts.cells.keys() == whole.cells.keys() and np.array_equal(parts.rows, whole.rows)


def test_each_cell_has_its_own_pixels() -> None:
    label, mask = some((100, 130))
    tally = Tally(VALUES)
    add(tally, label, mask, Window(0, 0, 100, 130))
    assert tally.side == SIDE and len(tally.cells) == 4 * 5
    for (_, row, col), counts in tally.cells.items():
        part = (slice(row * SIDE, row * SIDE + SIDE), slice(col * SIDE, col * SIDE + SIDE))
        assert counts[:6].sum() == (label[part] != 255).sum()


def test_cells_are_merged_until_they_are_few_in_any_order() -> None:
    label, mask = some((SIDE * 15, SIDE * 17))
    windows = [Window(row, 0, SIDE, SIDE * 17) for row in range(0, SIDE * 15, SIDE)]
    made = []
    for order in (windows, windows[::-1], [Window(0, 0, SIDE * 15, SIDE * 17)]):
        tally = Tally(VALUES)
        for window in order:
            add(tally, label, mask, window)
        made.append(tally)
    assert made[0].side == 2 * SIDE and MOST / 4 <= len(made[0].cells) == 8 * 9 <= MOST
    assert all(np.array_equal(made[0].rows, other.rows) for other in made)


def test_many_scenes_are_a_block_each() -> None:
    tally = Tally(VALUES)
    for number in range(MOST + 20):
        add(tally, *some((SIDE * 2, SIDE * 3), number), Window(0, 0, SIDE * 2, SIDE * 3), f"scene {number:03}")
    assert len(tally.cells) == MOST + 20 and tally.side == 4 * SIDE


def test_joined_tallies_are_those_of_all_pixels() -> None:
    label, mask = some((SIDE * 12, SIDE * 12))
    left, right, whole = Tally(VALUES), Tally(VALUES), Tally(VALUES)
    add(left, label, mask, Window(0, 0, SIDE * 12, SIDE * 9))
    add(right, label, mask, Window(0, SIDE * 9, SIDE * 12, SIDE * 3))
    add(whole, label, mask, Window(0, 0, SIDE * 12, SIDE * 12))
    assert left.side == right.side * 2 or left.side == right.side
    for one, other in ((left, right), (right, left)):
        sum_ = Tally(VALUES)
        sum_.join(one)
        sum_.join(other)
        assert sum_.side == whole.side and np.array_equal(sum_.rows, whole.rows)


def test_two_maps_of_the_same_pixels_go_side_by_side() -> None:
    label, mask = some((70, 70))
    one, other = Tally(VALUES), Tally(VALUES)
    add(one, label, mask, Window(0, 0, 70, 70))
    add(other, label, label, Window(0, 0, 70, 70))
    rows = paired(one, other)
    half = rows.shape[1] // 2
    assert np.array_equal(rows[:, :half], one.rows) and np.array_equal(rows[:, half:], other.rows)
