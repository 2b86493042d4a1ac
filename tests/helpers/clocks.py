"""A clock that stands still until a test moves it, and a slow and obvious calendar."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


class FakeClock:
    def __init__(self, *instant: int) -> None:
        self.instant = datetime(*(instant or (2026, 1, 5, 12)), tzinfo=UTC)  # type: ignore[arg-type, misc]

    def now(self) -> datetime:
        return self.instant

    def pass_(self, **span: float) -> datetime:
        self.instant += timedelta(**span)
        return self.instant


def minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    """Every whole minute of ``after < minute <= until``, in UTC."""
    minute = after.astimezone(UTC).replace(second=0, microsecond=0)
    while minute <= until:
        if minute > after:
            yield minute
        minute += timedelta(minutes=1)


def by_real_minutes(
    minute_of: set[int], hour_of: set[int], zone: str, span: tuple[datetime, datetime]
) -> list[datetime]:
    """What a calendar with a star in minutes or hours means: every real minute whose local time fits."""
    local = ZoneInfo(zone)
    fits = ((m, m.astimezone(local)) for m in minutes(*span))
    return [m for m, seen in fits if seen.minute in minute_of and seen.hour in hour_of]


def by_the_day(minute_of: set[int], hour_of: set[int], zone: str, span: tuple[datetime, datetime]) -> list[datetime]:
    """What fixed times mean: each once a day; the first of two, and the end of the gap for one that is left out."""
    local = ZoneInfo(zone)
    after, until = span
    first: dict[tuple[int, ...], datetime] = {}
    ends = set()  # of gaps: minute and the local times that it stands for
    found = set()
    for minute in minutes(after - timedelta(days=2), until + timedelta(days=1)):
        seen = minute.astimezone(local)
        before = (minute - timedelta(minutes=1)).astimezone(local)
        stamp = (seen.year, seen.month, seen.day, seen.hour, seen.minute)
        first.setdefault(stamp, minute)
        jump = seen.replace(tzinfo=None) - before.replace(tzinfo=None)
        for left_out in range(1, int(jump.total_seconds() // 60)):
            gone = before.replace(tzinfo=None) + timedelta(minutes=left_out)
            if gone.minute in minute_of and gone.hour in hour_of:
                ends.add(minute)
    for stamp, minute in first.items():
        if stamp[4] in minute_of and stamp[3] in hour_of:
            found.add(minute)
    return sorted(minute for minute in found | ends if after < minute <= until)
