"""Machine: checks of processors, memory, disks and what files may do on them."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from geoseg.jobs.doctor.finding import Finding, fail, ok, warn

_GIB = 1 << 30
_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "GDAL_NUM_THREADS")
_FEW_FILES = 512
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "fuse.sshfs"}


def threads(_: str) -> Finding:
    """Processors that this process may use, and settings that allow it fewer threads, or more."""
    whole = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else whole
    quota = _quota()
    text = f"{usable} of {whole} processors" + (f", {quota:g} of them by the container's quota" if quota else "")
    for name in _LIMITS:
        value = os.environ.get(name, "")
        if value.isdecimal() and int(value) < usable:
            return warn("threads", f"{text}; {name}={value}", f"Run: unset {name}, where all of them should work")
    if quota and quota < usable:
        return warn("threads", text, f"Give --threads {max(int(quota), 1)}: more of them slow each other down")
    return ok("threads", text)


def memory(_: str) -> Finding:
    """Memory that is free now, of the machine or of the container's limit."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
    whole, free = (int(lines[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))
    limit = _limit()
    if limit is not None and limit[0] < whole:
        whole, free = limit[0], min(free, limit[0] - limit[1])
    text = f"{free / _GIB:.1f} of {whole / _GIB:.1f} GiB are free"
    if free < 1 * _GIB:
        return fail("memory", text, "Free some: a run takes one GiB at least, see geoseg plan")
    if free < 2 * _GIB:
        return warn("memory", text, "Say --ram 1GiB and --workers 1, or free some")
    return ok("memory", text)


def files(_: str) -> Finding:
    """How many files a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _FEW_FILES:
        more = 4096 if hard < 0 else min(hard, 4096)
        remedy = (
            f"Run: ulimit -n {more}" if more > soft else "Let whoever starts it allow 4096 (LimitNOFILE= of systemd)"
        )
        return warn("files", f"a process may open {soft}", remedy)
    return ok("files", "a process may open any number" if soft < 0 else f"a process may open {soft}")


def disk(folder: str) -> Finding:
    """The folder of the outputs: room, and whether a file written there is the file that is read."""
    return _place("disk", Path(folder), "Choose another folder for OUT, or free some")


def tmp(_: str) -> Finding:
    """The folder for temporary files."""
    return _place("tmp", Path(tempfile.gettempdir()), "Set TMPDIR to a folder with room")


def sqlite(folder: str) -> Finding:
    """SQLite, and whether two connections can share a file in its WAL mode, as services share a store of jobs."""
    said = f"SQLite {sqlite3.sqlite_version}"
    kind = _file_system(Path(folder))
    with tempfile.TemporaryDirectory(prefix=".geoseg-doctor-", dir=folder) as made:
        path = Path(made) / "jobs.db"
        with closing(sqlite3.connect(path, timeout=5)) as one, closing(sqlite3.connect(path, timeout=5)) as other:
            (mode,) = one.execute("PRAGMA journal_mode = WAL").fetchone()
            one.execute("CREATE TABLE seen (n INTEGER)")
            one.execute("INSERT INTO seen VALUES (7)")
            one.commit()
            found = other.execute("SELECT n FROM seen").fetchall()
    if mode.lower() != "wal" or found != [(7,)]:
        return fail(
            "sqlite", f"{said}: no write-ahead log in {folder}", "Put the store of jobs on a local disk: --store FILE"
        )
    if kind in _NETWORK:
        return warn("sqlite", f"{said}; {folder} lies on {kind}", "Put the store of jobs on a local disk: --store FILE")
    return ok("sqlite", f"{said}: two connections share a file")


def clock(_: str) -> Finding:
    """Time zones, for jobs by a calendar, and a clock that is not years away."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        return warn("clock", "there are no time zones here", "Run: apt-get install tzdata, or pip install tzdata")
    year = time.gmtime().tm_year
    if not 2024 <= year < 2100:
        return warn("clock", f"the year is {year}", "Set the clock: certificates and calendars go by it")
    return ok("clock", f"{time.strftime('%Y-%m-%d %H:%M')} {time.tzname[0]}, time zones are there")


def _place(check: str, folder: Path, remedy: str) -> Finding:
    if not folder.is_dir():
        return fail(check, f"{folder} is not a folder", remedy)
    try:
        speed = _write_back(folder)
    except OSError as error:
        return fail(check, f"{folder}: {error.strerror or error}", f"Check its permissions. {remedy}")
    if speed is None:
        return fail(check, f"{folder}: what was written is not what is read back", remedy)
    free = shutil.disk_usage(folder).free
    text = f"{folder}: {free / _GIB:.1f} GiB are free, {speed:.0f} MB/s written through"
    if free < _GIB // 8:
        return fail(check, text, remedy)
    return warn(check, text, remedy) if free < 4 * _GIB else ok(check, text)


def _write_back(folder: Path, size: int = 8 << 20) -> float | None:
    """MB/s of a file that is written, brought to the disk, renamed and read; None where another one comes back."""
    data = os.urandom(1 << 16) * (size >> 16)
    with tempfile.TemporaryDirectory(prefix=".geoseg-doctor-", dir=folder) as made:
        begun = time.perf_counter()
        first, second = Path(made) / "a.part", Path(made) / "a"
        with first.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        took = time.perf_counter() - begun
        first.rename(second)
        same = second.read_bytes() == data
    return size / 1e6 / max(took, 1e-6) if same else None


def _file_system(folder: Path) -> str:
    """The type of the file system below a folder, as Linux names it; empty where it does not say."""
    where, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    here = str(folder.resolve())
    for line in lines:
        point, name = line.split()[1:3]
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(where):
            where, kind = point, name
    return kind


def _quota() -> float | None:
    """Processors that the control group may use at a time; None without a limit."""
    try:
        share, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if share == "max" else int(share) / int(period)


def _limit() -> tuple[int, int] | None:
    """Bytes that the control group may have, and has that cannot be dropped; None without a limit."""
    root = Path("/sys/fs/cgroup")
    try:
        most = (root / "memory.max").read_text().strip()
        used = int((root / "memory.current").read_text())
        stat = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return None if most == "max" else (int(most), used - int(stat.get("inactive_file", 0)))
