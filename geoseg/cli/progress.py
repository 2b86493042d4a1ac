"""A progress bar on stderr: blocks, megapixels a second, time left; nothing where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geoseg.cluster.run import Progress, Report


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Report | None]:
    """Give a callback for committed blocks; None when there is nobody to look."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "blocks", TextColumn("{task.fields[rate]}"))
    with Bar(*columns, TimeRemainingColumn(), console=console) as bar:
        tasks: dict[str, object] = {}

        def report(progress: Progress) -> None:
            if progress.step not in tasks:
                tasks[progress.step] = bar.add_task(progress.step, total=progress.total, rate="")
            bar.update(tasks[progress.step], completed=progress.done, rate=f"{progress.rate:.1f} Mpx/s")  # type: ignore[arg-type]

        yield report


@contextmanager
def strip_bar(
    *, quiet: bool, name: str = "polygonize", of: str = "strips"
) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callback for the strips, or other parts, of a raster (done, of all); None when there is nobody to look."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Bar(name, BarColumn(), MofNCompleteColumn(), of, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def step_bar(*, quiet: bool) -> Iterator[Callable[[int, int, float], None] | None]:
    """Give a callback for the steps of a fit (done, of all, loss); None when there is nobody to look."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = ("fit", BarColumn(), MofNCompleteColumn(), "steps", TextColumn("loss {task.fields[loss]:.3f}"))
    with Bar(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("fit", total=None, loss=0.0)
        yield lambda done, total, loss: bar.update(task, completed=done, total=total, loss=loss)
