"""Whole NetCDF: where a NetCDF file says that it ends: HDF5 in its superblock, a classic one by its variables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

FAR = 1 << 42
"""Beyond every file, and still a place that file systems let one seek."""
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}  # of the types of classic NetCDF
_STREAM = 0xFFFFFFFF  # the number of records where nobody knew it


def hdf5_end(file: BinaryIO) -> int:
    """Where an HDF5 file (NetCDF 4) ends, by its superblock; 0 where that is of a version that is not known."""
    file.seek(8)
    head = file.read(88)
    if len(head) < 40:
        return FAR
    version = head[0]
    wide, at = (head[5], 16 + 4 * (version == 1)) if version < 2 else (head[1], 4)
    end = at + 2 * wide  # after the addresses of the base and of the free space, or of the extension
    return int.from_bytes(head[end : end + wide], "little") if version <= 3 and wide <= 8 else 0


def classic_end(file: BinaryIO, size: int) -> int:
    """Where the last variable of a classic NetCDF file of ``size`` bytes ends, by its header."""
    try:
        return max(_ends(_Header(file, size)), default=0)
    except EOFError:
        return FAR


@dataclass(slots=True)
class _Header:
    """A header, read from its start; EOFError where the file ends before it."""

    file: BinaryIO
    size: int

    def number(self, length: int = 4) -> int:
        data = self.file.read(length)
        if len(data) < length:
            raise EOFError
        return int.from_bytes(data, "big")

    def skip(self, length: int) -> None:
        if length > self.size:
            raise EOFError
        self.file.seek(-(-length // 4) * 4, 1)

    def listed(self) -> range:
        """The members of a list that begins here."""
        self.number()
        if (count := self.number()) > self.size:
            raise EOFError
        return range(count)

    def skip_attributes(self) -> None:
        for _ in self.listed():
            self.skip(self.number())
            each = _BYTES.get(self.number(), 1)
            self.skip(self.number() * each)

    def dimension(self) -> int:
        self.skip(self.number())
        return self.number()

    def variable(self, dimensions: list[int], wide: bool) -> tuple[int, int, bool]:
        """Where a variable begins, its bytes (of one record, where it has any), and whether it has records."""
        self.skip(self.number())
        shape = [dimensions[axis] for axis in (self.number() for _ in range(self.number())) if axis < len(dimensions)]
        self.skip_attributes()
        each, _, begin = _BYTES.get(self.number(), 1), self.number(), self.number(8 if wide else 4)
        by_record = shape[:1] == [0]
        return begin, math.prod(shape[by_record:]) * each, by_record


def _ends(header: _Header) -> Iterator[int]:
    """Where each variable ends."""
    header.file.seek(3)
    wide, records = header.number(1) == 2, header.number()
    dimensions = [header.dimension() for _ in header.listed()]
    header.skip_attributes()
    variables = [header.variable(dimensions, wide) for _ in header.listed()]
    of_record = [length for _, length, by_record in variables if by_record]
    step = of_record[0] if len(of_record) == 1 else sum(-(-length // 4) * 4 for length in of_record)  # one: not padded
    for begin, length, by_record in variables:
        if not by_record:
            yield begin + length
        elif 0 < records < _STREAM:
            yield begin + (records - 1) * step + length
