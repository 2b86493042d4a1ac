"""Pairs of classes at a distance are counted once each, whatever the windows."""

import numpy as np

from geoseg.compare.lags import CROSS, HERE, WITHIN, LagCounts, _windows


def land(rows: int, cols: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 4, (rows // 5 + 1, cols // 5 + 1)).astype(np.uint8).repeat(5, 0).repeat(5, 1)[:rows, :cols]
    return np.where(rng.random((rows, cols)) < 0.05, 2, blobs).astype(np.uint8)


def counted(one: np.ndarray, other: np.ndarray, values: list[int]) -> LagCounts:
    return LagCounts.count(lambda w: (one[w.slices], other[w.slices]), one.shape, values)


def pairs(one: np.ndarray, other: np.ndarray, lag: np.ndarray, values: list[int]) -> list[list[int]]:
    """Place by place."""
    rows, cols = one.shape
    table = [[0] * len(values) for _ in values]
    for row, col in np.ndindex(rows, cols):
        r, c = row + int(lag[0]), col + int(lag[1])
        if 0 <= r < rows and 0 <= c < cols and one[row, col] in values and other[r, c] in values:
            table[values.index(one[row, col])][values.index(other[r, c])] += 1
    return table


def test_every_pair_is_counted_once() -> None:
    one, other, values = land(70, 55, 1), land(70, 55, 2), [1, 2, 3]
    found = counted(one, other, values).total()
    for k in (0, 7, HERE, 24):
        assert found.cross[0, k].tolist() == pairs(one, other, CROSS[k], values)
    for k in (0, 2, 11, 23):
        assert found.within[0, 0, k].tolist() == pairs(one, one, WITHIN[k], values)
        assert found.within[0, 1, k].tolist() == pairs(other, other, WITHIN[k], values)
    assert found.n_pixels == int(((one > 0) & (other > 0)).sum())


def test_specks_stand_alone_in_a_place_of_one_class() -> None:
    one, other, values = land(40, 40, 3), land(40, 40, 4), [1, 2, 3]
    other[10:30, 5:35] = one[10:30, 5:35] = 1
    one[20, 20], one[25, 12], other[25, 12] = 3, 2, 2
    wanted = np.zeros((2, 3, 3), np.int64)
    for number, (own, rest) in enumerate(((one, other), (other, one))):
        for row, col in np.ndindex(38, 38):
            square, over = own[row : row + 3, col : col + 3], rest[row : row + 3, col : col + 3]
            around = set(np.delete(square.ravel(), 4).tolist()) | set(over.ravel().tolist())
            if len(around) == 1 and around <= set(values) and square[1, 1] in values:
                wanted[number, values.index(over[0, 0]), values.index(square[1, 1])] += 1
    assert np.array_equal(counted(one, other, values).total().specks[0], wanted)
    assert wanted[0, 0, 2] == 1


def test_groups_without_one_add_to_the_total() -> None:
    found = counted(land(90, 90, 1), land(90, 90, 2), [1, 2, 3])
    groups, whole = len(found.cross), found.total()
    rest = sum(found.total(without=g).cross for g in range(groups))
    assert groups > 2
    assert np.array_equal(rest, (groups - 1) * whole.cross)


def test_small_maps_are_looked_at_whole_and_large_ones_in_part() -> None:
    windows, whole = _windows((100, 70))
    seen = np.zeros((100, 70), int)
    for window in windows:
        seen[window.slices] += 1
    assert whole and (seen == 1).all()
    windows, whole = _windows((60_000, 20_000))
    assert not whole
    assert 6e6 < sum(w.height * w.width for w in windows) <= 1 << 24
    assert max(w.row for w in windows) > 55_000
    assert _windows((1, 1))[0][0].shape == (1, 1)
