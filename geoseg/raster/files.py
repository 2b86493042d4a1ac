"""Files: outputs appear complete or not at all, and stay after a power cut.

A file is written under its own name in a hidden folder beside the final one, flushed to the disk, and renamed.
The hidden folder is locked while its writer lives, so the next writer of the same output can tell the leftovers of
a killed process from the work of a living one, and removes the former.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.errors import Conflict, ResourceError

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS}
_FORBIDDEN = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}  # for our folder only


@contextmanager
def complete_or_absent(final: str | Path) -> Iterator[Path]:
    """Give a temporary path with the final file's name; when the body ends well, everything there takes its place.

    Parameters
    ----------
    final
        The file, or folder, to appear. What the body leaves beside it in the hidden folder (``.aux.xml``, the parts of
        a Shapefile) is moved too, in order of name, and the final one last: its presence means that all is there.
        An existing file is replaced; whether that is wanted is the caller's question.

    Raises
    ------
    ResourceError
        ``DISK``: the disk is full, over quota, read-only, forbidden or failing; nothing stands under the final name.
    Conflict
        ``EXISTS``: a file stands where a folder has to be, or a folder where the file has to be.
    """
    final = Path(final)
    with disk_errors(final):
        hidden, lock = _prepare(final)
        try:
            yield hidden / final.name
            fsync_tree(hidden)
            _publish(hidden, final)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
            os.close(lock)


def write_durable(path: str | Path, *parts: bytes | memoryview) -> None:
    """Write a file of ``parts``, for journals and receipts: there whole, also after a power cut, or not there."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with disk_errors(path):
        try:
            with temporary.open("xb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError) and error.filename is not None:
                error.filename, error.filename2 = str(path), None  # its user knows no temporary name
            raise
        fsync_folder(path.parent)


@contextmanager
def disk_errors(where: str | Path) -> Iterator[None]:
    """Turn "no space", "quota", "I/O error" and their kin into ``ResourceError`` ``DISK`` that names ``where``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise disk_error(where, os.strerror(error.errno or 0)) from error


def disk_error(where: str | Path, reason: str) -> ResourceError:
    """Return the error for an output that the disk did not take."""
    return ResourceError.of(
        "DISK", where, f"cannot be written ({reason})", "Free some space or choose another folder, then run again"
    )


def disk_is_full(folder: str | Path, needed: int = 1 << 20) -> bool:
    """Whether fewer than ``needed`` bytes are free: to explain an error of a library that hides the reason."""
    return shutil.disk_usage(folder).free < needed


def clean_leftovers(final: str | Path) -> None:
    """Remove the hidden folders that killed writers of ``final`` left behind."""
    final = Path(final)
    for hidden in final.parent.glob(_glob_safe(f".{final.name}.") + "*.partial"):
        lock = _try_lock(hidden)
        if lock is None:
            continue
        _log.info("removing the leftovers of a stopped run: %s", hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(lock)


def fsync_tree(root: Path) -> None:
    """Flush every file and folder under ``root`` to the disk."""
    for folder, _, names in os.walk(root):
        for name in names:
            fsync_file(Path(folder, name))
        fsync_folder(Path(folder))


def fsync_file(path: Path) -> None:
    """Flush one file's data to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(path: Path) -> None:
    """Flush a folder's entries (renames, new names) to the disk; a no-op where folders cannot be opened."""
    if sys.platform != "win32":
        fsync_file(path)


def link_tree(source: Path, target: Path) -> None:
    """Give every file under ``source`` a second name under the new folder ``target``; a copy where that is another disk."""
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                os.link(Path(folder, name), place / name)
            except OSError:
                shutil.copyfile(Path(folder, name), place / name)


def _prepare(final: Path) -> tuple[Path, int]:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        clean_leftovers(final)
        return _locked_folder(final)
    except FileExistsError as error:
        raise Conflict.of("EXISTS", final.parent, "is not a folder", "Choose another output") from error
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise disk_error(final, os.strerror(error.errno or 0)) from error
        raise


def _publish(hidden: Path, final: Path) -> None:
    made = sorted(hidden.iterdir(), key=lambda path: (path.name == final.name, path.name))
    if not made or made[-1].name != final.name:
        raise FileNotFoundError(errno.ENOENT, "the output was not written", str(final))
    if len(made) > 1 and final.is_file():
        final.unlink()  # else a crash between two renames would show the old file with new sidecars
    for path in made:
        _move(path, final.parent / path.name, hidden)
    fsync_folder(final.parent)


def _move(made: Path, target: Path, hidden: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        if not made.is_dir():
            raise Conflict.of("EXISTS", target, "is a folder where a file has to stand", "Choose another output")
        target.rename(hidden / f"{target.name}.replaced")
    made.replace(target)


def _locked_folder(final: Path) -> tuple[Path, int]:
    while True:
        hidden = final.parent / f".{final.name}.{secrets.token_hex(4)}.partial"
        hidden.mkdir()
        lock = _try_lock(hidden)
        if lock is not None:
            return hidden, lock


def _try_lock(folder: Path) -> int | None:
    """Lock a hidden folder for this process; None when a living one has it or it is gone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if sys.platform == "win32":
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists():
            return handle
    except BlockingIOError:
        pass
    os.close(handle)
    return None


def _glob_safe(text: str) -> str:
    return "".join(f"[{c}]" if c in "[]*?" else c for c in text)
