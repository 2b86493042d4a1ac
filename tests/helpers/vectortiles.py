"""Vector tiles: a slow and plain reader of PMTiles 3 and MVT 2, for what is written to be read by something else."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = tuple[int, int, int, int]


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[int, bytes]]:
    """Header, metadata, and the tiles by id."""
    raw = path.read_bytes()
    assert raw[:8] == b"PMTiles\x03"
    numbers = struct.unpack("<11Q", raw[8:96])
    root, about, leaves, data = (slice(numbers[i], numbers[i] + numbers[i + 1]) for i in (0, 2, 4, 6))
    assert numbers[6] + numbers[7] == len(raw)
    clustered, inside, tiles, kind, low, high = raw[96:102]
    assert (clustered, inside, tiles, kind) == (1, 2, 2, 1)
    bounds = [side / 1e7 for side in struct.unpack("<4i", raw[102:118])]
    found: dict[int, bytes] = {}
    for number, offset, length, run in _entries(raw[root]):
        inner = [(number, offset, length, run)]
        if run == 0:
            inner = _entries(raw[leaves][offset : offset + length])
        for one, at, size, _ in inner:
            found[one] = gzip.decompress(raw[data][at : at + size])
    assert len(found) == numbers[8] == numbers[9] == numbers[10] and list(found) == sorted(found)
    assert root.stop <= 16384
    return {"zooms": (low, high), "bounds": bounds}, json.loads(gzip.decompress(raw[about])), found


def read_tile(data: bytes) -> list[tuple[dict[str, Any], list[list[tuple[int, int]]]]]:
    """Attributes and rings, in tile units and not closed, of each feature of the only layer."""
    ((number, layer),) = _fields(data)
    assert number == 3
    parts = list(_fields(layer))
    keys = [item.decode() for n, item in parts if n == 3]
    values = [_value(item) for n, item in parts if n == 4]
    assert dict(item for item in parts if item[0] in (15, 5)) == {15: 2, 5: 4096}
    made = []
    for n, item in parts:
        if n == 2:
            own = dict(_fields(item))
            assert own[3] == 3
            tags = list(_numbers(own[2]))
            made.append(({keys[k]: values[v] for k, v in zip(tags[::2], tags[1::2], strict=True)}, _rings(own[4])))
    return made


def doubled_area(ring: list[tuple[int, int]]) -> int:
    """Twice the surveyor's area, positive for the shells of tiles."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True))


def _rings(data: bytes) -> list[list[tuple[int, int]]]:
    rings: list[list[tuple[int, int]]] = []
    numbers = _numbers(data)
    x = y = 0
    for command in numbers:
        if command & 7 == 7:
            continue
        for _ in range(command >> 3):
            dx, dy = next(numbers), next(numbers)
            x, y = x + ((dx >> 1) ^ -(dx & 1)), y + ((dy >> 1) ^ -(dy & 1))
            if command & 7 == 1:
                rings.append([])
            rings[-1].append((x, y))
    return rings


def _entries(packed: bytes) -> list[Entry]:
    numbers = list(_numbers(gzip.decompress(packed)))
    n, at, end = numbers[0], 0, 0
    made = []
    for i in range(n):
        at += numbers[1 + i]
        run, length, offset = (numbers[1 + k * n + i] for k in (1, 2, 3))
        offset = end if offset == 0 else offset - 1
        end = offset + length
        made.append((at, offset, length, run))
    assert len(numbers) == 1 + 4 * n
    return made


def _value(data: bytes) -> str | int | float:
    ((number, value),) = _fields(data)
    if number == 3:
        return float(struct.unpack("<d", value)[0])
    return value.decode() if number == 1 else int(value)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        head, at = _number(data, at)
        if head & 7 == 0:
            value, at = _number(data, at)
            yield head >> 3, value
        else:
            size, at = (8, at) if head & 7 == 1 else _number(data, at)
            yield head >> 3, data[at : at + size]
            at += size


def _numbers(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _number(data, at)
        yield value


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
