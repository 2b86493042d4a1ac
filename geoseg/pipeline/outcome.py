"""Outcome: what became of a pipeline's tasks, how far a run is, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from geoseg.errors import (
    BundleError,
    ClusterLost,
    Conflict,
    DoneInPart,
    GeosegError,
    InputRefused,
    ResourceError,
    UsageError,
)

Status = Literal["done", "skipped", "part", "waiting", "failed", "blocked"]
GOOD = ("done", "skipped", "part")
"""What a task came to whose outputs are there."""
BAD = ("failed", "part", "blocked")
"""What it came to where not all is there that was to be."""
RECORD = "pipeline.json"
_KINDS = {
    kind.exit_code: kind for kind in (UsageError, InputRefused, Conflict, BundleError, ResourceError, ClusterLost)
}


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of one task in this run.

    ``done``; ``skipped``: it was done before, of the same inputs; ``part``: blocks of it failed, it is tried again next
    time; ``waiting``: for a person; ``failed``; ``blocked``: what it is made of is not there.
    """

    task: str
    step: str
    status: Status
    scenes: tuple[str, ...] = ()
    out: str = ""
    digest: str = ""
    seconds: float = 0.0
    tries: int = 0
    error: str = ""
    exit_code: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a run is: ``tasks_done`` of ``tasks``; within ``task``, ``done`` of ``total`` of what its ``step`` counts.

    ``status`` is ``running``, or what became of the task; ``more`` is what else is known, such as a block's receipt.
    """

    task: str
    step: str
    status: str
    done: int
    total: int
    tasks_done: int
    tasks: int
    more: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """One line of JSON."""
        told = asdict(self)
        return json.dumps({**told.pop("more"), **told}, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """Where the outputs are, and what became of each task."""

    folder: Path
    tasks: tuple[TaskOutcome, ...] = field(repr=False)

    def count(self, status: str) -> int:
        """How many tasks came to this."""
        return sum(task.status == status for task in self.tasks)

    @property
    def failed(self) -> tuple[TaskOutcome, ...]:
        """The tasks that are not, or not wholly, done, and were to be."""
        return tuple(task for task in self.tasks if task.status in BAD)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"out": str(self.folder), "tasks": [asdict(task) for task in self.tasks]}

    def raise_if_failed(self) -> None:
        """Say that tasks failed: the error itself where nothing at all was done, else DoneInPart."""
        bad = [task for task in self.tasks if task.status in ("failed", "part")]
        if not bad:
            return
        first, others = bad[0], len(bad) - 1
        more = f", and {others} more" if others else ""
        what = f"{len(bad)} of {len(self.tasks)} tasks failed: {first.task}: {first.error.rstrip('. ')[:600]}{more}"
        remedy = f"{RECORD} names them; the same command tries them again"
        codes = {task.exit_code for task in bad}
        if not any(task.status in GOOD for task in self.tasks if task.step != "report") and len(codes) == 1:
            raise _KINDS.get(first.exit_code, GeosegError)(
                f"{first.error} {others} more tasks failed like it." if others else first.error
            )
        raise DoneInPart.of("TASKS", self.folder, what, remedy)
