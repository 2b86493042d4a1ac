"""Serving: how a service works, and what its runs came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from geoseg.schedule.command import Roots
from geoseg.schedule.ending import FIRST_WAIT
from geoseg.schedule.values import SlotState


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a service works.

    Attributes
    ----------
    parallel
        Runs at a time.
    lease
        A run whose service gave no sign for so long is taken over by another.
    grace
        A run that is told to stop has so long to end in order.
    turn
        Seconds between two looks at the store.
    look
        Time between two looks at watched folders, and the age at which a file in them counts as complete.
    wait
        Before a failed run is tried again; doubled each time.
    """

    parallel: int = 1
    roots: Roots = field(default_factory=Roots)
    lease: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=30)
    turn: float = 1.0
    look: timedelta = timedelta(seconds=30)
    wait: timedelta = FIRST_WAIT


@dataclass(slots=True)
class Tally:
    """How many slots ended in which state while the service ran."""

    states: dict[SlotState, int] = field(default_factory=dict)

    def add(self, state: SlotState) -> None:
        """Count one."""
        self.states[state] = self.states.get(state, 0) + 1

    @property
    def troubled(self) -> int:
        """Runs that failed, or were done in part."""
        return self.states.get("failed", 0) + self.states.get("part", 0)
