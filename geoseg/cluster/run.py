"""Run blocks on a pool: skip what is committed, commit the rest, say how it goes, and name what failed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from geoseg.cluster.journal import BlockStore, Receipt, missing
from geoseg.cluster.pool import Pool
from geoseg.errors import GeosegError, InputRefused, ResourceError, UsageError
from geoseg.grid.blocks import Block

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """One committed block: its receipt, and how far the step has come."""

    step: str
    receipt: Receipt
    done: int
    total: int
    pixels: int
    seconds: float

    @property
    def rate(self) -> float:
        """Megapixels a second in this run."""
        return self.pixels / 1e6 / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimate from the blocks of this run so far."""
        return (self.total - self.done) * self.seconds / max(self.done, 1)


Report = Callable[[Progress], None]


@dataclass(slots=True)
class Outcomes:
    """What a step over all blocks came to.

    Blocks that a stopped run had committed; blocks run, of them those taken from a finished run of the same pixels; and
    errors by block.
    """

    resumed: int = 0
    run: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def run_blocks(pool: Pool, step: str, store: BlockStore, *, report: Report, on_bad: str = "stop") -> Outcomes:
    """Run ``step`` for every block that ``store`` lacks.

    A block whose worker keeps dying is left out and named, whatever ``on_bad`` says, and so is, with ``on_bad="nodata"``,
    one whose pixels cannot be read. Any other error stops the step; blocks committed so far stay committed.
    """
    total = len(store.grid)
    outcomes = Outcomes(resumed=len(store.done()))
    started, pixels = time.monotonic(), 0
    for block, outcome in pool.map(step, missing(store, store.grid)):
        if outcome is not None:
            outcomes.failed[block.name] = _tolerated(block, outcome, on_bad)
            continue
        outcomes.run += 1
        pixels += block.core.height * block.core.width
        done = outcomes.resumed + outcomes.run
        receipt = store.receipt(block) or Receipt(block.name, "", block.core.shape, (), {})  # a file system may lag
        outcomes.reused += receipt.reused
        report(Progress(step, receipt, done, total, pixels, time.monotonic() - started))
    return outcomes


def _tolerated(block: Block, error: Exception, on_bad: str) -> str:
    if isinstance(error, ResourceError) and error.code == "WORKER":
        return str(error)
    if on_bad == "nodata" and isinstance(error, InputRefused) and error.code == "READ":
        return str(error)
    if isinstance(error, MemoryError):
        remedy = "Use a smaller --block-size, or --ram"
        raise ResourceError.of("MEMORY", block.name, "not enough memory for this block", remedy) from error
    if isinstance(error, GeosegError):
        raise error
    raise error


def progress_file(path: Path) -> Path:
    """Make a file for lines of progress, or take one that has some; UsageError PROGRESS where it is something else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(1) != b"{":
                raise UsageError.of("PROGRESS", path, "holds something else than progress", "Name another file")
    return path


def note_progress(path: Path, line: str) -> None:
    """Append a line to a file of progress; where its disk does not take it the line is lost, and not the run."""
    try:
        with path.open("a") as file:
            file.write(line + "\n")
    except OSError as error:
        _say_once(f"{path}: progress cannot be written ({error.strerror or error})")


@lru_cache(maxsize=64)
def _say_once(text: str) -> None:
    _log.warning("%s", text)


def to_file(path: Path, also: Report | None) -> Report:
    """A report that appends one JSON line for each committed block to ``path``, and passes it on."""
    path = progress_file(path)

    def write(progress: Progress) -> None:
        line: dict[str, Any] = {"step": progress.step, "done": progress.done, "total": progress.total}
        line |= {"mpx_per_s": round(progress.rate, 3), "seconds_left": round(progress.seconds_left, 1)}
        note_progress(path, json.dumps({**line, **asdict(progress.receipt)}, sort_keys=True))
        if also:
            also(progress)

    return write
