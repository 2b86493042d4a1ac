"""Merge: small regions of a graph join their neighbours, one by one in a fixed order, until none is left that can."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from geoseg.mask.labels import find
from geoseg.mask.regions import RegionGraph
from geoseg.raster.jit import jit

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def merge_small(graph: RegionGraph, min_pixels: int) -> Bytes:
    """The class value of every piece of ``graph`` when no region below ``min_pixels`` is left that has a neighbour."""
    borders, parent, value = graph.borders, graph.root.copy(), graph.value.copy()
    head = np.full(len(parent), -1, np.int64)
    tail = np.full(len(parent), -1, np.int64)
    after = np.arange(1, len(borders.start) + 1)
    last = np.flatnonzero(np.diff(borders.start, append=-1))
    small = borders.start[last]
    after[last] = -1
    head[small], tail[small] = np.r_[0, last[:-1] + 1][: len(last)], last
    lists = (head, tail, after, borders.end, borders.length)
    _merge(parent, value, graph.size.copy(), graph.first.copy(), lists, small, min_pixels)
    return value[parent]


@jit
def _merge(  # type: ignore[no-untyped-def]
    parent: Ints, value: Bytes, size: Ints, first: Ints, lists, small: Ints, min_pixels: int
) -> None:
    """Work off the heap of small regions; entries that a merge made stale are skipped."""
    head, tail, after, end, length = lists
    heap = [(size[i], first[i], i) for i in small]
    heapq.heapify(heap)
    while len(heap) > 0:
        pixels, _, region = heapq.heappop(heap)
        if parent[region] != region or size[region] != pixels:
            continue
        near, shared = _neighbours(parent, region, head, after, end, length)
        best = _best(near, shared, size, first)
        if best < 0:
            continue
        value[region] = value[best]
        kept = region
        for i in range(len(near)):
            if value[near[i]] == value[region]:
                kept = _join(parent, size, first, kept, near[i])
                _append(head, tail, after, kept, region if kept == near[i] else near[i])
                region = kept
        if size[kept] < min_pixels:
            heapq.heappush(heap, (size[kept], first[kept], kept))
    for i in range(len(parent)):
        parent[i] = find(parent, i)


@jit
def _neighbours(parent: Ints, region: int, head: Ints, after: Ints, end: Ints, length: Ints) -> tuple[Ints, Ints]:
    """Regions that touch ``region`` and the length of each common border, in the order of their numbers."""
    count = 0
    at = head[region]
    while at >= 0:
        count += 1
        at = after[at]
    near = np.empty(count, np.int64)
    n = 0
    at = head[region]
    while at >= 0:
        near[n] = find(parent, end[at])
        n += 1
        at = after[at]
    order = np.argsort(near, kind="mergesort")
    lengths = np.empty(count, np.int64)
    n = 0
    at = head[region]
    while at >= 0:
        lengths[n] = length[at]
        n += 1
        at = after[at]
    found = np.empty(count, np.int64)
    shared = np.zeros(count, np.int64)
    n = 0
    for i in order:
        if near[i] == region:
            continue
        if n == 0 or found[n - 1] != near[i]:
            found[n] = near[i]
            n += 1
        shared[n - 1] += lengths[i]
    return found[:n], shared[:n]


@jit
def _best(near: Ints, shared: Ints, size: Ints, first: Ints) -> int:
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
def _join(parent: Ints, size: Ints, first: Ints, one: int, other: int) -> int:
    """Unite two roots; the larger stays."""
    if size[one] < size[other]:
        one, other = other, one
    parent[other] = one
    size[one] += size[other]
    first[one] = min(first[one], first[other])
    return one


@jit
def _append(head: Ints, tail: Ints, after: Ints, kept: int, gone: int) -> None:
    """Hang the borders of ``gone`` behind those of ``kept``."""
    if head[gone] < 0:
        return
    if head[kept] < 0:
        head[kept] = head[gone]
    else:
        after[tail[kept]] = head[gone]
    tail[kept] = tail[gone]
