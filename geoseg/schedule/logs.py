"""Logs: what a run wrote, read as it grows, and removed with its history."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from geoseg.errors import InputRefused

_PIECE = 1 << 16


def read_log(path: str | Path, *, last: int | None = None, more: Callable[[], bool] | None = None) -> Iterator[str]:
    """The text of a log in pieces; bytes that are no UTF-8 are shown as such.

    Parameters
    ----------
    last
        Only so many lines of what is there.
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
        if last is not None:
            file.seek(_start_of(file.read, file.seek, last))
        while True:
            while piece := file.read(_PIECE):
                yield decode(piece)
            if more is None or not more():
                break
        for piece in (file.read(), b""):
            yield decode(piece, not piece)


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


def _start_of(read: Callable[[int], bytes], seek: Callable[[int, int], int], lines: int) -> int:
    """Where the last lines of a file begin, looked for from its end."""
    at = seek(0, 2)
    found = -1  # the line end that ends the last line is not between two
    while at > 0:
        size = min(_PIECE, at)
        at -= size
        seek(at, 0)
        piece = read(size)
        found += found < 0 and not piece.endswith(b"\n")
        for place in range(len(piece) - 1, -1, -1):
            if piece[place] == 10:
                found += 1
                if found == lines:
                    return at + place + 1
    return 0
