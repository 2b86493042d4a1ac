"""Progress on stderr: bars on a terminal for blocks, strips, steps of a fit, and for what cannot say how far it is.

Where stderr is no terminal there is a line after a minute, then ever more rarely; with ``--quiet`` there is nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import click

from geoseg.cli import options
from geoseg.cli.signals import stoppable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from geoseg.cluster.run import Progress, Report
    from geoseg.training.fitting.fit import Progress as FitProgress


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Report | None]:
    """Give a callback for committed blocks; None when there is nobody to look."""
    with _bar("blocks", "{task.fields[note]}", quiet=quiet) as update:
        if update is None:
            yield None
            return

        def report(progress: Progress) -> None:
            update(progress.step, progress.done, progress.total, f"{progress.rate:.1f} Mpx/s")

        yield report


@contextmanager
def strip_bar(
    *, quiet: bool, name: str = "polygonize", of: str = "strips"
) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callback for the strips, or blocks, of a raster (done, of all); None when there is nobody to look."""
    with _bar(of, quiet=quiet) as update:
        yield update and (lambda done, total: update(name, done, total, ""))


@contextmanager
def file_bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a callback for the rows of files (name, done, of all); None when there is nobody to look."""
    with _bar("rows", quiet=quiet) as update:
        yield update and (lambda name, done, total: update(name, done, total, ""))


@contextmanager
def watched(out: str, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give a callback for the tiles of steps (name, done, of all) of a run that leaves nothing when a signal stops it."""
    with stoppable(out, "Nothing was written; run it again") as stop, _bar("tiles", quiet=quiet) as update:

        def report(step: str, done: int, total: int) -> None:
            stop.check()
            if update is not None:
                update(step, done, total, "")

        yield report


@contextmanager
def fit_bar(*, quiet: bool) -> Iterator[Callable[[str, FitProgress], None] | None]:
    """Give a callback for the steps of fits (name, progress); None when there is nobody to look."""
    with _bar("steps", "{task.fields[note]}", quiet=quiet) as update:
        if update is None:
            yield None
            return

        def report(name: str, progress: FitProgress) -> None:
            seen = "" if progress.mean_iou is None else f"  mIoU {progress.mean_iou:.3f}"
            update(name, progress.step, progress.steps, f"loss {progress.loss:.3f}{seen}")

        yield report


@contextmanager
def working(*, quiet: bool | None = None) -> Iterator[None]:
    """Show that a verb is at work which cannot say how far it is; what takes less than two seconds shows nothing."""
    with _bar("", quiet=options.quiet() if quiet is None else quiet):
        yield


@contextmanager
def task_bar(*, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Give a callback for the tasks of a pipeline (done, of all, which)."""
    with _bar("tasks", "{task.fields[note]}", quiet=quiet) as update:
        name = _verb()
        yield lambda done, total, note: update(name, done, total, note) if update else None


Update = Callable[[str, int, int, str], None]
"""Called with a line's name, what is done, of how much, and a note."""

_SOON = 2.0
"""Seconds after which something moves, when nothing else does."""
_SPARSE = 60.0
"""Seconds to the first line where stderr is no terminal; each further one takes twice as long, ten minutes at most."""


@contextmanager
def _bar(unit: str, *columns: str, quiet: bool) -> Iterator[Update | None]:
    """On a terminal a bar for each name, else a line now and then, all on stderr; nothing when it is to be quiet."""
    if quiet:
        yield None
        return
    with (_Bars if sys.stderr.isatty() else _Lines)(_verb(), unit, columns) as shown:
        yield shown.update


class _Lines:
    """Lines for a log: what was heard last, after a minute, two minutes more, four minutes more, ..."""

    def __init__(self, verb: str, unit: str, columns: Sequence[str]) -> None:
        self._verb, self._unit, self._noted = verb, unit, bool(columns)
        self._said = ""
        self._end = threading.Event()
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._tell, daemon=True, name="geoseg-progress")

    def update(self, name: str, done: int, total: int, note: str) -> None:
        said = f"{done} of {total} {self._unit}" + (f", {note}" if self._noted and note else "")
        self._said = f"{said}, " if name == self._verb else f"{name} {said}, "

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _tell(self) -> None:
        pause = _SPARSE
        while not self._end.wait(pause):
            pause = min(2 * pause, 600.0)
            click.echo(f"geoseg: {self._verb}: {self._said}{time.monotonic() - self._begun:.0f} s", err=True)


class _Bars:
    """rich's bars, a line for each name from when it is first heard of; one that only moves while nothing is heard."""

    def __init__(self, verb: str, unit: str, columns: Sequence[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

        self._verb, self._unit = verb, unit
        console = Console(stderr=True)  # NO_COLOR is rich's to obey
        self._bar = Progress(
            "{task.description}", BarColumn(), "{task.fields[count]}", *columns, TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, refresh_per_second=4,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._idle: TaskID | None = None
        self._heard = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="geoseg-progress")

    def update(self, name: str, done: int, total: int, note: str) -> None:
        with self._lock:
            self._heard = time.monotonic()
            self._drop_idle()
            if name not in self._tasks:
                self._tasks[name] = self._bar.add_task(name, total=total, note=note, count="")
            count = f"{done}/{total} {self._unit}"
            self._bar.update(self._tasks[name], completed=done, total=total, note=note, count=count)

    def __enter__(self) -> Self:
        self._bar.start()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
        with self._lock:
            self._drop_idle()
        self._bar.stop()

    def _look(self) -> None:
        while not self._end.wait(_SOON / 4):
            with self._lock:
                waits = self._bar.finished and time.monotonic() - self._heard > _SOON
                if waits and self._idle is None and not self._end.is_set():
                    self._idle = self._bar.add_task(self._verb, total=None, note="", count="")

    def _drop_idle(self) -> None:
        if self._idle is not None:
            self._bar.remove_task(self._idle)
            self._idle = None


def _verb() -> str:
    """What the command line was asked to do."""
    context = click.get_current_context(silent=True)
    return (context.info_name if context else None) or "geoseg"
