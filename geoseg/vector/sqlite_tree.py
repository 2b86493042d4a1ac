"""Sqlite tree: tables of an SQLite database filled page by page, in order of their keys; compiled.

SQLite itself takes a row at a time, under Python's lock. A table that is filled in order needs no search and no
splitting: its rows go into one leaf after another, and the levels above are made at the end. The format is that of
https://www.sqlite.org/fileformat2.html#b_tree_pages, which SQLite promises not to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from geoseg.errors import ResourceError
from geoseg.raster.jit import jit
from geoseg.vector.sqlite_records import Records, put_number, put_varint, varint_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pages = NDArray[np.uint8]
    Ints = NDArray[np.int64]

LARGEST = 1_000_000_000
"""Bytes of a row that SQLite reads."""
_LOCK = 1 << 30
"""The page with this byte is used for locking; nothing is written there."""


class Database:
    """A database that nobody has open, pages appended to it; ``last`` is the number of the last one."""

    def __init__(self, file: BinaryIO) -> None:
        """Look at the head of a file that is open for reading and writing."""
        head = file.read(100)
        self._file = file
        self.size = int.from_bytes(head[16:18], "big")
        self.last = int.from_bytes(head[28:32], "big")
        self.lock = _LOCK // self.size + 1
        assert head[20] == 0 and not any(head[52:56]), "reserved bytes and auto-vacuum want other pages"

    def put(self, number: int, pages: Pages) -> None:
        """Write pages from page ``number`` on."""
        self._file.seek((number - 1) * self.size)
        self._file.write(pages.data)
        self.last = max(self.last, number + len(pages) - 1)

    def close(self) -> None:
        """Say in the head how many pages there are."""
        self._file.seek(28)
        self._file.write(self.last.to_bytes(4, "big"))
        self._file.flush()


class Tree:
    """A table without rows, filled with keys from 1 on; ``rows`` counts them.

    The first records wait for the next, because a table of one page has its rows where others have branches.
    """

    def __init__(self, database: Database, root: int) -> None:
        """Rows of the table whose ``rootpage`` is ``root``."""
        self._database = database
        self._root = root
        self._leaves: list[tuple[Ints, Ints]] = []
        self._waiting: Records | None = None
        self.rows = 0

    def append(self, rows: Records) -> None:
        """Add rows; ResourceError where one is larger than SQLite reads."""
        if (largest := int(np.diff(rows.offsets).max(initial=0))) > LARGEST:
            what = f"a polygon takes {largest} bytes, and SQLite reads rows of {LARGEST}"
            raise ResourceError.of("TOO_BIG", "polygons", what, "Simplify the outlines (--simplify), or map a part")
        first, self._waiting = self._waiting, None
        if first is not None:
            self._write(first)
        if self._leaves:
            self._write(rows)
        else:
            self._waiting = rows

    def finish(self) -> None:
        """Write what waits, and the levels above the leaves."""
        database, form = self._database, (self._database.size, self._database.lock)
        if self._waiting is not None:
            leaves, pages = _lay(self._waiting, 1, database.last - 1, form)
            if len(leaves[0]) == 1:  # its page is the root's, and what does not fit there comes after the last page
                database.put(self._root, pages[:1])
                database.put(database.last + 1, pages[1:])
                return
            self._write(self._waiting)
        if not self._leaves:
            return
        numbers, keys = (np.concatenate(column) for column in zip(*self._leaves, strict=True))
        while len(numbers) > 1:
            numbers, keys, pages = _branch(numbers, keys, database.last, form)
            database.put(self._root if len(numbers) == 1 else int(numbers[0]), pages)

    def _write(self, rows: Records) -> None:
        database = self._database
        leaves, pages = _lay(rows, self.rows + 1, database.last, (database.size, database.lock))
        database.put(int(leaves[0][0]), pages)
        self._leaves.append(leaves)
        self.rows += len(rows.offsets) - 1


@jit
def _lay(rows, key, last, form):  # type: ignore[no-untyped-def]
    """Leaves and overflow pages after page ``last`` for rows with keys from ``key`` on: numbers and last keys, pages."""
    plan = _plan(rows[1], key, last, form)
    leaf, _, last = plan
    pages = np.zeros((last - leaf[0] + 1, form[0]), np.uint8)
    _fill(pages, rows, key, (plan[0], plan[1]), form)
    ends = np.append(np.flatnonzero(np.diff(leaf)), len(leaf) - 1)
    return (leaf[ends], ends + key), pages


@jit
def _after(page, form):  # type: ignore[no-untyped-def]
    """Number of the next page."""
    return page + 2 if page + 1 == form[1] else page + 1


@jit
def _local(payload, form):  # type: ignore[no-untyped-def]
    """How much of a row stands in its leaf."""
    size = form[0]
    if payload <= size - 35:
        return payload
    least = (size - 12) * 32 // 255 - 23
    fitting = least + (payload - least) % (size - 4)
    return fitting if fitting <= size - 35 else least


@jit
def _cell(payload, key, form):  # type: ignore[no-untyped-def]
    """Bytes of a row in its leaf."""
    local = _local(payload, form)
    return varint_size(payload) + varint_size(key) + local + (4 if local < payload else 0)


@jit
def _plan(offsets, key, last, form):  # type: ignore[no-untyped-def]
    """Leaf of each row, the first page of what does not fit there (0: none), and the last page."""
    rows = len(offsets) - 1
    leaf, more = np.empty(rows, np.int64), np.zeros(rows, np.int64)
    room, page = 0, 0
    for i in range(rows):
        payload = offsets[i + 1] - offsets[i]
        needed = 2 + _cell(payload, key + i, form)
        if needed > room:
            page = last = _after(last, form)
            room = form[0] - 8
        leaf[i] = page
        room -= needed
        left = payload - _local(payload, form)
        if left > 0:
            more[i] = _after(last, form)
        while left > 0:
            last = _after(last, form)
            left -= form[0] - 4
    return leaf, more, last


@jit
def _fill(pages, rows, key, plan, form):  # type: ignore[no-untyped-def]
    """Write rows where they were planned: cells from the end of the page, their places from its beginning."""
    data, offsets = rows
    leaf, more = plan
    cells, low = 0, 0
    for i in range(len(leaf)):
        page = pages[leaf[i] - leaf[0]]
        if i == 0 or leaf[i] != leaf[i - 1]:
            page[0] = 13
            cells, low = 0, form[0]
        payload = offsets[i + 1] - offsets[i]
        local = _local(payload, form)
        low -= _cell(payload, key + i, form)
        at = put_varint(page, put_varint(page, low, payload), key + i)
        page[at : at + local] = data[offsets[i] : offsets[i] + local]
        if local < payload:
            put_number(page, at + local, more[i], 4)
            _chain(pages, data[offsets[i] + local : offsets[i + 1]], (more[i], leaf[0]), form)
        put_number(page, 8 + 2 * cells, low, 2)
        cells += 1
        put_number(page, 3, cells, 2)
        put_number(page, 5, low, 2)


@jit
def _chain(pages, left, place, form):  # type: ignore[no-untyped-def]
    """Write what does not fit in a leaf, page after page; each begins with the number of the next."""
    page, first = place
    size = form[0] - 4
    for begin in range(0, len(left), size):
        count = min(size, len(left) - begin)
        pages[page - first, 4 : 4 + count] = left[begin : begin + count]
        following = _after(page, form)
        put_number(pages[page - first], 0, following if begin + count < len(left) else 0, 4)
        page = following


@jit
def _branch(children, keys, last, form):  # type: ignore[no-untyped-def]
    """A level above: pages after ``last`` that hold about equally many children; their numbers, last keys and bytes."""
    most = (form[0] - 12) // 15  # a child: its number in 4 bytes, its key in 9 at most, its place in 2
    n = -(-len(children) // most)
    numbers, ends = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        last = numbers[i] = _after(last, form)
    pages = np.zeros((numbers[-1] - numbers[0] + 1, form[0]), np.uint8)
    for i in range(n):
        page, start, stop = pages[numbers[i] - numbers[0]], i * len(children) // n, (i + 1) * len(children) // n - 1
        low = form[0]
        for k in range(start, stop):
            low -= 4 + varint_size(keys[k])
            put_varint(page, put_number(page, low, children[k], 4), keys[k])
            put_number(page, 12 + 2 * (k - start), low, 2)
        page[0] = 5
        put_number(page, 3, stop - start, 2)
        put_number(page, 5, low, 2)
        put_number(page, 8, children[stop], 4)
        ends[i] = keys[stop]
    return numbers, ends, pages
