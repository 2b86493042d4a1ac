"""Closed: complete regions as rings, with what was counted on them, in the order of their last pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.raster.jit import jit
from geoseg.vector.rings import finish_rings, ring_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geoseg.vector.cut import Walks

    Ints = NDArray[np.int64]
    Metric = tuple[NDArray[np.float64], float, float]


class Closed(NamedTuple):
    """``n`` complete regions by their last pixel.

    ``values`` and ``counts`` as :func:`label_strip` gives them, ``lengths`` of all rings in metres; ``coords``,
    ``rings``, ``polygons`` and ``parts`` as in :class:`Regions`.
    """

    values: Ints
    counts: Ints
    lengths: NDArray[np.float64]
    coords: NDArray[np.int32]
    rings: Ints
    polygons: Ints
    parts: Ints | None


def close(walks: Walks, metric: Metric, *, eight: bool) -> Closed:
    """Make polygons of complete regions; with ``eight``, those that belong together are the parts of one."""
    last = walks.counts[:, 3]
    if eight:
        _, company = np.unique(walks.near, return_inverse=True)
        whole = np.zeros(len(walks.values), np.int64)
        np.maximum.at(whole, company, last)
        order = np.lexsort((last, whole[company]))
    else:
        order = np.argsort(last)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    coords, rings, polygons = finish_rings(walks.vertices, walks.offsets, rank[walks.region], len(order))
    values, counts = walks.values[order], walks.counts[order]
    lengths = _sums(ring_lengths(coords, rings, *metric), polygons)
    if not eight:
        return Closed(values, counts, lengths, coords, rings, polygons, None)
    parts = np.append(np.flatnonzero(np.diff(company[order], prepend=-1)), len(order))
    sums = np.column_stack([_sums(counts[:, :3], parts), counts[parts[1:] - 1, 3]])
    return Closed(values[parts[:-1]], sums, _sums(lengths, parts), coords, rings, polygons, parts)


def merge(first: Closed, second: Closed) -> Closed:
    """Both in one, in order; in 8-connectivity both have parts."""
    if not len(second.values):
        return first
    if not len(first.values):
        return second
    last = np.concatenate([first.counts[:, 3], second.counts[:, 3]])
    order = np.argsort(last, kind="stable")
    ones = [_spans(item) for item in (first, second)]
    source = (order >= len(first.values)).astype(np.int64)
    item = order - source * len(first.values)
    coords, rings, polygons, parts = _gather(source, item, *ones)
    return Closed(
        np.concatenate([first.values, second.values])[order],
        np.concatenate([first.counts, second.counts])[order],
        np.concatenate([first.lengths, second.lengths])[order],
        coords, rings, polygons, None if first.parts is None else parts,
    )  # fmt: skip


def _sums(numbers: NDArray, offsets: Ints) -> NDArray:  # type: ignore[type-arg]
    """Sums between offsets."""
    return np.add.reduceat(numbers, offsets[:-1]) if len(offsets) > 1 else numbers[:0]


def _spans(item: Closed) -> tuple[NDArray[np.int32], Ints, Ints, Ints]:
    parts = item.parts if item.parts is not None else np.arange(len(item.values) + 1)
    return item.coords, item.rings, item.polygons, parts


@jit
def _gather(source, item, first, second):  # type: ignore[no-untyped-def]
    """The regions ``item[i]`` of ``first`` or ``second``, one after another."""
    size = len(first[0]) + len(second[0])
    coords, rings = np.empty((size, 2), np.int32), np.zeros(len(first[1]) + len(second[1]) - 1, np.int64)
    polygons, parts = np.zeros(len(first[2]) + len(second[2]) - 1, np.int64), np.zeros(len(item) + 1, np.int64)
    at, ring, polygon = 0, 0, 0
    for i in range(len(item)):
        xy, its_rings, its_polygons, its_parts = first if source[i] == 0 else second
        for p in range(its_parts[item[i]], its_parts[item[i] + 1]):
            for r in range(its_polygons[p], its_polygons[p + 1]):
                for k in range(its_rings[r], its_rings[r + 1]):
                    coords[at, 0], coords[at, 1] = xy[k, 0], xy[k, 1]
                    at += 1
                ring += 1
                rings[ring] = at
            polygon += 1
            polygons[polygon] = ring
        parts[i + 1] = polygon
    return coords, rings, polygons, parts
