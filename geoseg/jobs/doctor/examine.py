"""Examine: run the doctor's checks, each in a process of its own, so that none can hang or take the others with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import geoseg
from geoseg.errors import UsageError
from geoseg.jobs.doctor import compute, install, machine, maps
from geoseg.jobs.doctor.finding import Finding, fail

Check = Callable[[str], Finding]

CHECKS: dict[str, Check] = {
    "python": install.python,
    "geoseg": install.packages,
    "extras": install.extras,
    "gdal": maps.gdal,
    "proj": maps.proj,
    "crs": maps.coordinates,
    "vector": maps.vector,
    "cog": maps.cog,
    "threads": machine.threads,
    "memory": machine.memory,
    "files": machine.files,
    "disk": machine.disk,
    "tmp": machine.tmp,
    "sqlite": machine.sqlite,
    "clock": machine.clock,
    "numba": compute.numba,
    "network": compute.network,
    "gpu": compute.gpu,
    "cluster": compute.cluster,
}
"""The checks by name, in the order in which they are told; each is a function of the outputs' folder."""

PATIENCE = 60.0
MARK = "geoseg-finding: "
"""Begins the line in which a child says what it found."""
_SIDE_BY_SIDE = 2
_GONE = 2.0
"""Seconds for a process that was killed to be gone; one that hangs in a driver or on a dead disk is left behind."""


def examine(folder: str | Path = ".", *, only: Sequence[str] = (), patience: float = PATIENCE) -> Iterator[Finding]:
    """Yield a finding for each check, in the order of :data:`CHECKS`; at most ``patience`` seconds are given to each.

    Parameters
    ----------
    folder
        Where outputs will lie: its disk is looked at, and what is written there is taken away again.
    only
        Names of checks; all of them when empty.

    Raises
    ------
    UsageError
        ``CHECK``: no check has such a name.
    """
    strange = [name for name in only if name not in CHECKS]
    if strange:
        raise UsageError.of("CHECK", strange[0], "is no check", f"They are {', '.join(CHECKS)}")
    names = [name for name in CHECKS if not only or name in only]
    running: list[subprocess.Popen[str]] = []
    pool = ThreadPoolExecutor(_SIDE_BY_SIDE)
    try:
        yield from pool.map(lambda name: _asked(name, str(folder), patience, running), names)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in running:  # a signal came, or nobody wants to know the rest
            _kill(child)


def _asked(name: str, folder: str, patience: float, running: list[subprocess.Popen[str]]) -> Finding:
    """The finding of one check, or what became of its process."""
    command = [sys.executable, "-m", "geoseg.jobs.doctor.child", name, folder]
    home = str(Path(geoseg.__file__).parents[1])  # also where geoseg runs from its source
    path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        encoding="utf-8", errors="replace", env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    running.append(child)
    late = False
    try:
        out, err = child.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        late = True
        _kill(child)
        out, err = _rest(child)
    running.remove(child)
    took = time.perf_counter() - begun
    found = _told(out)
    if found is not None:
        return replace(found, seconds=round(took, 2))
    return replace(_ended(name, child.returncode, err, late, patience), seconds=round(took, 2))


def _ended(name: str, code: int | None, err: str, late: bool, patience: float) -> Finding:
    """What it means that a check said nothing."""
    if late:
        remedy = "See what it waits for, a driver, a disk or the network; or give it more by --timeout"
        return fail(name, f"no answer within {patience:g} s", remedy)
    if code is not None and code < 0:
        try:
            killer = signal.Signals(-code).name
        except ValueError:
            killer = f"signal {-code}"
        remedy = "Libraries of two installations may be mixed: install geoseg into a new environment"
        return fail(name, f"the check was ended by {killer}", remedy)
    last = next((line for line in reversed(err.splitlines()) if line.strip()), f"exit code {code}")
    return fail(name, " ".join(last.split())[:300], "Install geoseg into a new environment")


def _told(out: str) -> Finding | None:
    """The finding in a child's last line that holds one; libraries may have printed before it."""
    for line in reversed(out.splitlines()):
        if line.startswith(MARK):
            return Finding(**json.loads(line.removeprefix(MARK)))
    return None


def _kill(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _rest(child: subprocess.Popen[str]) -> tuple[str, str]:
    """What a killed child had said; nothing where it does not even die."""
    try:
        return child.communicate(timeout=_GONE)
    except subprocess.TimeoutExpired:
        return "", ""
