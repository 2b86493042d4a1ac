"""Whole: whether a raster file has all the bytes that it speaks of, so that a copy that was cut short is told by its length."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from geoseg.errors import InputRefused
from geoseg.raster.whole_netcdf import FAR, classic_end, hdf5_end

_ORDERS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {3: "H", 4: "I", 16: "Q"}
_PLACES, _LENGTHS = (273, 324), (279, 325)  # of strips and of tiles
_MOST_DIRECTORIES, _MOST_BYTES = 64, 64 << 20


def check_whole(path: str | Path) -> None:
    """Refuse a TIFF, JPEG 2000 or NetCDF file that ends before its contents do; others are not looked into.

    Raises
    ------
    InputRefused
        ``CUT_OFF``.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(8)
        needed = 0
        if head[:4] in _ORDERS:
            needed = max(_tiff_ends(file, _ORDERS[head[:4]], big=b"+" in head[:4]), default=0)
        elif head[4:] == b"jP  ":
            needed = _boxes_end(file, size)
        elif head == b"\x89HDF\r\n\x1a\n":
            needed = hdf5_end(file)
        elif head[:4] in (b"CDF\x01", b"CDF\x02"):
            needed = classic_end(file, size)
    if needed > size:
        what = f"has {size} bytes, and what it speaks of ends at {needed}"
        raise InputRefused.of("CUT_OFF", path, what, "Copy or download it again")


def _tiff_ends(file: BinaryIO, order: str, *, big: bool) -> Iterator[int]:
    """Where the parts of a TIFF end: directories, values, strips and tiles. Sparse ones have length 0."""
    offset, count = struct.Struct(order + "IQ"[big]), struct.Struct(order + "HQ"[big])
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    at, seen = _number(file, 8 if big else 4, offset), 0
    yield (16 if big else 8) if at else FAR
    while at and seen < _MOST_DIRECTORIES:
        seen += 1
        n = min(_number(file, at, count), 65535)
        table = file.read(n * entry.size + offset.size)
        yield at + count.size + n * entry.size + offset.size
        if len(table) < n * entry.size + offset.size:
            return
        places: tuple[int, ...] = ()
        lengths: tuple[int, ...] = ()
        for tag, kind, number, inline in entry.iter_unpack(table[: n * entry.size]):
            length = number * _SIZES.get(kind, 1)
            if length > offset.size:
                yield offset.unpack(inline)[0] + length
            if tag in _PLACES:
                places = _values(file, order, (kind, number), inline)
            elif tag in _LENGTHS:
                lengths = _values(file, order, (kind, number), inline)
        yield from (place + length for place, length in zip(places, lengths, strict=False) if length)
        at = offset.unpack_from(table, n * entry.size)[0]


def _values(file: BinaryIO, order: str, what: tuple[int, int], inline: bytes) -> tuple[int, ...]:
    """The integers of an entry of a (kind, number); none where they are too many, or no integers."""
    kind, number = what
    length = number * _SIZES.get(kind, 1)
    if kind not in _INTEGERS or length > _MOST_BYTES:
        return ()
    data = inline[:length]
    if length > len(inline):
        file.seek(min(struct.unpack(order + ("Q" if len(inline) == 8 else "I"), inline)[0], FAR))
        data = file.read(length)
    return struct.unpack(f"{order}{number}{_INTEGERS[kind]}", data) if len(data) == length else ()


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last box of a JPEG 2000 file ends; beyond the file's end if its code-stream is not there."""
    at, coded = 0, False
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at + 8
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        coded = coded or head[4:8] == b"jp2c"
        if length < 8:  # 0: to the end, where a code-stream says that it ends
            file.seek(max(size - 2, 0))
            return size if not coded or file.read(2) == b"\xff\xd9" else size + 1
        at += length
    return at if coded else max(at, size + 1)


def _number(file: BinaryIO, at: int, number: struct.Struct) -> int:
    file.seek(min(at, FAR))
    data = file.read(number.size)
    return int(number.unpack(data)[0]) if len(data) == number.size else 0
