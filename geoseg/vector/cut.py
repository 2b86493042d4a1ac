"""Cut: what the edges of a strip cut, told from what is complete in it; compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Vertices = NDArray[np.int32]


class Cut(NamedTuple):
    """What a strip's edges may cut: regions that touch a seam, and the pieces of their outlines.

    As :func:`trace_strip` and :func:`label_strip` give them. ``top`` and ``bottom`` hold, for each column, the region
    that goes on over the seam, or -1.
    """

    vertices: Vertices
    pieces: Ints
    values: NDArray[np.int32]
    counts: Ints
    near: NDArray[np.int32]
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]


class Walks(NamedTuple):
    """Closed regions: their walks (vertices, offsets, index of the region), class values and counts, in any order.

    ``near`` is the same number for regions that belong together (8-connectivity), else empty.
    """

    vertices: Vertices
    offsets: Ints
    region: Ints
    values: Ints
    counts: Ints
    near: Ints


@jit
def seam_regions(padded, nodata, runs, below, eight):  # type: ignore[no-untyped-def]
    """For each column of a strip's first row, or of its last (``below``), the region that goes on over the seam, or -1."""
    r = padded.shape[0] - 3 if below else 0
    values, beyond = padded[r + 1], padded[r + 2 if below else r]
    starts, first, region = runs
    out = np.full(padded.shape[1] - 2, -1, np.int32)
    i = first[r]
    for c in range(len(out)):
        if i + 1 < first[r + 1] and starts[i + 1] == c:
            i += 1
        value = values[c + 1]
        near = eight and (beyond[c] == value or beyond[c + 2] == value)
        if value != nodata and (beyond[c + 1] == value or near):
            out[c] = region[i]
    return out


@jit
def split_cut(trace, values, counts, near, seams):  # type: ignore[no-untyped-def]
    """Tell the regions that a seam may cut (and what belongs with them) from those that are complete.

    Returns the fields of :class:`Cut` without the seams, which are renumbered in place, and those of :class:`Walks`.
    """
    cut = _touching(len(values), near, seams)
    new = _numbers(cut)
    for seam in seams:
        for c in range(len(seam)):
            if seam[c] >= 0:
                seam[c] = new[seam[c]]
    vertices, pieces, offsets = _pieces_of(trace, cut, new)
    left, rings, ends = _pieces_of(trace, ~cut, new)
    new_near = new[near] if len(near) else near
    of_cut, of_rest = (new_near[cut], new_near[~cut]) if len(near) else (near, near)
    pieces[:, 0] = offsets[:-1]
    walks = left, ends, rings[:, 1].copy(), values[~cut].astype(np.int64), counts[~cut], of_rest.astype(np.int64)
    return (vertices, pieces, values[cut], counts[cut], of_cut), walks


@jit
def piece_end(pieces, q, vertices):  # type: ignore[no-untyped-def]
    """Where the vertices of piece ``q`` end, of ``vertices`` in all."""
    return pieces[q + 1, 0] if q + 1 < len(pieces) else vertices


@jit
def _touching(regions, near, seams):  # type: ignore[no-untyped-def]
    """Whether each region, or one that belongs with it, touches a seam."""
    cut = np.zeros(regions, np.bool_)
    for seam in seams:
        for i in seam:
            if i >= 0:
                cut[i] = True
    for i in range(len(near)):
        cut[near[i]] |= cut[i]
    for i in range(len(near)):
        cut[i] = cut[near[i]]
    return cut


@jit
def _numbers(cut):  # type: ignore[no-untyped-def]
    """Numbers from 0 for those that are cut, and again for the others."""
    new = np.empty(len(cut), np.int32)
    n, m = 0, 0
    for i in range(len(cut)):
        new[i] = n if cut[i] else m
        n, m = n + cut[i], m + (not cut[i])
    return new


@jit
def _pieces_of(trace, wanted, new):  # type: ignore[no-untyped-def]
    """The pieces of the wanted regions, by their new numbers: vertices, pieces, offsets."""
    vertices, pieces = trace
    size, n = 0, 0
    for q in range(len(pieces)):
        if wanted[pieces[q, 1]]:
            size += piece_end(pieces, q, len(vertices)) - pieces[q, 0]
            n += 1
    out, kept, offsets = np.empty((size, 2), np.int32), np.empty((n, 4), np.int64), np.zeros(n + 1, np.int64)
    n = 0
    for q in range(len(pieces)):
        if wanted[pieces[q, 1]]:
            begin, end, at = pieces[q, 0], piece_end(pieces, q, len(vertices)), offsets[n]
            for k in range(end - begin):
                out[at + k, 0], out[at + k, 1] = vertices[begin + k, 0], vertices[begin + k, 1]
            kept[n] = pieces[q]
            kept[n, 1] = new[pieces[q, 1]]
            n += 1
            offsets[n] = at + end - begin
    return out, kept, offsets
