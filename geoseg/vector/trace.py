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
from geoseg.vector.label import marked, region_at

CLOSED = -1
"""Key of a piece that is a whole ring."""


@jit
def trace_strip(padded, nodata, runs, row, seams):  # type: ignore[no-untyped-def]
    """Outlines of a strip.

    Parameters
    ----------
    padded, nodata, runs
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
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    keys = 2 * (width + 1)
    vertices = np.empty((max(height * width // 16, 1024), 2), np.int32)
    pieces = np.empty((1024, 4), np.int64)
    walked = np.zeros(height * width, np.uint8)
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
                    own = region_at(runs, y - side, x - (direction == 1 or direction == 2))
                    vertices, n, end = _walk(padded, walked, vertices, n, (x, y, direction, row), seams)
                    pieces[p, 1], pieces[p, 2], pieces[p, 3] = own, key + side * keys, end
                    p += 1
    marks, at = np.empty(width, np.uint8), np.empty(width + 8, np.int32)
    for r in range(height):
        _mark_corners(padded, nodata, r, marks)
        at, found = marked(marks, 0, at, 0)
        for i in range(found):
            c = at[i]
            if not walked[r * width + c]:
                pieces = _room(pieces, p)
                pieces[p, 0] = n
                vertices, n, end = _walk(padded, walked, vertices, n, (c, r, 0, row), seams)
                pieces[p, 1], pieces[p, 2], pieces[p, 3] = region_at(runs, r, c), CLOSED, CLOSED
                p += 1
    return vertices[:n].copy(), pieces[:p].copy()


@jit
def _mark_corners(padded, nodata, r, marks):  # type: ignore[no-untyped-def]
    """Mark the pixels of a row whose top edge begins an outline's way east: each ring has one."""
    own, west, north, corner = padded[r + 1, 1:-1], padded[r + 1, :-2], padded[r, 1:-1], padded[r, :-2]
    for c in range(len(marks)):
        begins = (own[c] != west[c]) | (own[c] == corner[c])
        marks[c] = (own[c] != nodata) & (own[c] != north[c]) & begins


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
def _walk(padded, walked, vertices, n, start, seams):  # type: ignore[no-untyped-def]  # noqa: C901 - the inner loop
    """Walk from a corner ``start`` (x, y, direction, first row) until the ring closes or leaves over a seam.

    Where the way turns east the pixel is marked as walked. Returns the vertices, their number, and the key by which it
    leaves.
    """
    x, y, d, row = start
    height, wide = padded.shape[0] - 2, padded.shape[1]
    width = wide - 2
    flat = padded.ravel()
    at = y * wide + x  # flat index in the padding of the pixel north-west of the vertex
    value = flat[at + (d == 0 or d == 1) * wide + (d == 0 or d == 3)]
    x0, y0, d0 = x, y, d
    if d == 0:
        walked[y * width + x] = 1
    while True:
        # straight on to the next corner, or to a seam
        if d == 0:
            x, at = x + 1, at + 1
            while flat[at + wide + 1] == value and flat[at + 1] != value:
                x, at = x + 1, at + 1
            right, left = flat[at + wide + 1], flat[at + 1]
        elif d == 1:
            y, at = y + 1, at + wide
            while y < height and flat[at + wide] == value and flat[at + wide + 1] != value:
                y, at = y + 1, at + wide
            right, left = flat[at + wide], flat[at + wide + 1]
        elif d == 2:
            x, at = x - 1, at - 1
            while flat[at] == value and flat[at + wide] != value:
                x, at = x - 1, at - 1
            right, left = flat[at], flat[at + wide]
        else:
            y, at = y - 1, at - wide
            while y > 0 and flat[at + 1] == value and flat[at] != value:
                y, at = y - 1, at - wide
            right, left = flat[at + 1], flat[at]
        if right != value or left == value:
            if n == len(vertices):
                vertices = _room(vertices, n)
            vertices[n, 0] = 2 * x + (right != value and left == value)
            vertices[n, 1] = y + row
            n += 1
            d = (d + 1) & 3 if right != value else (d + 3) & 3
        if d <= 1:  # the next edge's pixel is the one south of the vertex
            if y == height and seams[1]:
                return vertices, n, 2 * (width + 1) + 2 * x + (d == 0)
            if d == 0:
                walked[y * width + x] = 1
        elif y == 0 and seams[0]:
            return vertices, n, 2 * x + (d == 2)
        if x == x0 and y == y0 and d == d0:
            return vertices, n, np.int64(CLOSED)


@jit
def _room(array, needed):  # type: ignore[no-untyped-def]
    """The array, or a copy twice as long when it is full."""
    if needed < len(array):
        return array
    larger = np.empty((2 * len(array), array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger
