"""State: which tasks of a run's folder are done, of what, and which files each left; kept line by line, so no kill loses it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Self

from geoseg.errors import Conflict, ResourceError
from geoseg.jobs.outputs import HIDDEN
from geoseg.raster.files import disk_errors, write_durable

if os.name != "nt":
    import fcntl

Files = Mapping[str, tuple[int, int]]
"""Path in the run's folder: size, and time of modification in ns."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a task: ``begun``, ``done``, ``part`` (some blocks failed), ``waiting``, or ``failed``."""

    task: str
    status: str
    digest: str
    files: Files = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    tries: int = 0
    error: str = ""

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read a line."""
        data = json.loads(line)
        data["files"] = {name: (int(size), int(time)) for name, (size, time) in data["files"].items()}
        return cls(**data)


class State:
    """The record of one run's folder, which one process holds at a time."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched yet."""
        self.folder = folder
        self.path = folder / HIDDEN / "tasks.jsonl"
        self.records: dict[str, Record] = {}
        self._file: FileIO | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the folder, and read what is known.

        Raises
        ------
        Conflict
            ``LOCKED``: another process runs into this folder.
        ResourceError
            ``DISK``.
        """
        try:
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _take(self) -> None:
        with disk_errors(self.folder):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path.parent / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if os.name != "nt":
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = "is in use by another run"
                raise Conflict.of("LOCKED", self.folder, what, "Wait for it, or choose another folder") from None
            self.records = read_state(self.folder)
            lines = [_line(record) for record in self.records.values()]
            write_durable(self.path, *lines)
            self._file = self.path.open("ab", buffering=0)

    def __exit__(self, *exc: object) -> None:
        """Let the folder go."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def note(self, record: Record) -> None:
        """Add what became of a task; on the disk when this returns."""
        assert self._file is not None
        self.records[record.task] = record
        with disk_errors(self.path):
            end = self._file.seek(0, os.SEEK_END)
            line = memoryview(_line(record))
            try:
                while line:
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)  # half a line would stand before the next one
                raise


def stamps(run: Path, task: str) -> Files:
    """What lies in a task's folder of a run now; hidden files are none of it."""
    found: dict[str, tuple[int, int]] = {}
    for folder, folders, names in os.walk(run / task):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(folder, name)
                status = path.stat()
                found[path.relative_to(run).as_posix()] = (status.st_size, status.st_mtime_ns)
    return found


def still_done(record: Record | None, run: Path, digest: str, *, edited: bool) -> bool:
    """Whether a task was done of what ``digest`` says, and its files are there as they were left; ``edited``: there at all."""
    if record is None or record.status != "done" or record.digest != digest:
        return False
    found = stamps(run, record.task)
    return all(name in found if edited else found.get(name) == stamp for name, stamp in record.files.items())


def read_state(folder: Path) -> dict[str, Record]:
    """What is known of each task of a run's folder; a last line that was cut short counts as not written."""
    records: dict[str, Record] = {}
    try:
        with (folder / HIDDEN / "tasks.jsonl").open("rb") as file:
            for line in file:
                try:
                    record = Record.parse(line)
                except (ValueError, TypeError, KeyError, AttributeError):
                    if line.endswith(b"\n"):
                        what = "a line of it is none of geoseg's"
                        raise ResourceError.of("STATE", file.name, what, "Remove it: all is made again") from None
                    break
                records[record.task] = record
    except FileNotFoundError:
        pass
    return records


def _line(record: Record) -> bytes:
    return json.dumps(asdict(record), sort_keys=True, separators=(",", ":")).encode() + b"\n"
