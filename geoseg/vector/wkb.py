"""Wkb: polygons as well-known binary, straight from flat arrays; compiled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geoseg.grid.geobox import GeoBox
    from geoseg.vector.regions import Regions


class Wkb(NamedTuple):
    """Bytes of ``n`` geometries one after another, where each begins, int64 ``(n + 1,)``, and the box of each.

    Boxes are float64 ``(n, 4)``: xmin, ymin, xmax, ymax.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    boxes: NDArray[np.float64]


def regions_to_wkb(part: Regions, geobox: GeoBox) -> Wkb:
    """Polygons (or multipolygons) in the geobox's CRS."""
    rings, polygons, parts = part.rings, part.polygons, part.parts
    ring_count = np.diff(polygons)
    vertex_count = rings[polygons[1:]] - rings[polygons[:-1]]
    offsets = np.zeros(len(polygons), np.int64)
    np.cumsum(9 + 4 * ring_count + 16 * vertex_count, out=offsets[1:])
    little = sys.byteorder == "little"
    if parts is None:
        starts, inside = offsets, offsets[:-1]
    else:
        starts = offsets[parts] + 9 * np.arange(len(parts))
        inside = offsets[:-1] + 9 * (1 + np.repeat(np.arange(len(parts) - 1), np.diff(parts)))
    out = np.empty(int(starts[-1]), np.uint8)
    boxes = _write(out, inside, (part.coords, rings, polygons), tuple(geobox.transform)[:6], little)
    if parts is None:
        return Wkb(out, starts, boxes)
    _heads(out, starts, parts, little)
    whole = np.minimum.reduceat(boxes[:, :2], parts[:-1]), np.maximum.reduceat(boxes[:, 2:], parts[:-1])
    return Wkb(out, starts, np.hstack(whole))


@jit
def _write(out, offsets, shapes, transform, little):  # type: ignore[no-untyped-def]
    """Write polygons where they begin; return their boxes."""
    coords, rings, polygons = shapes
    a, b, c, d, e, f = transform
    boxes = np.empty((len(offsets), 4))
    xy = np.empty(2)
    raw = xy.view(np.uint8)
    for i in range(len(offsets)):
        at = offsets[i]
        out[at] = little
        _put(out, at + 1, 3, little)  # wkbPolygon
        _put(out, at + 5, polygons[i + 1] - polygons[i], little)
        at += 9
        left, bottom, right, top = np.inf, np.inf, -np.inf, -np.inf
        for ring in range(polygons[i], polygons[i + 1]):
            _put(out, at, rings[ring + 1] - rings[ring], little)
            at += 4
            for k in range(rings[ring], rings[ring + 1]):
                col, row = float(coords[k, 0]), float(coords[k, 1])
                x, y = c + col * a + row * b, f + col * d + row * e
                left, bottom, right, top = min(left, x), min(bottom, y), max(right, x), max(top, y)
                xy[0], xy[1] = x, y
                for byte in range(16):
                    out[at + byte] = raw[byte]
                at += 16
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = left, bottom, right, top
    return boxes


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
