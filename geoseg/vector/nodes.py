"""Nodes: put a vertex wherever a neighbour has a corner, so that shared boundaries are equal vertex by vertex; compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray


def with_nodes(coords: NDArray[np.int32], rings: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Rings with every corner that lies on one of their edges as a vertex: a valid coverage.

    As traced, a long edge has no vertex where two neighbours meet on its other side (a T-junction), which GEOS calls
    an invalid coverage. Rings are of axis-parallel edges in whole pixels.
    """
    along_rows = np.unique((coords[:, 1].astype(np.int64) << 32) | coords[:, 0])
    along_cols = np.unique((coords[:, 0].astype(np.int64) << 32) | coords[:, 1])
    made: tuple[NDArray[np.int32], NDArray[np.int64]] = _insert(coords, rings, along_rows, along_cols)
    return made


@jit
def _insert(coords, rings, along_rows, along_cols):  # type: ignore[no-untyped-def]
    out, at = np.empty((2 * len(coords), 2), np.int32), 0
    starts = np.zeros(len(rings), np.int64)
    for i in range(len(rings) - 1):
        for k in range(rings[i], rings[i + 1]):
            if k > rings[i]:
                (x0, y0), (x1, y1) = coords[k - 1], coords[k]
                flat = y0 == y1
                line, fixed = (along_rows, y0) if flat else (along_cols, x0)
                a, b = (x0, x1) if flat else (y0, y1)
                base = np.int64(fixed) << 32
                low = np.searchsorted(line, base | min(a, b)) + 1
                count = 0
                while line[low + count] < base | max(a, b):
                    count += 1
                while at + count >= len(out):
                    larger = np.empty((2 * len(out), 2), np.int32)
                    larger[: len(out)] = out
                    out = larger
                for m in range(count):
                    key = line[low + m] if a < b else line[low + count - 1 - m]
                    here = np.int32(key & 0x7FFFFFFF)
                    out[at, 0], out[at, 1] = (here, fixed) if flat else (fixed, here)
                    at += 1
            if at == len(out):
                larger = np.empty((2 * len(out), 2), np.int32)
                larger[:at] = out
                out = larger
            out[at] = coords[k]
            at += 1
        starts[i + 1] = at
    return out[:at].copy(), starts
