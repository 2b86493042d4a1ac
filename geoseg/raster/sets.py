"""Sets: union-find on integer arrays, ``parent[i] == i`` at a root; compiled, for whoever labels or joins regions."""

from __future__ import annotations

from geoseg.raster.jit import jit


@jit
def find(parent, i):  # type: ignore[no-untyped-def]
    """The root of ``i``; the path to it is halved."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def unite(parent, i, j):  # type: ignore[no-untyped-def]
    """Join the sets of ``i`` and ``j``; the lower root stays and is returned."""
    i, j = find(parent, i), find(parent, j)
    if i < j:
        parent[j] = i
        return i
    parent[i] = j
    return j
