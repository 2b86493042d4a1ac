"""Seams: link what the strips' edges cut, and hand out each region once no strip can add to it; compiled.

Kept are only the regions that touch the last seam: their outlines so far, and their counts. Regions are joined by
union-find; open pieces by their keys (:mod:`geoseg.vector.trace`), each chain knowing its other end, so that a strip
costs what touches its seams, not what lies behind. With 8-connectivity a second union-find says which regions belong
together, and a region is kept until no strip can add to any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geoseg.raster.jit import jit
from geoseg.raster.sets import find
from geoseg.vector.cut import Cut, Walks, piece_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Vertices = NDArray[np.int32]

# Columns of the tables of pieces and of regions.
_BEGIN, _COUNT, _NEXT, _OTHER, _OWNER, _RING = range(6)
_PARENT, _VALUE, _SUMS, _LAST, _HEAD, _TAIL, _NEAR = 0, 1, 2, 5, 6, 7, 8


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
    eight: bool

    @classmethod
    def of(cls, cols: int, *, eight: bool = False) -> OpenRegions:
        """Before the first strip."""
        tables = np.empty((1024, 2), np.int32), np.empty((1024, 6), np.int64), np.empty((1024, 9), np.int64)
        ends = np.full((2, 2 * cols + 2), -1, np.int64)
        return cls(*tables, np.zeros(4, np.int64), np.full(cols, -1, np.int64), ends, eight)

    def add(self, cut: Cut) -> Walks:
        """Join the next strip below; return the regions of the tables that are complete now."""
        tables = self.vertices, self.pieces, self.regions
        tables = _take(tables, self.used, (cut.vertices, cut.pieces, cut.values, cut.counts, cut.near))
        _, pieces, regions = tables
        shift = self.used[2] - len(cut.values)
        _unite_over(pieces, regions, self.frontier, (cut.top, shift), self.eight)
        self.ends = _link_over(pieces, regions, self.ends, self.used, cut.pieces)
        done = _advance(regions, self.used, self.frontier, (cut.bottom, shift), self.eight)
        closed = Walks(*_collect(tables, self.used, done, self.eight))
        self.vertices, self.pieces, self.regions = _tidy(tables, self.used, (self.frontier, self.ends), self.eight)
        return closed


@jit
def _take(tables, used, new):  # type: ignore[no-untyped-def]
    """Add a strip's regions that touch a seam, and their pieces, to the tables, and return these."""
    vertices, pieces, regions = tables
    new_vertices, new_pieces, values, counts, near = new
    shift, first, behind = used[2], used[1], used[0]
    regions = _room(regions, shift + len(values))
    for i in range(len(values)):
        k = shift + i
        regions[k, _PARENT], regions[k, _VALUE], regions[k, _HEAD], regions[k, _TAIL] = k, values[i], -1, -1
        regions[k, _NEAR] = shift + near[i] if len(near) else k
        regions[k, _SUMS : _LAST + 1] = counts[i]
    pieces, vertices = _room(pieces, first + len(new_pieces)), _room(vertices, behind + len(new_vertices))
    vertices[behind : behind + len(new_vertices)] = new_vertices
    for q in range(len(new_pieces)):
        p, owner = first + q, shift + new_pieces[q, 1]
        pieces[p, _BEGIN] = behind + new_pieces[q, 0]
        pieces[p, _COUNT] = piece_end(new_pieces, q, len(new_vertices)) - new_pieces[q, 0]
        pieces[p, _NEXT], pieces[p, _OTHER], pieces[p, _OWNER], pieces[p, _RING] = -1, p, owner, -1
        if new_pieces[q, 2] < 0:
            _add_ring(pieces, regions, owner, p)
    used[0] += len(new_vertices)
    used[1] += len(new_pieces)
    used[2] += len(values)
    used[3] += len(new_vertices)
    return vertices, pieces, regions


@jit
def _unite_over(pieces, regions, frontier, other, eight):  # type: ignore[no-untyped-def]
    """Unite regions that face each other over the seam, with their counts and lists of rings."""
    top, shift = other
    last = len(frontier) - 1
    for c in range(last + 1):
        if frontier[c] < 0 or (not eight and c > 0 and frontier[c] == frontier[c - 1] and top[c] == top[c - 1]):
            continue
        value = regions[frontier[c], _VALUE]
        if top[c] >= 0 and regions[shift + top[c], _VALUE] == value:
            _unite(pieces, regions, _root(regions, frontier[c], _PARENT), _root(regions, shift + top[c], _PARENT))
        if eight:
            for d in range(max(c - 1, 0), min(c + 1, last) + 1):
                if top[d] >= 0 and regions[shift + top[d], _VALUE] == value:
                    _bring_near(regions, frontier[c], shift + top[d])


@jit
def _unite(pieces, regions, i, j):  # type: ignore[no-untyped-def]
    if i == j:
        return
    i, j = min(i, j), max(i, j)
    regions[j, _PARENT] = i
    for k in range(_SUMS, _LAST):
        regions[i, k] += regions[j, k]
    regions[i, _LAST] = max(regions[i, _LAST], regions[j, _LAST])
    if regions[j, _HEAD] >= 0:
        _add_ring(pieces, regions, i, regions[j, _HEAD])
        regions[i, _TAIL] = regions[j, _TAIL]


@jit
def _bring_near(regions, i, j):  # type: ignore[no-untyped-def]
    i, j = _root(regions, i, _NEAR), _root(regions, j, _NEAR)
    regions[max(i, j), _NEAR] = min(i, j)


@jit
def _link_over(pieces, regions, ends, used, new_pieces):  # type: ignore[no-untyped-def]
    """Link chains that leave one strip with those that enter the other by the same key; return the next seam's ends."""
    keys = ends.shape[1]
    above = np.full((2, keys), -1, np.int64)  # of the new pieces: heads entered from above, tails leaving above
    below = np.full((2, keys), -1, np.int64)  # tails leaving below, heads entered from below
    first = used[1] - len(new_pieces)
    for q in range(len(new_pieces)):
        _note(above[0], below[1], new_pieces[q, 2], first + q)
        _note(above[1], below[0], new_pieces[q, 3], first + q)
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
        _add_ring(pieces, regions, _root(regions, pieces[head, _OWNER], _PARENT), head)
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
def _root(regions, i, by):  # type: ignore[no-untyped-def]
    """The region that ``i`` belongs to, by the column that says whom each hangs on."""
    return find(regions[:, by], i)


@jit
def _advance(regions, used, frontier, other, eight):  # type: ignore[no-untyped-def]
    """Move the frontier to the strip's bottom; return the regions that no longer touch it."""
    bottom, shift = other
    open_ = np.zeros(used[2], np.bool_)
    for c in range(len(frontier)):
        frontier[c] = _root(regions, shift + bottom[c], _PARENT) if bottom[c] >= 0 else -1
        if frontier[c] >= 0:
            open_[_root(regions, frontier[c], _NEAR) if eight else frontier[c]] = True
    done, n = np.empty(used[2], np.int64), 0
    for k in range(used[2]):
        if regions[k, _PARENT] == k and regions[k, _VALUE] >= 0:
            if not open_[_root(regions, k, _NEAR) if eight else k]:
                done[n] = k
                n += 1
    return done[:n]


@jit
def _collect(tables, used, done, eight):  # type: ignore[no-untyped-def]
    """Walks, values, counts and company of the complete regions; they are marked as gone."""
    _, pieces, regions = tables
    values, counts = np.empty(len(done), np.int64), np.empty((len(done), 4), np.int64)
    near = np.empty(len(done) if eight else 0, np.int64)
    for i in range(len(done)):
        values[i] = regions[done[i], _VALUE]
        counts[i] = regions[done[i], _SUMS : _LAST + 1]
    for i in range(len(near)):
        near[i] = _root(regions, done[i], _NEAR)
    total, walks = _chain_sizes(pieces, regions, done)
    used[3] -= total
    out, offsets, owner = np.empty((total, 2), np.int32), np.zeros(walks + 1, np.int64), np.empty(walks, np.int64)
    _unchain(tables, done, (out, offsets, owner))
    return out, offsets, owner, values, counts, near


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
def _unchain(tables, done, walks):  # type: ignore[no-untyped-def]
    """Copy the rings of complete regions, piece by piece."""
    vertices, pieces, regions = tables
    out, offsets, owner = walks
    at, walk = 0, 0
    for i in range(len(done)):
        ring = regions[done[i], _HEAD]
        while ring >= 0:
            p = ring
            while p >= 0:
                begin = pieces[p, _BEGIN]
                for k in range(begin, begin + pieces[p, _COUNT]):  # most pieces are short: a slice takes longer
                    out[at, 0], out[at, 1] = vertices[k, 0], vertices[k, 1]
                    at += 1
                p = pieces[p, _NEXT]
            owner[walk] = i
            walk += 1
            offsets[walk] = at
            ring = pieces[ring, _RING]
        regions[done[i], _VALUE] = -1


@jit
def _tidy(tables, used, seam, eight):  # type: ignore[no-untyped-def]
    """Drop what belongs to complete regions once it is more than half; renumber the rest."""
    vertices, pieces, regions = tables
    frontier, ends = seam
    alive = 0
    for k in range(used[2]):
        alive += regions[k, _PARENT] == k and regions[k, _VALUE] >= 0
    if 2 * used[3] + 4096 > used[0] and 2 * alive + 4096 > used[2]:
        return vertices, pieces, regions
    new_region, new_piece, n, m = _renumber(pieces, regions, used)
    kept_vertices, kept_pieces = _keep_pieces(vertices, pieces, new_piece, (max(2 * used[3], 1024), max(2 * m, 1024)))
    kept_regions = _keep_regions(regions, new_region, new_piece, (n, eight))
    for c in range(len(frontier)):
        frontier[c] = new_region[frontier[c]] if frontier[c] >= 0 else -1
    for side in range(2):
        for key in range(ends.shape[1]):
            ends[side, key] = new_piece[ends[side, key]]
    used[0], used[1], used[2] = used[3], m, n
    return kept_vertices, kept_pieces, kept_regions


@jit
def _keep_regions(regions, new_region, new_piece, options):  # type: ignore[no-untyped-def]
    """Copy the regions that have a new number; those that belong together are named by the first of them."""
    n, eight = options
    kept = np.empty((max(2 * n, 1024), regions.shape[1]), np.int64)
    first = np.full(len(new_region) * eight, -1, np.int64)
    for k in range(len(new_region)):
        i = new_region[k]
        if i >= 0:
            kept[i] = regions[k]
            kept[i, _PARENT], kept[i, _NEAR] = i, i
            kept[i, _HEAD], kept[i, _TAIL] = new_piece[regions[k, _HEAD]], new_piece[regions[k, _TAIL]]
            if eight:
                company = _root(regions, k, _NEAR)
                if first[company] < 0:
                    first[company] = i
                kept[i, _NEAR] = first[company]
    return kept


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
        pieces[p, _OWNER] = new_region[_root(regions, pieces[p, _OWNER], _PARENT)]
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
