"""Rows laid by pages are what SQLite would have written, for rows of any size and number."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import ResourceError
from geoseg.vector import sqlite_tree
from geoseg.vector.sqlite_records import Records, records
from geoseg.vector.sqlite_tree import Database, Tree

Row = tuple[int, float, str, bytes]
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 127, 128, -128, -129, 2**31, -(2**47), 2**47])
ROWS = st.tuples(INTEGERS, st.floats(allow_nan=False), st.text(max_size=40), st.binary(max_size=40))


def laid(path: Path, batches: list[list[Row]], *, page: int = 4096, size: int = 0) -> list[Row]:
    """The rows after writing and reading, from a file that SQLite finds sound; ``size`` bytes stand there before."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA page_size = {page}")
        file.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, number INTEGER, real REAL, text TEXT, blob BLOB)")
        file.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, number INTEGER)")
        file.commit()
        roots = dict(file.execute("SELECT name, rootpage FROM sqlite_master"))
    with path.open("r+b") as file:
        database = Database(file)
        if size:
            file.truncate(size)
            database.last = size // page
        tree, other = (Tree(database, roots[name]) for name in ("rows", "other"))
        for batch in batches:
            tree.append(records(arrow(batch)))
            other.append(records(pa.record_batch([pa.array(range(len(batch)), pa.int64())], ["number"])))
        tree.finish()
        other.finish()
        database.close()
    with closing(sqlite3.connect(path)) as file:
        if not size:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        n = sum(map(len, batches))
        assert file.execute("SELECT count(*), coalesce(max(id), 0) FROM other").fetchone() == (n, n)
        assert [row[0] for row in file.execute("SELECT id FROM rows ORDER BY id")] == list(range(1, n + 1))
        found = file.execute("SELECT number, real, text, blob FROM rows ORDER BY id").fetchall()
        file.execute("INSERT INTO rows VALUES (NULL, 1, 1.5, 'more', NULL)")  # it can be edited
        file.execute("DELETE FROM rows WHERE id % 3 = 0")
        if not size:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return found


def arrow(rows: list[Row]) -> pa.RecordBatch:
    types = [pa.int64(), pa.float64(), pa.string(), pa.binary()]
    columns = zip(*rows, strict=True) if rows else [()] * 4
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.record_batch(arrays, ["number", "real", "text", "blob"])


def some(count: int, size: int, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, size + 1, count).tolist()
    return [(int(rng.integers(-9, 10**6)), float(rng.random()), f"ü{i}", rng.bytes(n)) for i, n in enumerate(sizes)]


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(ROWS, min_size=1, max_size=30), max_size=4))
def test_any_values_come_back(batches: list[list[Row]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.db"
    assert laid(path, batches) == [row for batch in batches for row in batch]


@pytest.mark.parametrize("page", [512, 4096])
@pytest.mark.parametrize(("count", "size"), [(1, 0), (1, 100_000), (2, 5000), (60, 9000), (3000, 20)])
def test_any_number_and_size_of_rows_come_back(tmp_path: Path, page: int, count: int, size: int) -> None:
    rows = some(count, size)
    assert laid(tmp_path / "p.db", [rows], page=page) == rows
    halves = [rows[: count // 2 + 1], rows[count // 2 + 1 :]]
    assert laid(tmp_path / "p.db", [half for half in halves if half], page=page) == rows


@pytest.mark.parametrize("page", [512, 4096])
def test_rows_that_just_fit_a_page_or_just_do_not_come_back(tmp_path: Path, page: int) -> None:
    rows = [(1, 0.5, "", b"x" * size) for size in range(page - 90, page + 9)]
    assert laid(tmp_path / "p.db", [rows], page=page) == rows
    for row in rows[::20]:
        assert laid(tmp_path / "one.db", [[row]], page=page) == [row]


def test_the_page_that_sqlite_locks_stays_empty(tmp_path: Path) -> None:
    rows = some(200, 9000)
    assert laid(tmp_path / "large.db", [rows[:100], rows[100:]], size=(1 << 30) - 40 * 4096) == rows
    with (tmp_path / "large.db").open("rb") as file:
        file.seek(1 << 30)
        assert file.read(4096) == bytes(4096)
        assert any(file.read(4096))


def test_a_row_larger_than_sqlite_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_tree, "LARGEST", 5000)
    with pytest.raises(ResourceError, match="TOO_BIG"):
        laid(tmp_path / "p.db", [[(1, 0.5, "", b"x" * 5001)]])
    assert isinstance(records(arrow([])), Records)
