"""Values: a job, its slots, their runs and attempts, as the store tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from geoseg.schedule.settings import JobSettings

SlotKind = Literal["cron", "scene", "manual"]
SlotState = Literal[
    "waiting", "running", "done", "part", "failed", "cancelled", "replaced", "skipped", "missed"
]  # fmt: skip
Outcome = Literal["done", "part", "failed", "cancelled", "replaced"]
Stop = Literal["cancelled", "replaced"]

ENDED: tuple[SlotState, ...] = ("done", "part", "failed", "cancelled", "replaced", "skipped", "missed")
"""States that a slot does not leave by itself."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the store. ``planned``: the instant up to which its calendar was turned into slots."""

    id: int
    settings: JobSettings
    paused: bool
    created: datetime
    planned: datetime

    @property
    def name(self) -> str:
        """The job's name."""
        return self.settings.name


@dataclass(frozen=True, slots=True)
class Slot:
    """One occasion of a job; (job, key) is there once.

    ``key``: the instant for a calendar's slot, ``scene:...`` for a watched scene, ``manual:...`` for one that was asked for.
    ``scenes``: what the run is for, else what the pipeline names. ``not_before``: when it may start, for a retry after ``due``.
    ``stop``: asked of a run under way.
    """

    id: int
    job: str
    key: str
    kind: SlotKind
    due: datetime
    not_before: datetime
    state: SlotState
    scenes: tuple[str, ...] = ()
    stop: Stop | None = None
    note: str = ""

    @property
    def folder(self) -> str:
        """The slot's name in paths, ``20260329T010000Z-17``: the number keeps slots of one second apart."""
        return f"{self.due:%Y%m%dT%H%M%SZ}-{self.id}"


@dataclass(frozen=True, slots=True)
class Run:
    """The execution of a slot, over all its attempts."""

    id: int
    slot: int
    out: str
    started: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a run by one owner. ``ending``: None while it lives, else an outcome, ``lost`` or ``handed over``."""

    id: int
    run: int
    number: int
    owner: str
    started: datetime
    heartbeat: datetime
    lease_until: datetime
    log: str
    progress: str
    pid: int | None = None
    ended: datetime | None = None
    ending: str | None = None
    exit_code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a slot until ``attempt.lease_until``, and further with each heartbeat."""

    job: Job
    slot: Slot
    run: Run
    attempt: Attempt
    failures: int
    """Attempts of this run that failed before."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What was told to somebody about a slot, or what happened to it, once for each key."""

    key: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the history: a slot, and how it went."""

    slot: Slot
    run: Run | None
    attempts: tuple[Attempt, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service that looks after the store's jobs, until then unless it says so again."""

    owner: str
    started: datetime
    until: datetime
