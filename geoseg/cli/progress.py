"""Progress bars on stderr: blocks, strips, steps of a fit; nothing where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from geoseg.cli.signals import stoppable
from geoseg.cluster.run import Progress, Report

if TYPE_CHECKING:
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


Update = Callable[[str, int, int, str], None]
"""Called with a line's name, what is done, of how much, and a note."""


@contextmanager
def _bar(unit: str, *columns: str, quiet: bool) -> Iterator[Update | None]:
    """A line for each name, which appears when it is first heard of."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    first = ("{task.description}", BarColumn(), MofNCompleteColumn(), unit)
    with Bar(*first, *columns, TimeRemainingColumn(), console=console) as bar:
        tasks: dict[str, Any] = {}

        def update(name: str, done: int, total: int, note: str) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total, note=note)
            bar.update(tasks[name], completed=done, total=total, note=note)

        yield update
