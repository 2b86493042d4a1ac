"""Command: run geoseg in a process of its own, tell its progress, and say in one line why it failed. Knows nothing of QGIS."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

DONE_IN_PART = 8
"""Exit code: outputs are there, and some blocks are missing in them."""

_QGIS_ONLY = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB",
    "PROJ_DATA",
)  # fmt: skip
"""What QGIS sets for its own Python, GDAL and PROJ: another program's would read files of the wrong version."""
_PATIENCE = 60.0
"""Seconds in which a stopped run may finish its blocks before it is ended."""
_TICK = 0.1


class CommandFailed(Exception):
    """geoseg has not done it; the message is its one line, with the remedy."""


def find(setting: str = "") -> str:
    """The geoseg command: what the setting names, a program or the folder of a virtual environment, else that on the PATH."""
    named = os.path.expanduser(setting.strip())
    programs = [named]
    if os.path.isdir(named):
        programs = [
            os.path.join(named, *parts) for parts in (("bin", "geoseg"), ("Scripts", "geoseg.exe"), ("geoseg",))
        ]
    for program in programs if named else ["geoseg", os.path.expanduser("~/.local/bin/geoseg")]:
        found = shutil.which(program)
        if found:
            return found
    where = f"{named} is no program" if named else "there is no geoseg on the PATH"
    raise CommandFailed(f"{where}. Name it in Settings, Options, Processing, Providers, geoseg")


def run(
    command: str,
    arguments: list[str],
    *,
    on_line: Callable[[str], None],
    on_progress: Callable[[str, float], None],
    is_cancelled: Callable[[], bool],
    tells_progress: bool,
) -> int:
    """Run the command to its end; what it prints goes to ``on_line``, and (step, percent) to ``on_progress``.

    Parameters
    ----------
    arguments
        Handed over one by one, never through a shell.
    tells_progress
        Whether the verb has ``--progress``.

    Returns
    -------
    int
        0, or :data:`DONE_IN_PART`.

    Raises
    ------
    CommandFailed
        Any other exit code, or it was cancelled; geoseg keeps the finished blocks of a cancelled ``segment``.
    """
    with tempfile.TemporaryDirectory(prefix="geoseg-qgis-") as folder:
        told = os.path.join(folder, "progress.jsonl")
        more = ["--progress", told] if tells_progress else []
        process = _start([command, *arguments, *more])
        lines = _Lines(process)
        progress = _Progress(told)
        cancelled = None
        while process.poll() is None:
            if cancelled is None and is_cancelled():
                cancelled = time.monotonic()
                _interrupt(process)
            if cancelled is not None and time.monotonic() - cancelled > _PATIENCE:
                process.kill()
            lines.tell(on_line)
            progress.tell(on_progress)
            time.sleep(_TICK)
        lines.tell(on_line, ended=True)
        progress.tell(on_progress)
    if process.returncode in (0, DONE_IN_PART):
        return process.returncode
    raise CommandFailed(lines.reason(process.returncode))


def environment() -> dict[str, str]:
    """The environment without what is QGIS's own."""
    return {key: value for key, value in os.environ.items() if key not in _QGIS_ONLY}


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":  # no window, and a group of its own that Ctrl+Break reaches
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
            creationflags=flags, cwd=str(Path.home()),
        )  # fmt: skip
    except OSError as error:
        raise CommandFailed(f"{arguments[0]} cannot be started: {error.strerror or error}") from error


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop in order."""
    process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)


class _Lines:
    """What the process prints, taken by threads so that no pipe fills; told by whoever waits for it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._waiting: queue.Queue[tuple[bool, str]] = queue.Queue()
        self._errors: list[str] = []
        pipes = ((process.stdout, False), (process.stderr, True))
        self._readers = [threading.Thread(target=self._read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[bytes], is_error: bool) -> None:
        with pipe:
            for raw in pipe:
                self._waiting.put((is_error, raw.decode("utf-8", "replace").rstrip()))

    def tell(self, on_line: Callable[[str], None], *, ended: bool = False) -> None:
        """Hand on what has come since."""
        if ended:
            for reader in self._readers:
                reader.join(5)
        while not self._waiting.empty():
            is_error, line = self._waiting.get()
            if is_error and line:
                self._errors = [*self._errors[-50:], line]
            on_line(line)

    def reason(self, code: int) -> str:
        """Why it failed: geoseg's line where it wrote one."""
        own = [line for line in self._errors if line.startswith("geoseg: ")]
        said = (own or self._errors or [f"geoseg ended with exit code {code} and said nothing"])[-1]
        return said[len("geoseg: ") :] if own else said


class _Progress:
    """The lines of a progress file, read as they come."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0

    def tell(self, on_progress: Callable[[str, float], None]) -> None:
        """Hand on the last whole line that is new."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        if whole:
            line = json.loads(whole.splitlines()[-1])
            on_progress(str(line["step"]), 100.0 * line["done"] / max(line["total"], 1))
