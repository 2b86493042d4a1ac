"""Trace: walk the outlines of a strip's regions; what a strip's edge cuts stays open and can be linked; compiled.

A walk follows unit edges between pixels with its own class on the right, and keeps corners only. Where it turns
depends on the four pixels about a vertex alone, never on labels, so strips can be traced apart and in any order: the
pixel ahead on the right has another class, turn right; both pixels ahead have the walk's class, turn left; else
straight on. At a saddle (equal classes across, others beside them) the walk so stays with its own pixel, and a region
that meets itself there gets one ring through the vertex twice. Such vertices are flagged, and the finished ring is
split there (:mod:`geoseg.vector.rings`): only then is it known that both pixels are one region.

An edge belongs to the strip that has its pixel. A walk enters a strip over a seam at the vertex ``x`` going along the
columns (``2 x``) or along the seam (``2 x + 1``), and leaves it likewise: these keys link the pieces.
"""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit
from geoseg.vector.label import SEEN

CLOSED = -1
"""Key of a piece that is a whole ring."""


@jit
def trace_strip(padded, nodata, labels, region, row, seams):  # type: ignore[no-untyped-def]
    """Outlines of a strip.

    Parameters
    ----------
    padded, nodata, labels, region
        As given to and by :func:`label_strip`; pixels beyond the raster are nodata in ``padded``.
    row
        Row of the mask where the strip begins.
    seams
        ``(above, below)``: whether another strip goes on there.

    Returns
    -------
    vertices
        int32 ``(v, 2)``: ``2 * column + flag`` and row, in the mask; the flag marks saddles.
    pieces
        int64 ``(p, 4)``: where the piece's vertices begin, its region, the key it enters by and the key it leaves by:
        ``key`` at the seam above, ``key + 2 * (cols + 1)`` at the one below, ``CLOSED`` for rings.
    """
    height, width = labels.shape
    keys = 2 * (width + 1)
    vertices = np.empty((max(labels.size // 16, 1024), 2), np.int32)
    pieces = np.empty((1024, 4), np.int64)
    n, p = 0, 0
    for side in range(2):
        if seams[side]:
            for key in range(keys):
                x, along = key // 2, key % 2
                direction = _entry(padded, nodata, x, along, side, height)
                if direction >= 0:
                    y = side * height
                    pieces = _room(pieces, p)
                    pieces[p, 0] = n
                    vertices, n, end, label = _walk(padded, labels, vertices, n, (x, y, direction, row), seams)
                    pieces[p, 1], pieces[p, 2], pieces[p, 3] = region[label], key + side * keys, end
                    p += 1
    for r in range(height):
        for c in range(width):
            label = labels[r, c]
            if label >= 0 and label < SEEN and padded[r, c + 1] != padded[r + 1, c + 1]:
                pieces = _room(pieces, p)
                pieces[p, 0] = n
                vertices, n, end, label = _walk(padded, labels, vertices, n, (c, r, 0, row), seams)
                pieces[p, 1], pieces[p, 2], pieces[p, 3] = region[label], CLOSED, CLOSED
                p += 1
    return vertices[:n].copy(), pieces[:p].copy()


@jit
def _entry(padded, nodata, x, along, side, height):  # type: ignore[no-untyped-def]
    """Direction (0 east, 1 south, 2 west, 3 north) of a walk that enters at a seam's vertex, or -1."""
    y = side * height
    nw, ne, sw, se = padded[y, x], padded[y, x + 1], padded[y + 1, x], padded[y + 1, x + 1]
    if side == 0:
        if along == 0:
            return 1 if sw != nodata and sw == nw and sw != se else -1
        return 0 if se != nodata and se == nw and se == sw and se != ne else -1
    if along == 0:
        return 3 if ne != nodata and ne == se and ne != nw else -1
    return 2 if nw != nodata and nw == se and nw == ne and nw != sw else -1


@jit
def _walk(padded, labels, vertices, n, start, seams):  # type: ignore[no-untyped-def]
    """Walk from ``start`` (x, y, direction, first row) until the ring closes or leaves over a seam.

    Top edges on the way are marked as seen. Returns the vertices, their number, the key by which it leaves, and a
    label of the region.
    """
    x, y, d, row = start
    height, width = labels.shape
    wide = padded.shape[1]
    flat, seen = padded.ravel(), labels.ravel()
    at = y * wide + x  # flat index in the padding of the pixel north-west of the vertex
    own = at + (d == 0 or d == 1) * wide + (d == 0 or d == 3)
    value = flat[own]
    own_row, own_col = own // wide - 1, own % wide - 1
    label = labels[own_row, own_col] & ~SEEN
    x0, y0, d0 = x, y, d
    while True:
        # one edge: mark it, step
        if d == 0:
            seen[y * width + x] |= SEEN
            x += 1
            at += 1
            right, left = flat[at + wide + 1], flat[at + 1]
        elif d == 1:
            y += 1
            at += wide
            right, left = flat[at + wide], flat[at + wide + 1]
        elif d == 2:
            x -= 1
            at -= 1
            right, left = flat[at], flat[at + wide]
        else:
            y -= 1
            at -= wide
            right, left = flat[at + 1], flat[at]
        if right != value or left == value:
            vertices = _room(vertices, n)
            vertices[n, 0] = 2 * x + (right != value and left == value)
            vertices[n, 1] = y + row
            n += 1
            d = (d + 1) & 3 if right != value else (d + 3) & 3
        if d <= 1:  # the next edge's pixel is the one south of the vertex
            if y == height and seams[1]:
                return vertices, n, 2 * (width + 1) + 2 * x + (d == 0), label
        elif y == 0 and seams[0]:
            return vertices, n, 2 * x + (d == 2), label
        if x == x0 and y == y0 and d == d0:
            return vertices, n, np.int64(CLOSED), label


@jit
def _room(array, needed):  # type: ignore[no-untyped-def]
    """The array, or a copy twice as long when it is full."""
    if needed < len(array):
        return array
    larger = np.empty((2 * len(array), array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger
