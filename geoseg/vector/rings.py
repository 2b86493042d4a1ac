"""Rings: closed walks become the rings of polygons, in one order whatever strips they were traced in; compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Vertices = NDArray[np.int32]


def finish_rings(vertices: Vertices, offsets: Ints, region: Ints, regions: int) -> tuple[Vertices, Ints, Ints]:
    """Rings and polygons of closed walks.

    Parameters
    ----------
    vertices, offsets, region
        Corners as :func:`trace_strip` gives them, where each walk begins, and its region (0 .. ``regions`` - 1).

    Returns
    -------
    coords, rings, polygons
        As in :class:`Regions`. Each ring begins at its first corner in row-major order and goes counter-clockwise
        where rows run south (holes clockwise); rings are in order of that corner, so the shell comes first.
    """
    parts, offsets, region, first = _split(vertices, offsets, region)
    order = np.lexsort((parts[first, 0], parts[first, 1], region))
    coords, rings = _gather(parts, offsets, first, order)
    polygons = np.zeros(regions + 1, np.int64)
    np.cumsum(np.bincount(region, minlength=regions), out=polygons[1:])
    return coords, rings, polygons


@jit
def ring_lengths(coords, rings, nodes, row_step, col_step):  # type: ignore[no-untyped-def]
    """Length of each ring in metres: Simpson's rule along each edge over the metric of :attr:`Lattice.metric`.

    Long edges are measured in pieces of at most 64 pixels, about the distance of the metric's nodes.
    """
    out = np.zeros(len(rings) - 1)
    for ring in range(len(out)):
        total = 0.0
        for k in range(rings[ring], rings[ring + 1] - 1):
            x0, y0 = float(coords[k, 0]), float(coords[k, 1])
            dx, dy = float(coords[k + 1, 0]) - x0, float(coords[k + 1, 1]) - y0
            length, pieces = abs(dx) + abs(dy), 1
            if length >= 64:
                pieces = int(length / 64) + 1
                dx, dy = dx / pieces, dy / pieces
            first, last = (0, 2) if length > 16 else (1, 1)  # short edges: the metric in their middle will do
            for piece in range(pieces):
                x, y = x0 + piece * dx, y0 + piece * dy
                middle, ends = 0.0, 0.0
                for half in range(first, last + 1):
                    row, col = (y + half * dy / 2) / row_step, (x + half * dx / 2) / col_step
                    i, j = min(max(int(row), 0), nodes.shape[0] - 2), min(max(int(col), 0), nodes.shape[1] - 2)
                    u, v = row - i, col - j
                    square = 0.0
                    for m, factor in ((0, dx * dx), (1, 2 * dx * dy), (2, dy * dy)):
                        if factor != 0:  # bilinear between the nodes; here, for a call takes longer than all this
                            upper = nodes[i, j, m] * (1 - v) + nodes[i, j + 1, m] * v
                            lower = nodes[i + 1, j, m] * (1 - v) + nodes[i + 1, j + 1, m] * v
                            square += factor * (upper * (1 - u) + lower * u)
                    speed = np.sqrt(max(square, 0.0))
                    if half == 1:
                        middle = speed
                    else:
                        ends += speed
                total += (ends + 4 * middle) / 6 if first == 0 else middle
        out[ring] = total
    return out


@jit
def _split(vertices, offsets, region):  # type: ignore[no-untyped-def]
    """Take off the flags, split walks at vertices that they pass twice, find each ring's first corner by rows."""
    flagged = 0
    for k in range(len(vertices)):
        flagged += vertices[k, 0] & 1
    size = len(region) + flagged // 2
    out = np.empty((len(vertices), 2), np.int32)
    starts = np.zeros(size + 1, np.int64)
    owner = np.empty(size, np.int64)
    n, rings = 0, 0
    for i in range(len(region)):
        begin, end = offsets[i], offsets[i + 1]
        flagged = 0
        for k in range(begin, end):
            flagged += vertices[k, 0] & 1
        if flagged < 2:
            for k in range(begin, end):
                out[n, 0], out[n, 1] = vertices[k, 0] >> 1, vertices[k, 1]
                n += 1
            owner[rings] = region[i]
            rings += 1
            starts[rings] = n
        else:
            before = rings
            n, rings = _split_one(vertices[begin:end], out, n, starts, rings)
            owner[before:rings] = region[i]
    first = np.empty(rings, np.int64)
    for i in range(rings):
        best = starts[i]
        for k in range(starts[i] + 1, starts[i + 1]):
            if out[k, 1] < out[best, 1] or (out[k, 1] == out[best, 1] and out[k, 0] < out[best, 0]):
                best = k
        first[i] = best
    return out, starts[: rings + 1].copy(), owner[:rings].copy(), first


@jit
def _split_one(walk, out, n, starts, rings):  # type: ignore[no-untyped-def]
    """Split one walk at vertices passed twice: loops between the passes nest, so a stack finds them."""
    partner = _partners(walk)
    stack = np.empty(len(walk), np.int64)
    top = 0
    for i in range(len(walk)):
        if partner[i] >= 0:
            low = top
            while stack[low - 1] != partner[i]:
                low -= 1
            low -= 1
            for k in range(low, top):
                out[n, 0], out[n, 1] = walk[stack[k], 0] >> 1, walk[stack[k], 1]
                n += 1
            rings += 1
            starts[rings] = n
            top = low
        stack[top] = i
        top += 1
    for k in range(top):
        out[n, 0], out[n, 1] = walk[stack[k], 0] >> 1, walk[stack[k], 1]
        n += 1
    rings += 1
    starts[rings] = n
    return n, rings


@jit
def _partners(walk):  # type: ignore[no-untyped-def]
    """For the second pass of a vertex the index of the first, else -1; at most two passes, and both are flagged."""
    partner = np.full(len(walk), -1, np.int64)
    at = np.flatnonzero(walk[:, 0] & 1)
    keys = np.empty(len(at), np.int64)
    for k in range(len(at)):
        keys[k] = (np.int64(walk[at[k], 1]) << 32) | np.int64(walk[at[k], 0])
    order = np.argsort(keys)
    for k in range(1, len(order)):
        i, j = order[k - 1], order[k]
        if keys[i] == keys[j]:
            partner[max(at[i], at[j])] = min(at[i], at[j])
    return partner


@jit
def _gather(parts, offsets, first, order):  # type: ignore[no-untyped-def]
    """Rings in ``order``, each from its first corner, backwards, closed."""
    rings = np.zeros(len(order) + 1, np.int64)
    for i in range(len(order)):
        rings[i + 1] = rings[i] + offsets[order[i] + 1] - offsets[order[i]] + 1
    coords = np.empty((rings[-1], 2), np.int32)
    for i in range(len(order)):
        begin, end = offsets[order[i]], offsets[order[i] + 1]
        k = first[order[i]]
        for n in range(rings[i], rings[i + 1]):
            coords[n] = parts[k]
            k = k - 1 if k > begin else end - 1
    return coords, rings
