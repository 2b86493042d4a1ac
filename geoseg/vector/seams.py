"""Seams: link what the strips' edges cut, and hand out each region once no strip can add to it; compiled.

Kept are only the regions that touch the last seam: their outlines so far, and their counts. Regions are joined by
union-find; open pieces by their keys (:mod:`geoseg.vector.trace`), each chain knowing its other end, so that a strip
costs what touches its seams, not what lies behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Vertices = NDArray[np.int32]

# Columns of the tables of pieces and of regions.
_BEGIN, _COUNT, _NEXT, _OTHER, _OWNER, _RING = range(6)
_PARENT, _VALUE, _SUMS, _LAST, _HEAD, _TAIL = 0, 1, 2, 5, 6, 7


class StripTrace(NamedTuple):
    """A traced strip: see :func:`trace_strip` and :func:`label_strip`.

    ``top`` and ``bottom`` hold, for each column, the region that goes on over the seam, or -1.
    """

    vertices: Vertices
    pieces: Ints
    values: NDArray[np.int32]
    counts: Ints
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]


class Walks(NamedTuple):
    """Closed regions: their walks (vertices, offsets, index of the region), class values and counts, by last pixel."""

    vertices: Vertices
    offsets: Ints
    region: Ints
    values: Ints
    counts: Ints


@dataclass(slots=True, eq=False)
class OpenRegions:
    """The regions that touch the last seam, between one strip and the next.

    ``used`` counts the vertices, pieces and regions in the tables, and the vertices among them that still matter.
    """

    vertices: Vertices
    pieces: Ints
    regions: Ints
    used: Ints
    frontier: Ints
    ends: Ints

    @classmethod
    def of(cls, cols: int) -> OpenRegions:
        """Before the first strip."""
        tables = np.empty((1024, 2), np.int32), np.empty((1024, 6), np.int64), np.empty((1024, 8), np.int64)
        ends = np.full((2, 2 * cols + 2), -1, np.int64)
        return cls(*tables, np.zeros(4, np.int64), np.full(cols, -1, np.int64), ends)

    def add(self, strip: StripTrace) -> Walks:
        """Join the next strip below; return the regions that are complete now, ordered by their last pixel."""
        alone = np.ones(len(strip.values), np.bool_)
        alone[strip.top[strip.top >= 0]] = False
        alone[strip.bottom[strip.bottom >= 0]] = False
        tables = self.vertices, self.pieces, self.regions
        new = strip.vertices, strip.pieces, strip.values, strip.counts, alone
        vertices, pieces, regions, mapping = _take(tables, self.used, new)
        tables = vertices, pieces, regions
        _unite_over(pieces, regions, self.frontier, strip.top, mapping)
        self.ends = _link_over(pieces, regions, self.ends, self.used, strip.pieces, alone)
        done = _advance(regions, self.used, self.frontier, strip.bottom, mapping)
        closed = Walks(*_collect(tables, self.used, done, new))
        self.vertices, self.pieces, self.regions = _tidy(tables, self.used, self.frontier, self.ends)
        return closed


@jit
def seam_regions(values, beyond, labels, region, nodata):  # type: ignore[no-untyped-def]
    """For each column of a strip's edge row the region, where the row ``beyond`` the seam has the same class."""
    out = np.full(len(values), -1, np.int32)
    for c in range(len(values)):
        if values[c] == beyond[c] and values[c] != nodata:
            out[c] = region[labels[c] & ~(1 << 30)]
    return out


@jit
def _take(tables, used, new):  # type: ignore[no-untyped-def]
    """Add a strip's regions that touch a seam, and their pieces, to the tables; return these and the new numbers."""
    vertices, pieces, regions = tables
    new_vertices, new_pieces, values, counts, alone = new
    mapping = np.full(len(values), -1, np.int64)
    for i in range(len(values)):
        if not alone[i]:
            k = used[2]
            regions = _room(regions, k + 1)
            regions[k, _PARENT], regions[k, _VALUE], regions[k, _HEAD], regions[k, _TAIL] = k, values[i], -1, -1
            regions[k, _SUMS : _LAST + 1] = counts[i]
            mapping[i] = k
            used[2] += 1
    for q in range(len(new_pieces)):
        if alone[new_pieces[q, 1]]:
            continue
        begin = new_pieces[q, 0]
        count = (new_pieces[q + 1, 0] if q + 1 < len(new_pieces) else len(new_vertices)) - begin
        p, at = used[1], used[0]
        pieces, vertices = _room(pieces, p + 1), _room(vertices, at + count)
        vertices[at : at + count] = new_vertices[begin : begin + count]
        owner = mapping[new_pieces[q, 1]]
        pieces[p, _BEGIN], pieces[p, _COUNT], pieces[p, _NEXT], pieces[p, _OTHER] = at, count, -1, p
        pieces[p, _OWNER], pieces[p, _RING] = owner, -1
        if new_pieces[q, 2] < 0:
            _add_ring(pieces, regions, owner, p)
        used[0] += count
        used[1] += 1
        used[3] += count
    return vertices, pieces, regions, mapping


@jit
def _unite_over(pieces, regions, frontier, top, mapping):  # type: ignore[no-untyped-def]
    """Unite regions that face each other over the seam, with their counts and lists of rings."""
    for c in range(len(frontier)):
        if frontier[c] < 0 or (c > 0 and frontier[c] == frontier[c - 1] and top[c] == top[c - 1]):
            continue
        i, j = _root(regions, frontier[c]), _root(regions, mapping[top[c]])
        if i == j:
            continue
        i, j = min(i, j), max(i, j)
        regions[j, _PARENT] = i
        for k in range(_SUMS, _LAST):
            regions[i, k] += regions[j, k]
        regions[i, _LAST] = max(regions[i, _LAST], regions[j, _LAST])
        if regions[j, _HEAD] >= 0:
            _add_ring(pieces, regions, i, regions[j, _HEAD])
            regions[i, _TAIL] = regions[j, _TAIL]


@jit
def _link_over(pieces, regions, ends, used, new_pieces, alone):  # type: ignore[no-untyped-def]
    """Link chains that leave one strip with those that enter the other by the same key; return the next seam's ends."""
    keys = ends.shape[1]
    above = np.full((2, keys), -1, np.int64)  # of the new pieces: heads entered from above, tails leaving above
    below = np.full((2, keys), -1, np.int64)  # tails leaving below, heads entered from below
    p = used[1]
    for q in range(len(new_pieces) - 1, -1, -1):  # the pieces taken last stand last in the table
        if not alone[new_pieces[q, 1]]:
            p -= 1
            _note(above[0], below[1], new_pieces[q, 2], p)
            _note(above[1], below[0], new_pieces[q, 3], p)
    for key in range(keys):
        if ends[0, key] >= 0:
            _link(pieces, regions, ends[0, key], above[0, key])
        if ends[1, key] >= 0:
            _link(pieces, regions, above[1, key], ends[1, key])
    return below


@jit
def _note(above, below, key, piece):  # type: ignore[no-untyped-def]
    """Note a piece under its key at the seam above or below; whole rings have none."""
    if key >= len(above):
        below[key - len(above)] = piece
    elif key >= 0:
        above[key] = piece


@jit
def _link(pieces, regions, tail, head):  # type: ignore[no-untyped-def]
    """Put the chain that begins with ``head`` behind the one that ends with ``tail``; if they are one, close it."""
    if pieces[head, _OTHER] == tail:
        _add_ring(pieces, regions, _root(regions, pieces[head, _OWNER]), head)
        return
    pieces[tail, _NEXT] = head
    first, last = pieces[tail, _OTHER], pieces[head, _OTHER]
    pieces[first, _OTHER], pieces[last, _OTHER] = last, first


@jit
def _add_ring(pieces, regions, owner, ring):  # type: ignore[no-untyped-def]
    """Append a ring, named by its first piece, to its region's list."""
    if regions[owner, _HEAD] < 0:
        regions[owner, _HEAD] = ring
    else:
        pieces[regions[owner, _TAIL], _RING] = ring
    regions[owner, _TAIL] = ring


@jit
def _root(regions, i):  # type: ignore[no-untyped-def]
    while regions[i, _PARENT] != i:
        regions[i, _PARENT] = regions[regions[i, _PARENT], _PARENT]
        i = regions[i, _PARENT]
    return i


@jit
def _advance(regions, used, frontier, bottom, mapping):  # type: ignore[no-untyped-def]
    """Move the frontier to the strip's bottom; return the regions that no longer touch it."""
    open_ = np.zeros(used[2], np.bool_)
    for c in range(len(frontier)):
        frontier[c] = _root(regions, mapping[bottom[c]]) if bottom[c] >= 0 else -1
        if frontier[c] >= 0:
            open_[frontier[c]] = True
    done = [k for k in range(used[2]) if regions[k, _PARENT] == k and regions[k, _VALUE] >= 0 and not open_[k]]
    return np.array(done, np.int64) if len(done) else np.empty(0, np.int64)


@jit
def _collect(tables, used, done, new):  # type: ignore[no-untyped-def]
    """Walks, values and counts of the complete regions, by last pixel; those from the tables are marked as gone."""
    _, pieces, regions = tables
    new_vertices, new_pieces, new_values, new_counts, alone = new
    values, counts, rank, place = _complete(regions, done, new_values, new_counts, alone)
    chained, walks = _chain_sizes(pieces, regions, done)
    used[3] -= chained
    total = chained
    ends = np.append(new_pieces[1:, 0], len(new_vertices)) if len(new_pieces) else np.empty(0, np.int64)
    for q in range(len(new_pieces)):
        if alone[new_pieces[q, 1]]:
            walks += 1
            total += ends[q] - new_pieces[q, 0]
    out, offsets, owner = np.empty((total, 2), np.int32), np.zeros(walks + 1, np.int64), np.empty(walks, np.int64)
    at, walk = _unchain(tables, done, rank, (out, offsets, owner))
    for q in range(len(new_pieces)):
        if alone[new_pieces[q, 1]]:
            for k in range(new_pieces[q, 0], ends[q]):
                out[at, 0], out[at, 1] = new_vertices[k, 0], new_vertices[k, 1]
                at += 1
            owner[walk] = rank[place[new_pieces[q, 1]]]
            walk += 1
            offsets[walk] = at
    return out, offsets, owner, values, counts


@jit
def _complete(regions, done, new_values, new_counts, alone):  # type: ignore[no-untyped-def]
    """Values and counts by last pixel, the rank of each (first those of the tables), and the place of the new ones."""
    n = len(done)
    values, counts = np.empty(n + alone.sum(), np.int64), np.empty((n + alone.sum(), 4), np.int64)
    for i in range(n):
        values[i] = regions[done[i], _VALUE]
        counts[i] = regions[done[i], _SUMS : _LAST + 1]
    place = np.empty(len(alone), np.int64)
    for i in range(len(alone)):
        if alone[i]:
            values[n], counts[n], place[i] = new_values[i], new_counts[i], n
            n += 1
    order = np.argsort(counts[:, 3])
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    return values[order], counts[order], rank, place


@jit
def _chain_sizes(pieces, regions, done):  # type: ignore[no-untyped-def]
    """Vertices and rings of regions in the tables."""
    vertices, rings = 0, 0
    for k in done:
        ring = regions[k, _HEAD]
        while ring >= 0:
            rings += 1
            p = ring
            while p >= 0:
                vertices += pieces[p, _COUNT]
                p = pieces[p, _NEXT]
            ring = pieces[ring, _RING]
    return vertices, rings


@jit
def _unchain(tables, done, rank, walks):  # type: ignore[no-untyped-def]
    """Copy the rings of complete regions, piece by piece; return how many vertices and rings there are."""
    vertices, pieces, regions = tables
    out, offsets, owner = walks
    at, walk = 0, 0
    for i in range(len(done)):
        ring = regions[done[i], _HEAD]
        while ring >= 0:
            p = ring
            while p >= 0:
                begin, count = pieces[p, _BEGIN], pieces[p, _COUNT]
                out[at : at + count] = vertices[begin : begin + count]
                at += count
                p = pieces[p, _NEXT]
            owner[walk] = rank[i]
            walk += 1
            offsets[walk] = at
            ring = pieces[ring, _RING]
        regions[done[i], _VALUE] = -1
    return at, walk


@jit
def _tidy(tables, used, frontier, ends):  # type: ignore[no-untyped-def]
    """Drop what belongs to complete regions once it is more than half; renumber the rest."""
    vertices, pieces, regions = tables
    alive = 0
    for k in range(used[2]):
        alive += regions[k, _PARENT] == k and regions[k, _VALUE] >= 0
    if 2 * used[3] + 4096 > used[0] and 2 * alive + 4096 > used[2]:
        return vertices, pieces, regions
    new_region, new_piece, n, m = _renumber(pieces, regions, used)
    kept_vertices, kept_pieces = _keep_pieces(vertices, pieces, new_piece, (max(2 * used[3], 1024), max(2 * m, 1024)))
    kept_regions = np.empty((max(2 * n, 1024), 8), np.int64)
    for k in range(used[2]):
        i = new_region[k]
        if i >= 0:
            kept_regions[i] = regions[k]
            kept_regions[i, _PARENT] = i
            kept_regions[i, _HEAD], kept_regions[i, _TAIL] = new_piece[regions[k, _HEAD]], new_piece[regions[k, _TAIL]]
    for c in range(len(frontier)):
        frontier[c] = new_region[frontier[c]] if frontier[c] >= 0 else -1
    for side in range(2):
        for key in range(ends.shape[1]):
            ends[side, key] = new_piece[ends[side, key]]
    used[0], used[1], used[2] = used[3], m, n
    return kept_vertices, kept_pieces, kept_regions


@jit
def _renumber(pieces, regions, used):  # type: ignore[no-untyped-def]
    """New numbers of the regions that go on and of their pieces, else -1; pieces get their owner's new number."""
    new_region = np.full(used[2], -1, np.int64)
    n = 0
    for k in range(used[2]):
        if regions[k, _PARENT] == k and regions[k, _VALUE] >= 0:
            new_region[k] = n
            n += 1
    new_piece = np.full(used[1] + 1, -1, np.int64)  # the last entry answers for "none", -1
    m = 0
    for p in range(used[1]):
        pieces[p, _OWNER] = new_region[_root(regions, pieces[p, _OWNER])]
        if pieces[p, _OWNER] >= 0:
            new_piece[p] = m
            m += 1
    return new_region, new_piece, n, m


@jit
def _keep_pieces(vertices, pieces, new_piece, sizes):  # type: ignore[no-untyped-def]
    """Copy the pieces that have a new number, and their vertices."""
    kept_vertices, kept_pieces = np.empty((sizes[0], 2), np.int32), np.empty((sizes[1], 6), np.int64)
    at = 0
    for p in range(len(new_piece) - 1):
        q = new_piece[p]
        if q >= 0:
            begin, count = pieces[p, _BEGIN], pieces[p, _COUNT]
            kept_vertices[at : at + count] = vertices[begin : begin + count]
            kept_pieces[q, _BEGIN], kept_pieces[q, _COUNT], kept_pieces[q, _OWNER] = at, count, pieces[p, _OWNER]
            for k in (_NEXT, _OTHER, _RING):
                kept_pieces[q, k] = new_piece[pieces[p, k]]
            at += count
    return kept_vertices, kept_pieces


@jit
def _room(array, needed):  # type: ignore[no-untyped-def]
    """The array, or a longer copy when it has fewer rows than needed."""
    if needed <= len(array):
        return array
    larger = np.empty((max(2 * len(array), needed), array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger
