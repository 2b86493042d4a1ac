"""Watch: scenes that appear in a folder or a STAC catalog, each given to its job once, when its files are complete.

Complete is what nobody has changed for a while (by the time of the last change that the file system keeps, which copying tools
cannot set back), nobody has open for writing (where the system tells), and has all the bytes that it speaks of.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from geoseg.errors import GeosegError, InputRefused
from geoseg.raster.netcdf import is_netcdf
from geoseg.raster.sniff import sniff
from geoseg.raster.whole import check_whole
from geoseg.schedule.command import Roots
from geoseg.schedule.store import JobStore
from geoseg.schedule.values import Job

_log = logging.getLogger(__name__)

SUFFIXES = (".tif", ".tiff", ".jp2", ".nc")
_CATALOG = ("catalog.json", "collection.json")
_PRODUCT = ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml")
_DEEPEST, _MOST, _AT_A_TIME, _MOST_JSON = 6, 200_000, 200, 4 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A scene in a watched folder: its path relative to it, what a run is given, and the files that have to be complete."""

    key: str
    path: Path
    files: tuple[Path, ...]


class Watcher:
    """Looks at the watched folders of all jobs, in a thread of its own: a folder on a network may take its time."""

    def __init__(self, store: JobStore, roots: Roots, every: timedelta) -> None:
        """Nothing is looked at yet."""
        self.store, self.roots, self.every = store, roots, every
        self.unfinished = 0
        self._known: set[tuple[int, str]] = set()
        self._thread: threading.Thread | None = None
        self._looked: datetime | None = None
        self._closed = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> None:
        """Begin a look if it is time for one."""
        now = self.store.clock.now()
        if self.busy or (self._looked is not None and abs(now - self._looked) < self.every):
            return
        jobs = [job for job in self.store.jobs() if job.settings.watch is not None and not job.paused]
        self._looked = now
        if jobs:
            self._thread = threading.Thread(target=self._look, args=(jobs,), name="watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the look, if one is under way."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(5)

    def _look(self, jobs: list[Job]) -> None:
        for job in jobs:
            try:
                self.look_at(job)
            except (GeosegError, OSError) as error:
                _say_once(f"job {job.name}: {error}")

    def look_at(self, job: Job) -> int:
        """Make slots of a job's new scenes; how many there were. A few hundred at a time, the others at the next look."""
        folder = job.settings.watch
        assert folder is not None
        self.roots.check(job.settings, folder)
        made = 0
        for arrival in arrivals(folder):
            if self._closed.is_set() or made >= _AT_A_TIME:
                break
            if (job.id, arrival.key) in self._known:
                continue
            try:
                self.roots.check(job.settings, *map(str, arrival.files))
            except InputRefused as error:
                _say_once(f"job {job.name}: {error}")
                continue
            if is_complete(arrival, self.store.clock.now(), self.every):
                made += self.store.add_scene(job.name, arrival.key, [str(arrival.path)]) is not None
                self._known.add((job.id, arrival.key))
        return made


def arrivals(folder: str | Path) -> Iterator[Arrival]:
    """The scenes of a folder, by path, complete or not: rasters, product folders, or the items of a STAC catalog.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``: it is no folder.
    """
    top = Path(folder)
    if top.name in _CATALOG:
        top = top.parent
    if not top.is_dir():
        raise InputRefused.of("NOT_FOUND", folder, "there is no such folder to watch", "Make it, or name another")
    is_catalog = any((top / name).is_file() for name in _CATALOG)
    yield from _items(top) if is_catalog else _rasters(top)


def is_complete(arrival: Arrival, now: datetime, age: timedelta) -> bool:
    """Whether all files are there whole: unchanged for ``age``, open for writing nowhere, and a raster where they say so."""
    try:
        if any(now.timestamp() - path.stat().st_ctime < age.total_seconds() for path in arrival.files):
            return False
        if any(_is_written(path) for path in arrival.files):
            return False
        for path in arrival.files:
            if path.suffix.lower() in (".tif", ".tiff", ".jp2"):
                sniff(path)
                check_whole(path)
            elif path.suffix.lower() == ".nc":
                if not is_netcdf(path):
                    raise InputRefused.of("FORMAT", path, "does not begin as NetCDF does", "Copy or download it again")
                check_whole(path)
    except InputRefused as error:
        _say_once(f"is not taken (yet): {error}")
        return False
    except OSError:
        return False
    return True


def _rasters(top: Path) -> Iterator[Arrival]:
    seen = 0
    for name, folders, files in os.walk(top):
        folder = Path(name)
        deep = len(folder.relative_to(top).parts)
        if _is_product(files):
            folders.clear()
            inside = tuple(sorted(p for p in folder.rglob("*") if p.is_file()))
            yield Arrival(_key(folder, top), folder, inside)
            continue
        folders[:] = sorted(f for f in folders if not f.startswith(".") and deep < _DEEPEST)
        for file in sorted(files):
            seen += 1
            if seen > _MOST:
                _say_once(f"{top}: more than {_MOST} files; the others are not looked at")
                return
            path = folder / file
            if not file.startswith(".") and path.suffix.lower() in SUFFIXES and _is_text(file):
                yield Arrival(_key(path, top), path, (path,))


def _items(top: Path) -> Iterator[Arrival]:
    for name, folders, files in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            path = Path(name, file)
            if file.endswith(".json") and not file.startswith(".") and file not in _CATALOG and _is_text(file):
                item = _read_item(path)
                if item is not None:
                    yield Arrival(_key(path, top), path, (path, *_assets(path, item)))


def _read_item(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size <= _MOST_JSON:
            item = json.loads(path.read_bytes())
            if isinstance(item, dict) and item.get("type") == "Feature" and "stac_version" in item:
                return item
    return None


def _assets(path: Path, item: dict[str, Any]) -> Iterator[Path]:
    """Local files that an item names; what lies on the network is not waited for."""
    assets = item.get("assets")
    for asset in assets.values() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or "\0" in href:
            continue
        parts = urlsplit(href)
        if parts.scheme in ("", "file"):
            yield path.parent / (unquote(parts.path) if parts.scheme else href)


def _is_product(files: list[str]) -> bool:
    return any(name in _PRODUCT or name.endswith(("_MTL.txt", "_MTL.json")) for name in files)


def _is_written(path: Path) -> bool:
    """Whether a process has the file open for writing: then the kernel gives no lease on it. False where it cannot tell."""
    if sys.platform != "linux":
        return False
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # a writer that comes now must not end us by SIGIO
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    finally:
        os.close(handle)
    return False


def _key(path: Path, top: Path) -> str:
    return path.relative_to(top).as_posix()


def _is_text(name: str) -> bool:
    return name.isprintable() and not any("\ud800" <= c <= "\udfff" for c in name)


@lru_cache(maxsize=1024)
def _say_once(text: str) -> None:
    _log.warning("%s", text)
