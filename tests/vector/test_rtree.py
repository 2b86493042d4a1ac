"""An index packed from boxes answers as the boxes do, and SQLite finds it sound."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from geoseg.vector.rtree import NODE_BYTES, pack_leaves, pack_levels


def boxes_of(count: int, seed: int = 0) -> np.ndarray:
    """Boxes (xmin, ymin, xmax, ymax) like those of a map far from its origin; some are points."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(5e6, 5.1e6, (count, 2))
    return np.hstack([low, low + rng.choice([0.0, 10.0, 1000.0], (count, 1)) * rng.random((count, 2))])


def stored(batches: list[np.ndarray]) -> sqlite3.Connection:
    """An R-tree of SQLite with the packed nodes in its tables."""
    file = sqlite3.connect(":memory:")
    file.execute("PRAGMA page_size = 4096")
    file.execute("CREATE VIRTUAL TABLE i USING rtree(id, minx, maxx, miny, maxy)")
    assert file.execute("SELECT length(data) FROM i_node").fetchone() == (NODE_BYTES,)
    key, leaf, around = 1, 2, []
    for boxes in batches:
        leaves = pack_leaves(boxes, key)
        of_row = enumerate((leaf + leaves.of_row).tolist(), start=key)
        file.executemany("INSERT INTO i_rowid VALUES (?, ?)", of_row)
        file.executemany("INSERT INTO i_node VALUES (?, ?)", enumerate(map(bytes, leaves.nodes), start=leaf))
        key, leaf = key + len(boxes), leaf + len(leaves.nodes)
        around.append(leaves.boxes)
    levels = pack_levels(np.concatenate(around), 2)
    file.execute("UPDATE i_node SET data = ? WHERE nodeno = 1", (levels.root,))
    file.executemany("INSERT INTO i_node VALUES (?, ?)", levels.nodes)
    file.executemany("INSERT INTO i_parent VALUES (?, ?)", levels.parents)
    return file


@pytest.mark.parametrize("counts", [[1], [51], [52], [51, 1], [700, 300, 5], [3000, 3000]])
def test_an_index_finds_what_its_boxes_touch(counts: list[int]) -> None:
    batches = [boxes_of(count, seed) for seed, count in enumerate(counts)]
    boxes = np.concatenate(batches)
    rng = np.random.default_rng(9)
    with closing(stored(batches)) as file:
        assert file.execute("SELECT rtreecheck('i')").fetchone() == ("ok",)
        for x, y, size in zip(*rng.uniform(5e6, 5.1e6, (2, 50)), rng.choice([1, 100, 50_000], 50), strict=True):
            where = "maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?"
            found = file.execute(f"SELECT id FROM i WHERE {where}", (x, x + size, y, y + size))
            touched = (boxes[:, 2] >= x) & (boxes[:, 0] <= x + size) & (boxes[:, 3] >= y) & (boxes[:, 1] <= y + size)
            missing = set((1 + np.flatnonzero(touched)).tolist()) - {row[0] for row in found}
            assert not missing


def test_boxes_are_rounded_outward_and_by_less_than_a_metre() -> None:
    boxes = boxes_of(500)
    with closing(stored([boxes])) as file:
        found = np.array(file.execute("SELECT minx, miny, maxx, maxy FROM i ORDER BY id").fetchall())
        assert (found[:, :2] <= boxes[:, :2]).all() and (found[:, 2:] >= boxes[:, 2:]).all()
        assert np.abs(found - boxes).max() < 1


def test_an_index_can_be_edited() -> None:
    with closing(stored([boxes_of(400)])) as file:
        file.executemany("INSERT INTO i VALUES (?, 0, 1, 0, 1)", ((key,) for key in range(1000, 1300)))
        file.execute("DELETE FROM i WHERE id < 350")
        assert file.execute("SELECT rtreecheck('i')").fetchone() == ("ok",)
        assert file.execute("SELECT count(*) FROM i").fetchone() == (351,)
