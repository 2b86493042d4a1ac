"""Clock: what time it is, asked of a value that tests replace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, aware of its time zone."""


class SystemClock:
    """The computer's clock, in UTC."""

    def now(self) -> datetime:
        """The present instant."""
        return datetime.now(UTC)


def to_text(instant: datetime) -> str:
    """An instant as text of one width in UTC, ``2026-03-29T01:00:00.000000Z``, which sorts as time does."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """The instant, in UTC, that :func:`to_text` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
