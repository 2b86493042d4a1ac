"""Identity: what makes a scene the same scene, whatever its files are called and wherever they lie."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from geoseg.errors import InputRefused
from geoseg.raster.admit import open_admitted

_ENDS = 64 << 10
_PIECES, _PIECE = 64, 4 << 10

Stamp = tuple[str, int, int]


def stamp(path: str) -> Stamp:
    """(path, size, modification time in ns) of a local file; size -1 where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return path, -1, 0
    return path, status.st_size, status.st_mtime_ns


def sample_file(path: str) -> str:
    """SHA-256 of a file's size, its first and last 64 KiB, and 64 pieces of 4 KiB spread between: cheap on any size."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(str(size).encode())
            for start, length in _pieces(size):
                file.seek(start)
                digest.update(file.read(length))
    except OSError as error:
        raise InputRefused.of("READ", path, error.strerror or str(error), "Check its permissions") from error
    return digest.hexdigest()


def sample_remote(path: str, driver: str) -> str:
    """SHA-256 of a remote raster's grid and of five small windows of its first band."""
    with open_admitted(path, driver, allow_remote=True) as dataset:
        rows, cols = dataset.shape
        digest = hashlib.sha256(
            repr((dataset.shape, dataset.dtypes, tuple(dataset.transform), dataset.tags())).encode()
        )
        for i in range(5):
            row, col = (rows - 1) * i // 4, (cols - 1) * (i * 2 % 5) // 4
            window = ((row, min(row + 16, rows)), (col, min(col + 16, cols)))
            digest.update(np.ascontiguousarray(dataset.read(1, window=window)).tobytes())
    return digest.hexdigest()


def _pieces(size: int) -> list[tuple[int, int]]:
    if size <= 2 * _ENDS + _PIECES * _PIECE:
        return [(0, size)]
    step = (size - 2 * _ENDS - _PIECE) / (_PIECES - 1)
    return [(0, _ENDS), *((_ENDS + int(i * step), _PIECE) for i in range(_PIECES)), (size - _ENDS, _ENDS)]
