"""Wkb: polygons as well-known binary, straight from flat arrays; compiled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray


def polygons_to_wkb(
    xy: NDArray[np.float64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    parts: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes of all polygons one after another, and where each begins ``(n + 1,)``; coordinates ``(v, 2)``.

    With ``parts``, offsets in the polygons, those of multipolygons.
    """
    ring_count = np.diff(polygons)
    vertex_count = rings[polygons[1:]] - rings[polygons[:-1]]
    offsets = np.zeros(len(polygons), np.int64)
    np.cumsum(9 + 4 * ring_count + 16 * vertex_count, out=offsets[1:])
    little = sys.byteorder == "little"
    raw = np.ascontiguousarray(xy, np.float64).view(np.uint8).reshape(-1, 16)
    if parts is None:
        out = np.empty(int(offsets[-1]), np.uint8)
        _write(out, offsets, raw, rings, polygons, little)
        return out, offsets
    starts = offsets[parts] + 9 * np.arange(len(parts))
    out = np.empty(int(starts[-1]), np.uint8)
    inside = offsets[:-1] + 9 * (1 + np.repeat(np.arange(len(parts) - 1), np.diff(parts)))
    _write(out, inside, raw, rings, polygons, little)
    _heads(out, starts, parts, little)
    return out, starts


@jit
def _write(out, offsets, raw, rings, polygons, little):  # type: ignore[no-untyped-def]
    for i in range(len(polygons) - 1):
        at = offsets[i]
        out[at] = little
        _put(out, at + 1, 3, little)  # wkbPolygon
        _put(out, at + 5, polygons[i + 1] - polygons[i], little)
        at += 9
        for ring in range(polygons[i], polygons[i + 1]):
            _put(out, at, rings[ring + 1] - rings[ring], little)
            at += 4
            for k in range(rings[ring], rings[ring + 1]):
                for byte in range(16):
                    out[at + byte] = raw[k, byte]
                at += 16


@jit
def _heads(out, starts, parts, little):  # type: ignore[no-untyped-def]
    for i in range(len(parts) - 1):
        out[starts[i]] = little
        _put(out, starts[i] + 1, 6, little)  # wkbMultiPolygon
        _put(out, starts[i] + 5, parts[i + 1] - parts[i], little)


@jit
def _put(out, at, number, little):  # type: ignore[no-untyped-def]
    for byte in range(4):
        out[at + byte] = (number >> (8 * byte if little else 24 - 8 * byte)) & 255
