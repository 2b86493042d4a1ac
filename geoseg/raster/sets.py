"""Sets: union-find on integer arrays, ``parent[i] == i`` at a root; compiled, for whoever labels or joins regions."""

from __future__ import annotations

from typing import Any

from geoseg.raster.jit import jit

Parents = Any
"""A numpy array of any integer type; numbers come back in that type, or as int64."""


@jit
def find(parent: Parents, i: Any) -> Any:
    """The root of ``i``; the path to it is halved."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def unite(parent: Parents, i: Any, j: Any) -> Any:
    """Join the sets of ``i`` and ``j``; the lower root stays and is returned."""
    i, j = find(parent, i), find(parent, j)
    if i < j:
        parent[j] = i
        return i
    parent[i] = j
    return j
