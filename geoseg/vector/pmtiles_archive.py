"""Pmtiles archive: tiles and their directories in one file, version 3 of https://github.com/protomaps/PMTiles."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

Tile = tuple[int, int, int]

_HEADER = 127
_ROOM = 16384 - _HEADER
"""Readers ask for 16 KiB first: header and root directory have to be in them."""
_GZIP, _MVT = 2, 1


def write_archive(
    path: Path,
    tiles: Mapping[Tile, bytes],
    zooms: tuple[int, int],
    bounds: tuple[float, float, float, float],
    metadata: str,
) -> None:
    """Write gzipped vector tiles by (zoom, x, y), in the order of their ids; ``bounds`` in degrees, ``metadata`` JSON."""
    ordered = sorted((tile_id(*tile), data) for tile, data in tiles.items())
    entries, at = [], 0
    for number, data in ordered:
        entries.append((number, at, len(data), 1))
        at += len(data)
    root, leaves = _directories(entries)
    about = gzip.compress(metadata.encode(), 6, mtime=0)
    sections = [(_HEADER, len(root))]
    for length in (len(about), len(leaves), at):
        sections.append((sum(sections[-1]), length))
    west, south, east, north = (round(side * 1e7) for side in bounds)
    header = struct.pack(
        "<7sB11Q6B4iB2i", b"PMTiles", 3, *(number for section in sections for number in section),
        len(entries), len(entries), len(entries), 1, _GZIP, _GZIP, _MVT, *zooms, west, south, east, north,
        zooms[0], (west + east) // 2, (south + north) // 2,
    )  # fmt: skip
    with path.open("wb") as file:
        file.writelines([header, root, about, leaves])
        file.writelines(data for _, data in ordered)


def tile_id(z: int, x: int, y: int) -> int:
    """Number of a tile: those of smaller zooms first, then along the Hilbert curve."""
    number: int = ((1 << 2 * z) - 1) // 3
    side = 1 << z >> 1
    while side:
        right, down = int((x & side) > 0), int((y & side) > 0)
        number += side * side * (3 * right ^ down)
        if not down:
            if right:
                x, y = side - 1 - (x & (side - 1)), side - 1 - (y & (side - 1))
            x, y = y, x
        side >>= 1
    return number


def _directories(entries: list[tuple[int, int, int, int]]) -> tuple[bytes, bytes]:
    """The root directory and, where it would not fit, the leaves that it then points to."""
    root, size = _directory(entries), 4096
    leaves = b""
    while len(root) > _ROOM:
        pieces = [entries[i : i + size] for i in range(0, len(entries), size)]
        made = [_directory(piece) for piece in pieces]
        starts = [sum(map(len, made[:i])) for i in range(len(made))]
        # An entry with a run of 0 tiles is a leaf.
        root = _directory(
            [(piece[0][0], at, len(leaf), 0) for piece, at, leaf in zip(pieces, starts, made, strict=True)]
        )
        leaves, size = b"".join(made), size * 2
    return root, leaves


def _directory(entries: list[tuple[int, int, int, int]]) -> bytes:
    """Entries (id, offset, length, run) as the format packs them: column by column, ids as differences."""
    out = [_varint(len(entries))]
    out += [_varint(entry[0] - before) for entry, before in zip(entries, [0, *(e[0] for e in entries)], strict=False)]
    out += [_varint(entry[3]) for entry in entries]
    out += [_varint(entry[2]) for entry in entries]
    end = None
    for _, offset, length, _ in entries:
        out.append(_varint(0 if offset == end else offset + 1))
        end = offset + length
    return gzip.compress(b"".join(out), 6, mtime=0)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
