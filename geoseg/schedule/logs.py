"""Logs: what a run wrote, read as it grows, and removed with its history."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from geoseg.errors import InputRefused

_PIECE = 1 << 16


def read_log(
    path: str | Path, *, last: int | None = None, most: int | None = None, more: Callable[[], bool] | None = None
) -> Iterator[str]:
    """The text of a log in pieces; bytes that are no UTF-8 are shown as such.

    Parameters
    ----------
    last
        Only so many lines of what is there.
    most
        Only so many bytes of what is there, its end: a line may be as long as a disk.
    more
        Asked at the end of what is there: whether to look again. It waits as long as it likes.

    Raises
    ------
    InputRefused
        ``NO_LOG``: it is not there.
    """
    decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
    try:
        file = Path(path).open("rb")
    except OSError as error:
        what = f"the log cannot be read: {error.strerror}"
        raise InputRefused.of("NO_LOG", path, what, "The run may not have started yet") from None
    with file:
        least = max(0, file.seek(0, 2) - most) if most is not None else 0
        file.seek(least if last is None else max(least, _start_of(file.read, file.seek, last, least)))
        while True:
            while piece := file.read(_PIECE):
                yield decode(piece)
            if more is None or not more():
                break
        for piece in (file.read(), b""):
            yield decode(piece, not piece)


def tail(path: str | Path, most: int) -> bytes:
    """The last bytes of a file; empty where it cannot be read."""
    with suppress(OSError), Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)
    return b""


def remove_logs(folder: Path, paths: Iterable[str]) -> None:
    """Remove logs that lie in the store's folder of logs, and the job's folder there when it is empty."""
    for path in map(Path, paths):
        if path.is_relative_to(folder) and ".." not in path.parts:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                path.parent.rmdir()


def plain(text: str) -> str:
    """Text without what would steer a terminal: other control characters than line ends and tabs are shown as U+FFFD."""
    return "".join(c if c.isprintable() or c in "\n\t" else "" if c == "\r" else "\ufffd" for c in text)


def _start_of(read: Callable[[int], bytes], seek: Callable[[int, int], int], lines: int, least: int) -> int:
    """Where the last lines of a file begin, looked for from its end, not before ``least``."""
    at = seek(0, 2)
    found = -1  # the line end that ends the last line is not between two
    while at > least:
        size = min(_PIECE, at - least)
        at -= size
        seek(at, 0)
        piece = read(size)
        found += found < 0 and not piece.endswith(b"\n")
        if found + piece.count(b"\n") < lines:
            found += piece.count(b"\n")
            continue
        place = size
        while found < lines:
            place = piece.rindex(b"\n", 0, place)
            found += 1
        return at + place + 1
    return least
