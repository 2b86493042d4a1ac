"""Calendar: the instants that a cron expression names in a time zone, and which of the missed ones are caught up.

Daylight saving is Debian cron's: an expression with fixed minutes and hours runs once a day, right after the gap when its time is
left out and at the first of the two when its time comes twice; with a ``*`` in minutes or hours it runs by the real minutes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from geoseg.errors import UsageError

CatchUp = Literal["skip", "last", "all"]

MOST_COUNTED = 1000
"""Slots of a time without service are counted, and with ``all`` caught up, to this number: the latest."""
_LONGEST = 200  # characters of an expression


@dataclass(frozen=True, slots=True)
class Due:
    """What a span of time brings: slots to run, oldest first, and how many are not run, of which ``last_missed`` is the latest.

    ``more``: there were still older ones, which nobody counted.
    """

    run: tuple[datetime, ...] = ()
    missed: int = 0
    last_missed: datetime | None = None
    more: bool = False


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; UsageError ``TIMEZONE`` names the nearest."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        known = sorted(available_timezones())
        lower = {item.lower(): item for item in known}
        near = [lower[item] for item in difflib.get_close_matches(name[:64].lower(), lower, 1, 0.6)]
        what = f"is no time zone; did you mean '{near[0]}'" if near else "is no time zone"
        raise UsageError.of("TIMEZONE", repr(name[:64]), what, "Give a name such as Europe/Berlin or UTC") from None


def check(cron: str, timezone: str, now: datetime) -> datetime:
    """The first slot after ``now``.

    Raises
    ------
    UsageError
        ``CRON``: the expression is wrong, or names no instant. ``TIMEZONE``: no such zone.
    """
    first = next(slots(cron, timezone, now, now + timedelta(days=366 * 50)), None)
    if first is None:
        raise UsageError.of("CRON", repr(cron), "names no instant of the next 50 years", "Check day and month")
    return first


def slots(cron: str, timezone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants of ``cron`` (five fields) in ``after < slot <= until``, in UTC, ascending, each once."""
    found = _expression(cron, after.astimezone(zone(timezone)))
    last = after.astimezone(UTC)
    for local in found:
        slot = local.astimezone(UTC)
        if slot > until:
            return
        if slot > last:  # two times in one gap are one instant; the second pass of an hour repeats none
            yield slot
            last = slot


def following(cron: str, timezone: str, after: datetime, count: int) -> tuple[datetime, ...]:
    """The next ``count`` slots after an instant."""
    return tuple(islice(slots(cron, timezone, after, after + timedelta(days=366 * 50)), count))


def latest(cron: str, timezone: str, span: tuple[datetime, datetime], count: int) -> tuple[datetime, ...]:
    """The last ``count`` slots in ``after < slot <= until``, looked for backwards: years cost no more than days."""
    after, until = span
    back = timedelta(hours=1)
    while True:
        start = max(after, until - back)
        found = tuple(slots(cron, timezone, start, until))
        if len(found) >= count or start <= after:
            return found[-count:]
        back *= 4


def due(cron: str, timezone: str, span: tuple[datetime, datetime], catch_up: CatchUp, grace: timedelta) -> Due:
    """Which slots of ``(after, now]`` are to be run.

    ``skip``: the latest, unless it is later than ``grace``; ``last``: the latest, however late; ``all``: each of them, at most
    :data:`MOST_COUNTED`.
    """
    found = latest(cron, timezone, span, MOST_COUNTED + 1)
    more, found = len(found) > MOST_COUNTED, found[-MOST_COUNTED:]
    if not found:
        return Due()
    if catch_up == "all":
        before = latest(cron, timezone, (span[0], found[0] - timedelta(microseconds=1)), 1) if more else ()
        return Due(found, len(before), before[0] if before else None, more)
    if catch_up == "last" or span[1] - found[-1] <= grace:
        return Due(found[-1:], len(found) - 1, found[-2] if len(found) > 1 else None, more)
    return Due((), len(found), found[-1], more)


def _expression(cron: str, start: datetime) -> CronSim:
    fields = cron.split()
    if len(fields) != 5 or len(cron) > _LONGEST:
        what = f"has {len(fields)} fields, not five" if len(fields) != 5 else f"is longer than {_LONGEST} characters"
        raise UsageError.of("CRON", repr(cron[:64]), what, 'Give minute hour day month weekday, such as "0 6 * * 1"')
    try:
        return CronSim(cron, start)
    except (CronSimError, ValueError, AssertionError) as error:
        what = f"is no calendar: {str(error) or 'cannot be read'}"
        raise UsageError.of(
            "CRON", repr(cron), what, 'Give minute hour day month weekday, such as "0 6 * * 1"'
        ) from None
