"""Database: the one SQLite file of jobs, opened, migrated, and its failures said in one line."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from geoseg.errors import Conflict, GeosegError, InputRefused, ResourceError, UsageError
from geoseg.schedule.schema import APPLICATION, MIGRATIONS

_DAMAGE = ("no such table", "no such column", "cannot be read", "decode to UTF-8", "malformed")
_WAIT = 10.0  # seconds for another process's write; ours take milliseconds


class Database:
    """A connection that threads may share. Reads see one state of the file; writes are whole or not at all, and on the disk.

    Parameters
    ----------
    path
        The file. It is made, readable by its owner only, unless ``create`` is False.
    wait
        Seconds to wait for a lock that another process holds.

    Raises
    ------
    InputRefused
        ``STORE``: the file is no store of jobs, is damaged, or was made by a newer geoseg. ``NOT_FOUND``: no such file.
    Conflict
        ``LOCKED``: another process holds it. ``STORE_CHANGED``: a newer geoseg has migrated it under this process.
    ResourceError
        ``DISK``, ``FILE``: it cannot be written or opened.
    """

    def __init__(self, path: str | Path, *, create: bool = True, wait: float = _WAIT) -> None:
        """Open the file and bring its schema to this version."""
        self.path = Path(path).absolute()
        self._lock = threading.RLock()
        _look(self.path, create)
        with self._said():
            self._connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None, check_same_thread=False)
            try:
                self._begin()
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the right to write from its start; an exception in the body undoes it."""
        with self._lock, self._said():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._same_version()
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state and keeps nobody from writing."""
        with self._lock, self._said():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        """The database itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _begin(self) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA trusted_schema = OFF")
        version = self._version()
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise _strange(self.path)
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            what = "lies where SQLite cannot share it between processes (no write-ahead log)"
            raise ResourceError.of("FILE", self.path, what, "Keep the store on a local disk")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        """Bring the schema to this version in one transaction; of two processes that try, the second finds it done."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for number, statements in enumerate(MIGRATIONS[self._version() :], start=self._version() + 1):
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        """The file's version; 0 for an empty one."""
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application not in (0, APPLICATION) or (application == 0) != (version == 0):
            raise _strange(self.path)
        if version > len(MIGRATIONS):
            what = f"was written by a newer geoseg (version {version} of the store; this one knows {len(MIGRATIONS)})"
            raise InputRefused.of("STORE", self.path, what, "Update geoseg")
        return int(version)

    def _same_version(self) -> None:
        if self._version() != len(MIGRATIONS):
            raise Conflict.of("STORE_CHANGED", self.path, "was changed by another version of geoseg", "Start again")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn what SQLite says into one of geoseg's errors."""
        try:
            yield
        except UnicodeDecodeError:  # what SQLite says of a damaged schema holds its bytes
            raise _known(sqlite3.DatabaseError("malformed text"), self.path) from None
        except sqlite3.Error as error:
            raise _known(error, self.path) from None


def _look(path: Path, create: bool) -> None:
    """Refuse what is no file; make the file, and its folder, for its owner only."""
    if path.exists() and not path.is_file():
        raise InputRefused.of("STORE", path, "is not a file", "Name the file of the job store")
    if path.exists():
        return
    if not create:
        raise InputRefused.of(
            "NOT_FOUND", path, "there is no store of jobs", "Make one with geoseg jobs add, or name another by --store"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise ResourceError.of(
            "FILE", path, f"cannot be made: {error.strerror}", "Choose another place by --store"
        ) from None


def _strange(path: Path) -> InputRefused:
    return InputRefused.of("STORE", path, "is a database, but no store of jobs", "Choose another file by --store")


def _known(error: sqlite3.Error, path: Path) -> GeosegError:
    """What SQLite's error means for a person."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        what = "another process keeps the store locked"
        return Conflict.of("LOCKED", path, what, "Try again; if it stays, look for a process that holds the file")
    if code == sqlite3.SQLITE_NOTADB:
        return InputRefused.of("STORE", path, "is not a store of jobs", "Choose another file by --store")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CONSTRAINT) or any(sign in str(error) for sign in _DAMAGE):
        what = f"the store is damaged ({error})"
        return InputRefused.of("STORE", path, what, "Restore it from a copy, or move it away and add the jobs again")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return ResourceError.of("DISK", path, f"cannot be written ({error})", "Free some space, then run again")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ResourceError.of(
            "FILE", path, f"cannot be opened for writing ({error})", "Check its permissions and its folder's"
        )
    if isinstance(error, sqlite3.ProgrammingError):
        return UsageError.of("STORE", path, str(error), "Open it again")
    return ResourceError.of("STORE", path, str(error), "Check the file and its disk")
