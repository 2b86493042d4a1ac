"""Tiles: outlines cut to squares and written as Mapbox Vector Tiles 2; the loops are compiled."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from geoseg.raster.jit import jit
from geoseg.vector.select import children

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXTENT = 4096
"""Units along the side of a tile."""


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Closed rings in Mercator's unit square (x right, y down), each of a feature, the shell of a polygon before its holes.

    Attributes
    ----------
    coords, offsets
        Vertices ``(v, 2)``, and where each ring begins ``(r + 1,)``.
    feature, shell
        Number of the feature, and whether the ring is a shell, ``(r,)``.
    """

    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    feature: NDArray[np.int64]
    shell: NDArray[np.bool_]

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Join batches."""
        lengths = [np.diff(part.offsets) for part in parts]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]))])
        return cls(
            np.concatenate([np.zeros((0, 2)), *(part.coords for part in parts)]),
            offsets,
            np.concatenate([np.zeros(0, np.int64), *(part.feature for part in parts)]),
            np.concatenate([np.zeros(0, np.bool_), *(part.shell for part in parts)]),
        )


def clip_rings(rings: Rings, axis: int, low: float, high: float) -> Rings:
    """What lies between two lines across an axis; polygons that a line cuts are cut by GEOS, which keeps them valid."""
    if not len(rings.feature):
        return rings
    polygons = np.append(np.flatnonzero(rings.shell), len(rings.shell))
    along, starts = rings.coords[:, axis], rings.offsets[polygons[:-1]]
    least, most = np.minimum.reduceat(along, starts), np.maximum.reduceat(along, starts)
    inside = (least >= low) & (most <= high)
    crossing = ~inside & (most > low) & (least < high)
    kept = _take(rings, polygons, inside)
    if not crossing.any():
        return kept
    whole = Rings.concat([kept, _cut(_take(rings, polygons, crossing), axis, low, high)])
    order = np.argsort(whole.feature, kind="stable")
    return _pick(whole, order)


def _take(rings: Rings, polygons: NDArray[np.int64], keep: NDArray[np.bool_]) -> Rings:
    return rings if keep.all() else _pick(rings, np.flatnonzero(np.repeat(keep, np.diff(polygons))))


def _pick(rings: Rings, chosen: NDArray[np.int64]) -> Rings:
    offsets, vertices = children(rings.offsets, chosen)
    return Rings(rings.coords[vertices], offsets, rings.feature[chosen], rings.shell[chosen])


def _cut(rings: Rings, axis: int, low: float, high: float) -> Rings:
    import shapely

    from geoseg.vector.outlines import turn_rings

    first = np.flatnonzero(rings.shell)
    shapes = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, rings.coords, (rings.offsets, np.append(first, len(rings.shell)))
    )
    box = (low, -1.0, high, 2.0) if axis == 0 else (-1.0, low, 2.0, high)
    pieces, source = shapely.get_parts(shapely.clip_by_rect(shapes, *box), return_index=True)
    solid = (shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & (shapely.area(pieces) > 0)
    if not solid.any():
        return Rings.concat([])
    _, coords, (offsets, polygons) = shapely.to_ragged_array(pieces[solid])
    offsets, polygons = offsets.astype(np.int64), polygons.astype(np.int64)
    shell = np.zeros(len(offsets) - 1, np.bool_)
    shell[polygons[:-1]] = True
    feature = np.repeat(rings.feature[first][source[solid]], np.diff(polygons))
    return Rings(turn_rings(coords, offsets, polygons, counterclockwise=False), offsets, feature, shell)


def encode_tile(
    rings: Rings, tile: tuple[int, int, int], snap: int, rows: Sequence[list[bytes]], layer: str, columns: Iterable[str]
) -> bytes:
    """The tile (zoom, x, y) as protobuf: one layer, one feature for each polygon that is left after rounding.

    Parameters
    ----------
    snap
        Coordinates are multiples of this many units.
    rows
        The attributes of each feature as :func:`mvt_values` gives them, in the order of ``columns``.
    """
    z, x, y = tile
    features, text, ends = _geometry(rings.coords, rings.offsets, rings.feature, rings.shell, (2**z, x, y), snap)
    raw, ends = text.tobytes(), ends.tolist()
    known: dict[bytes, int] = {}
    body = [_field(1, layer.encode()), b"\x78\x02\x28" + _varint(EXTENT)]
    for i, feature in enumerate(features.tolist()):
        tags = b"".join(
            _varint(key) + _varint(known.setdefault(value, len(known))) for key, value in enumerate(rows[feature])
        )
        body.append(_field(2, _field(2, tags) + b"\x18\x03" + _field(4, raw[ends[i] : ends[i + 1]])))
    body += [_field(3, name.encode()) for name in columns]
    body += [_field(4, value) for value in known]
    return _field(3, b"".join(body))


def mvt_values(attributes: Mapping[str, NDArray[np.generic]], columns: Iterable[str]) -> list[list[bytes]]:
    """The attributes of each polygon as MVT values."""
    return [list(row) for row in zip(*(_column(attributes[name].tolist()) for name in columns), strict=True)]


def _column(values: list[str | int | float]) -> list[bytes]:
    made: dict[str | int | float, bytes] = {}
    for value in set(values):
        if isinstance(value, str):
            made[value] = _field(1, value.encode())
        elif isinstance(value, int):
            made[value] = b"\x28" + _varint(value)
        else:
            made[value] = b"\x19" + struct.pack("<d", value)
    return [made[value] for value in values]


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    if number < 128:
        return bytes((number,))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


@jit
def _geometry(coords, offsets, feature, shell, tile, snap):  # type: ignore[no-untyped-def]
    """MVT commands of each feature's rings that still have an area; a feature without any is left out."""
    n = len(feature)
    points = np.empty((len(coords) + 1, 2), np.int64)
    out = np.empty(12 * len(coords) + 16 * n + 16, np.uint8)
    features, ends = np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    at, count, last = 0, 0, np.int64(-1)
    cx, cy = np.int64(0), np.int64(0)
    there = False  # the shell of the polygon
    for i in range(n):
        m = _rounded(coords[offsets[i] : offsets[i + 1]], tile, snap, points)
        area = _doubled_area(points, m)
        # Shells run counter-clockwise on the map and are written backwards: clockwise, as tiles want it.
        good = m >= 3 and (area < 0 if shell[i] else (there and area > 0))
        if shell[i]:
            there = good
        if not good:
            continue
        if feature[i] != last:
            count += 1
            last, features[count - 1] = feature[i], feature[i]
            cx, cy = np.int64(0), np.int64(0)
        at = _number(out, at, 9)
        for step in range(m):
            k = m - 1 - step
            if step == 1:
                at = _number(out, at, (m - 1) << 3 | 2)
            dx, dy = points[k, 0] - cx, points[k, 1] - cy
            at = _number(out, at, (dx << 1) ^ (dx >> 63))
            at = _number(out, at, (dy << 1) ^ (dy >> 63))
            cx, cy = points[k, 0], points[k, 1]
        at = _number(out, at, 15)
        ends[count] = at
    return features[:count].copy(), out[:at].copy(), ends[: count + 1].copy()


@jit
def _rounded(ring, tile, snap, points):  # type: ignore[no-untyped-def]
    """A ring in whole units, without its closing vertex, repeated points and points inside straight runs."""
    scale, tx, ty = tile
    m = 0
    for k in range(len(ring) - 1):
        x = np.int64(np.rint((ring[k, 0] * scale - tx) * EXTENT / snap)) * snap
        y = np.int64(np.rint((ring[k, 1] * scale - ty) * EXTENT / snap)) * snap
        m = _push(points, m, x, y)
    while m > 1 and points[m - 1, 0] == points[0, 0] and points[m - 1, 1] == points[0, 1]:
        m -= 1
    return m


@jit
def _push(points, m, x, y):  # type: ignore[no-untyped-def]
    if m > 0 and points[m - 1, 0] == x and points[m - 1, 1] == y:
        return m
    if m > 1:
        ax, ay = points[m - 1, 0] - points[m - 2, 0], points[m - 1, 1] - points[m - 2, 1]
        if ax * (y - points[m - 1, 1]) == ay * (x - points[m - 1, 0]):
            m -= 1  # on one line: the point between goes, and what then repeats
            return _push_again(points, m, x, y)
    points[m, 0], points[m, 1] = x, y
    return m + 1


@jit
def _push_again(points, m, x, y):  # type: ignore[no-untyped-def]
    if points[m - 1, 0] == x and points[m - 1, 1] == y:
        return m
    points[m, 0], points[m, 1] = x, y
    return m + 1


@jit
def _doubled_area(points, m):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for k in range(m):
        j = k + 1 if k + 1 < m else 0
        total += points[k, 0] * points[j, 1] - points[j, 0] * points[k, 1]
    return total


@jit
def _number(out, at, value):  # type: ignore[no-untyped-def]
    while value > 127:
        out[at] = value & 127 | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1
