"""Trajectory: the sequence of classes of each pixel over several dates, numbered, with how many pixels have it.

A sequence holds one class value for each date, 0 where a date has no data. Sequences are counted window by window, in any
order, and numbered once all are known: 1 has the most pixels; equals stand in the order of their classes. So a number
does not depend on windows, threads or workers. Everything else (number of changes, first and last change, transitions
between dates) follows from the table of sequences, not from the pixels again.

Memory: the table, ``dates + 16`` bytes a sequence, and twice that while it is merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from geoseg.compare.hmm import FlickerFilter
from geoseg.compare.sequence_kernels import count_ids, find_rows, number_sequences
from geoseg.errors import ResourceError
from geoseg.grid.geobox import Window
from geoseg.vector.lattice import Lattice

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

MOST_SEQUENCES = 1 << 23
"""More different sequences than this are noise, and their table would not stay small."""
_WAITING = 1 << 18
"""Rows that wait before they are merged into the table."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """Different sequences and what has them.

    Parameters
    ----------
    rows
        Class values by date, uint8 (n, dates), each row once, in lexicographic order.
    n_pixels, area
        Pixels, and units of area of a :class:`geoseg.vector.lattice.Lattice`, int64 (n,).
    """

    rows: Bytes
    n_pixels: Ints
    area: Ints

    @classmethod
    def none(cls, dates: int) -> Sequences:
        """No sequence yet."""
        return cls(np.zeros((0, dates), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def merged(cls, parts: Iterable[Sequences]) -> Sequences:
        """All of them together; equal sequences become one."""
        held = list(parts)
        rows = np.concatenate([part.rows for part in held])
        order = np.lexsort(rows.T[::-1])
        rows = rows[order]
        first = np.ones(len(rows), bool)
        first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        starts = np.flatnonzero(first)
        sums = (
            np.add.reduceat(np.concatenate(counts)[order], starts) if len(starts) else np.zeros(0, np.int64)
            for counts in ([part.n_pixels for part in held], [part.area for part in held])
        )  # fmt: skip
        return cls(np.ascontiguousarray(rows[starts]), *sums)

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)


class SequenceCounter:
    """Adds up sequences of windows, in any order; the sums are of integers."""

    def __init__(self, dates: int, where: object = "maps") -> None:
        self._table = Sequences.none(dates)
        self._waiting: list[Sequences] = []
        self._rows = 0
        self._where = where

    def add(self, part: Sequences) -> None:
        """Take the sequences of a window.

        Raises
        ------
        ResourceError
            ``TOO_BIG``: there are more than 8,388,608 different ones.
        """
        self._waiting.append(part)
        self._rows += len(part)
        if self._rows > max(_WAITING, len(self._table)):
            self._merge()

    def table(self) -> Sequences:
        """What was added so far."""
        self._merge()
        return self._table

    def _merge(self) -> None:
        self._table = Sequences.merged([self._table, *self._waiting])
        self._waiting, self._rows = [], 0
        if len(self._table) > MOST_SEQUENCES:
            what = f"more than {MOST_SEQUENCES:,} different sequences of classes"
            remedy = "Filter flicker (--flicker), sieve the maps, or compare fewer dates"
            raise ResourceError.of("TOO_BIG", self._where, what, remedy)


def sequences_of(stack: Sequence[Bytes], window: Window, lattice: Lattice) -> Sequences:
    """Sequences of a window of maps, uint8 (rows, cols) each."""
    ids, rows = _numbered(stack)
    t = lattice.table(window.row, window.row + window.height)
    table = (t.first, t.rows, t.cols, t.pixel, t.before)
    n_pixels, area = count_ids(ids.reshape(window.shape), (window.row, window.col), table, len(rows))
    return Sequences.merged([Sequences(rows, n_pixels, area)])


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """Sequences as the filter leaves them, and what it did.

    Parameters
    ----------
    corrected, filled
        Pixels of each date whose class it changed, and that had none and got one, int64 (dates,).
    naive
        Area units by number of changes as the maps have them, of pixels with data at two dates or more, int64 (dates,).
    """

    sequences: Sequences
    corrected: Ints
    filled: Ints
    naive: Ints

    @classmethod
    def of(cls, found: Sequences, flicker: FlickerFilter | None) -> Filtered:
        """Filter them; without a filter they stay."""
        naive = area_by_changes(found.rows, found.area)
        if flicker is None:
            none = np.zeros(found.rows.shape[1], np.int64)
            return cls(found, none, none, naive)
        rows = flicker.apply(found.rows)
        pixels = found.n_pixels[:, None]
        corrected = ((rows != found.rows) & (found.rows != 0)) * pixels
        filled = ((rows != 0) & (found.rows == 0)) * pixels
        sequences = Sequences.merged([Sequences(rows, found.n_pixels, found.area)])
        return cls(sequences, corrected.sum(axis=0), filled.sum(axis=0), naive)


@dataclass(frozen=True)
class Trajectories:
    """All sequences that have data at some date, numbered from 1; number 0 is no data at any date.

    Parameters
    ----------
    rows, n_pixels, area
        As in :class:`Sequences`, in the order of the numbers: row ``i`` is trajectory ``i + 1``.
    """

    rows: Bytes
    n_pixels: Ints
    area: Ints

    @classmethod
    def of(cls, found: Sequences) -> Trajectories:
        """Number them: the most pixels first, equals in order of their classes."""
        seen = found.rows.any(axis=1)
        rows, n_pixels, area = found.rows[seen], found.n_pixels[seen], found.area[seen]
        order = np.argsort(-n_pixels, kind="stable")
        return cls(rows[order], n_pixels[order], area[order])

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    @property
    def dates(self) -> int:
        """Number of dates."""
        return int(self.rows.shape[1])

    @cached_property
    def _sorted(self) -> tuple[Bytes, Ints]:
        order = np.lexsort(self.rows.T[::-1])
        return np.ascontiguousarray(self.rows[order]), order.astype(np.int64)

    def number(self, stack: Sequence[Bytes], flicker: FlickerFilter | None = None) -> npt.NDArray[np.int32]:
        """Number of each pixel's trajectory, int32 (rows, cols), of maps of one window."""
        ids, rows = _numbered(stack)
        if flicker is not None:
            rows = flicker.apply(rows)
        table, order = self._sorted
        at = find_rows(table, rows)
        found = np.zeros(len(rows), np.int32)
        seen = rows.any(axis=1)
        assert (at[seen] >= 0).all(), "a map changed while it was read"
        found[seen] = order[at[seen]] + 1
        return found[ids].reshape(stack[0].shape)

    @cached_property
    def changes(self) -> npt.NDArray[np.bool_]:
        """Where a date's class differs from that of the last date with data before it, bool (n, dates)."""
        return changes_of(self.rows)

    @property
    def n_changes(self) -> Ints:
        """Number of changes of each, int64 (n,)."""
        return np.asarray(self.changes.sum(axis=1), np.int64)

    @property
    def first_change(self) -> Ints:
        """Index of the date at which the first new class is seen, int64 (n,); 0 where nothing changes."""
        return np.asarray(self.changes.argmax(axis=1), np.int64)

    @property
    def last_change(self) -> Ints:
        """Index of the date at which the last new class is seen, int64 (n,); 0 where nothing changes."""
        last = self.dates - 1 - self.changes[:, ::-1].argmax(axis=1)
        return np.where(self.changes.any(axis=1), last, 0).astype(np.int64)

    def transitions(self, before: int, after: int) -> tuple[Ints, Ints]:
        """Pixels and area units by (class before, class after), int64 (256, 256) each, between two dates by index.

        Row and column 0 are pixels without data at one of the dates.
        """
        pair = self.rows[:, before].astype(np.int64) * 256 + self.rows[:, after]
        return _sums(pair, self.n_pixels), _sums(pair, self.area)


def changes_of(rows: Bytes) -> npt.NDArray[np.bool_]:
    """Where a date's class differs from that of the last date with data before it, bool (n, dates)."""
    changed = np.zeros(rows.shape, bool)
    last = rows[:, 0].copy()
    for date in range(1, rows.shape[1]):
        now = rows[:, date]
        changed[:, date] = (now != 0) & (last != 0) & (now != last)
        last = np.where(now != 0, now, last)
    return changed


def area_by_changes(rows: Bytes, area: Ints) -> Ints:
    """Area units of sequences by their number of changes, int64 (dates,); of those with data at two dates or more."""
    sums = np.zeros(rows.shape[1], np.int64)
    twice = (rows != 0).sum(axis=1) > 1
    np.add.at(sums, changes_of(rows)[twice].sum(axis=1), area[twice])
    return sums


def _sums(pair: Ints, counts: Ints) -> Ints:
    """Sums of integers as integers: ``np.bincount`` with weights would add floats."""
    out = np.zeros(256 * 256, np.int64)
    np.add.at(out, pair, counts)
    return out.reshape(256, 256)


def _numbered(stack: Sequence[Bytes]) -> tuple[npt.NDArray[np.int32], Bytes]:
    ids, rows = number_sequences(np.stack([np.ravel(date) for date in stack]))
    return ids, rows
