"""Merge: small regions of a graph join their neighbours, one by one in a fixed order, until none is left that can."""

from __future__ import annotations

import heapq

import numpy as np

from geoseg.mask.labels import Ints, Longs, Values
from geoseg.mask.regions import Graph, Minimum
from geoseg.raster.jit import jit
from geoseg.raster.sets import find


def merge_small(graph: Graph, minimum: Minimum) -> tuple[Values, int]:
    """The class of every piece when no small region is left that has a neighbour; and how many regions changed theirs."""
    size = graph.area.copy() if minimum.by_area else graph.pixels.astype(np.int64)
    parent = np.arange(len(size), dtype=np.int32)
    head, tail = np.full((2, len(size)), -1, np.int32)
    after = np.full(len(graph.borders.end), -1, np.int32)
    _link(graph.borders.start, head, tail, after)
    lists = (head, tail, after, graph.borders.end, graph.borders.length)
    state = (parent, size, graph.first.copy())
    _unite(graph.same, state, lists)
    before = parent == np.arange(len(size))
    value = graph.value.copy()
    _merge(value, minimum.least, state, lists)
    after_all = _of_roots(value, parent)
    return after_all, int(np.count_nonzero(before & (after_all != graph.value)))


@jit
def _link(start: Ints, head: Ints, tail: Ints, after: Ints) -> None:
    """String the borders of each piece on a list."""
    for i in range(len(start)):
        piece = start[i]
        if head[piece] < 0:
            head[piece] = i
        else:
            after[tail[piece]] = i
        tail[piece] = i


@jit
def _unite(same: Ints, state, lists) -> None:  # type: ignore[no-untyped-def]
    """Make one region of the pieces that seams cut."""
    parent = state[0]
    for n in range(len(same)):
        one, other = find(parent, same[n, 0]), find(parent, same[n, 1])
        if one != other:
            _join(state, lists, one, other)
    for i in range(len(parent)):
        parent[i] = find(parent, i)


@jit
def _merge(value: Values, least: Longs, state, lists) -> None:  # type: ignore[no-untyped-def]
    """Work off the heap of small regions; entries that a merge made stale are skipped."""
    parent, size, first = state
    head = lists[0]
    heap = [(size[i], first[i], i) for i in range(len(parent)) if head[i] >= 0 and parent[i] == i]
    heap = [entry for entry in heap if entry[0] < least[value[entry[2]]]]
    heapq.heapify(heap)
    slot = np.full(len(parent), -1, np.int32)
    while len(heap) > 0:
        weight, _, region = heapq.heappop(heap)
        if parent[region] != region or size[region] != weight:
            continue
        near, shared = _neighbours(region, slot, parent, lists)
        best = _best(near, shared, size, first)
        if best < 0:
            continue
        taken = value[best]
        for other in near:
            if value[other] == taken:
                region = _join(state, lists, region, other)
        value[region] = taken
        if size[region] < least[taken]:
            heapq.heappush(heap, (size[region], first[region], region))


@jit
def _neighbours(region: int, slot: Ints, parent: Ints, lists) -> tuple[Longs, Longs]:  # type: ignore[no-untyped-def]
    """Regions that touch ``region``, and the length of each common border; ``slot`` is -1 everywhere, then and now."""
    head, _, after, end, length = lists
    count = 0
    at = head[region]
    while at >= 0:
        count += 1
        at = after[at]
    near = np.empty(count, np.int64)
    shared = np.zeros(count, np.int64)
    n = 0
    at = head[region]
    while at >= 0:
        other = find(parent, end[at])
        if other != region:
            if slot[other] < 0:
                slot[other] = n
                near[n] = other
                n += 1
            shared[slot[other]] += length[at]
        at = after[at]
    for i in range(n):
        slot[near[i]] = -1
    return near[:n], shared[:n]


@jit
def _best(near: Longs, shared: Longs, size: Longs, first: Longs) -> int:
    """The neighbour with the longest border; of equals the largest, then the one that starts first; -1 for none."""
    best = -1
    most = 0
    for i in range(len(near)):
        j = near[i]
        longer = shared[i] > most
        if not longer and best >= 0 and shared[i] == most:
            longer = size[j] > size[best] or (size[j] == size[best] and first[j] < first[best])
        if longer:
            best = j
            most = shared[i]
    return best


@jit
def _join(state, lists, one: int, other: int) -> int:  # type: ignore[no-untyped-def]
    """Unite two roots; the larger stays, with the borders of both."""
    parent, size, first = state
    head, tail, after, _, _ = lists
    if size[one] < size[other]:
        one, other = other, one
    parent[other] = one
    size[one] += size[other]
    first[one] = min(first[one], first[other])
    if head[other] >= 0:
        if head[one] < 0:
            head[one] = head[other]
        else:
            after[tail[one]] = head[other]
        tail[one] = tail[other]
    return one


@jit
def _of_roots(value: Values, parent: Ints) -> Values:
    out = np.empty_like(value)
    for i in range(len(parent)):
        out[i] = value[find(parent, i)]
    return out
