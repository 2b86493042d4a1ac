"""Sqlite records: Arrow columns as rows of an SQLite table; compiled.

The format is that of https://www.sqlite.org/fileformat2.html#record_format, which SQLite promises not to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoseg.raster.jit import jit

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Ints = NDArray[np.int64]

_LIMITS = np.array([1 << 7, 1 << 15, 1 << 23, 1 << 31, 1 << 47])
"""Integers below take 1, 2, 3, 4 and 6 bytes, larger ones 8: serial types 1 to 6."""
_REAL, _BLOB = 7, 12


class Records(NamedTuple):
    """Records one after another, and where each begins, int64 ``(n + 1,)``."""

    data: Bytes
    offsets: Ints


def records(batch: pa.RecordBatch) -> Records:
    """Rows of a table whose first column is its key; the key stands beside the record, not in it.

    The batch has the columns after the key: integers, float64, strings and binary, without nulls.
    """
    import pyarrow as pa

    types = np.zeros((batch.num_rows, batch.num_columns + 1), np.int64)
    numbers = np.zeros_like(types)
    blobs: list[Bytes] = []
    texts: list[Bytes] = []
    for c, column in enumerate(batch.columns, start=1):
        assert column.null_count == 0, batch.schema.names[c - 1]
        if pa.types.is_integer(column.type):
            numbers[:, c] = value = column.to_numpy()
            types[:, c] = 1 + np.searchsorted(_LIMITS, np.maximum(value, ~value), side="right")
        elif pa.types.is_floating(column.type):
            numbers[:, c] = column.to_numpy().view(np.int64)
            types[:, c] = _REAL
        else:
            text = pa.types.is_string(column.type)
            sources = texts if text else blobs
            data, offsets = _bytes_of(column)
            numbers[:, c] = offsets[:-1] + sum(map(len, sources))
            types[:, c] = _BLOB + text + 2 * np.diff(offsets)
            sources.append(data)
    offsets = _offsets(types)
    return Records(_pack(types, numbers, _joined(blobs), _joined(texts), offsets), offsets)


def _bytes_of(column: pa.Array) -> tuple[Bytes, Ints]:
    """A string or binary column's bytes, and where each value begins."""
    _, places, data = column.buffers()
    offsets = np.frombuffer(places, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return np.frombuffer(data or b"", np.uint8), offsets


def _joined(parts: list[Bytes]) -> Bytes:
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.uint8), *parts])


@jit
def varint_size(value):  # type: ignore[no-untyped-def]
    """Bytes of a number from 0 to 2**56 as SQLite's varint."""
    size = 1
    while value >= 128:
        value >>= 7
        size += 1
    return size


@jit
def put_varint(out, at, value):  # type: ignore[no-untyped-def]
    """Write a number from 0 to 2**56 as SQLite's varint; return where it ends."""
    end = at + varint_size(value)
    for k in range(end - 1, at - 1, -1):
        out[k] = (value & 127) | (128 if k < end - 1 else 0)
        value >>= 7
    return end


@jit
def put_number(out, at, value, size):  # type: ignore[no-untyped-def]
    """Write an integer in ``size`` bytes, the most significant first; return where it ends."""
    for k in range(size):
        out[at + k] = (value >> (8 * (size - 1 - k))) & 255
    return at + size


@jit
def _size_of(kind):  # type: ignore[no-untyped-def]
    """Bytes of a value of a serial type."""
    if kind >= 12:
        return (kind - 12) // 2
    return kind if kind < 5 else 6 if kind == 5 else 8


@jit
def _offsets(types):  # type: ignore[no-untyped-def]
    out = np.zeros(len(types) + 1, np.int64)
    for i in range(len(types)):
        size = 1  # of the head: few columns, so one byte says it
        for kind in types[i]:
            size += varint_size(kind) + _size_of(kind)
        out[i + 1] = out[i] + size
    return out


@jit
def _pack(types, numbers, blobs, texts, offsets):  # type: ignore[no-untyped-def]
    out = np.empty(offsets[-1], np.uint8)
    for i in range(len(types)):
        at = offsets[i] + 1
        for kind in types[i]:
            at = put_varint(out, at, kind)
        out[offsets[i]] = at - offsets[i]
        for c in range(types.shape[1]):
            kind, number = types[i, c], numbers[i, c]
            size = _size_of(kind)
            if kind < 12:
                at = put_number(out, at, number, size)
            else:
                source = texts if kind & 1 else blobs
                out[at : at + size] = source[number : number + size]
                at += size
    return out
