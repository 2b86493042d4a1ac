"""The calendar: daylight saving by a slow and obvious reference, weekdays, catching up, and what is refused."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GeosegError, UsageError
from geoseg.schedule import calendar
from tests.helpers.clocks import by_real_minutes, by_the_day

CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
}
DAY = timedelta(days=1)
around = st.sampled_from([(zone, at) for zone, both in CHANGES.items() for at in both])
sets = st.sets(st.sampled_from([0, 1, 15, 30, 45, 59]), min_size=1, max_size=3)
hours = st.sets(st.sampled_from([0, 1, 2, 3, 4, 12, 23]), min_size=1, max_size=3)
offset = st.integers(-36 * 3600, 36 * 3600).map(lambda seconds: timedelta(seconds=seconds))


def times(cron: str, zone: str, span: tuple[datetime, datetime]) -> list[datetime]:
    return list(calendar.slots(cron, zone, *span))


def listed(values: set[int]) -> str:
    return ",".join(map(str, sorted(values)))


@given(around, sets, hours, offset)
def test_fixed_times_come_once_a_day_on_the_days_of_daylight_saving(
    change: tuple[str, datetime], minute_of: set[int], hour_of: set[int], start: timedelta
) -> None:
    zone, at = change
    span = (at + start, at + start + 2 * DAY)
    assert times(f"{listed(minute_of)} {listed(hour_of)} * * *", zone, span) == by_the_day(
        minute_of, hour_of, zone, span
    )


@given(around, sets, hours, offset)
def test_a_star_follows_the_real_minutes_on_the_days_of_daylight_saving(
    change: tuple[str, datetime], minute_of: set[int], hour_of: set[int], start: timedelta
) -> None:
    zone, at = change
    span = (at + start, at + start + 2 * DAY)
    assert times(f"{listed(minute_of)} * * * *", zone, span) == by_real_minutes(minute_of, set(range(24)), zone, span)
    quarters = by_real_minutes({0, 15, 30, 45}, hour_of, zone, span)
    assert times(f"*/15 {listed(hour_of)} * * *", zone, span) == quarters


@given(
    around,
    st.sampled_from(["30 2 * * *", "15,45 1,2,3 * * *", "*/20 2 * * *", "0 */2 * * *", "0 1-3 * * 0", "5 2 29 * 1"]),
    offset, st.lists(st.integers(0, 72 * 3600), max_size=4),
)  # fmt: skip
def test_slots_of_a_span_are_those_of_its_parts(
    change: tuple[str, datetime], cron: str, start: timedelta, cuts: list[int]
) -> None:
    zone, at = change
    begin = at + start
    edges = [begin, *(begin + timedelta(seconds=cut) for cut in sorted(cuts)), begin + 3 * DAY]
    parts = [slot for span in pairwise(edges) for slot in times(cron, zone, span)]
    assert parts == times(cron, zone, (edges[0], edges[-1]))


def test_a_time_that_is_left_out_runs_after_the_gap_and_one_that_comes_twice_runs_once() -> None:
    spring, autumn = CHANGES["Europe/Berlin"]
    assert times("30 2 * * *", "Europe/Berlin", (spring - DAY / 2, spring + DAY / 2)) == [spring]
    assert times("30 2 * * *", "Europe/Berlin", (autumn - DAY / 2, autumn + DAY / 2)) == [
        autumn - timedelta(minutes=30)
    ]
    spring, autumn = CHANGES["America/New_York"]
    assert times("30 2 * * *", "America/New_York", (spring - DAY / 2, spring + DAY / 2)) == [spring]
    assert times("30 1 * * *", "America/New_York", (autumn - DAY / 2, autumn + DAY / 2)) == [
        autumn - timedelta(minutes=30)
    ]


def test_the_morning_is_at_six_by_the_local_clock_all_year() -> None:
    year = times("0 6 * * *", "Europe/Berlin", (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    assert len(year) == 365
    assert {slot.astimezone(calendar.zone("Europe/Berlin")).hour for slot in year} == {6}


@pytest.mark.parametrize(("day", "weekday"), [("0", 6), ("7", 6), ("1", 0), ("SUN", 6), ("FRI", 4)])
def test_weekdays_are_crons(day: str, weekday: int) -> None:
    found = times(f"0 6 * * {day}", "UTC", (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)))
    assert len(found) >= 8 and {slot.weekday() for slot in found} == {weekday}


@given(
    st.integers(0, 400), st.integers(0, 400), st.sampled_from(["* * * * *", "*/7 3 * * *", "30 2 * * *", "0 6 1 * *"])
)
def test_the_latest_is_the_last_of_all(start: int, length: int, cron: str) -> None:
    after = datetime(2026, 3, 20, 0, 0, 13, tzinfo=UTC) + timedelta(hours=start)
    until = after + timedelta(hours=length / 10)
    every = times(cron, "Europe/Berlin", (after, until))
    assert list(calendar.latest(cron, "Europe/Berlin", (after, until), 1)) == every[-1:]
    assert list(calendar.latest(cron, "Europe/Berlin", (after, until), 7)) == every[-7:]


def test_years_without_a_service_are_counted_no_further_than_is_said() -> None:
    after, now = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    last = datetime(2026, 1, 1, tzinfo=UTC)
    many = calendar.MOST_COUNTED
    grace = timedelta(minutes=5)
    newest = calendar.due("* * * * *", "UTC", (after, now), "last", grace)
    assert newest == calendar.Due((last,), many - 1, last - timedelta(minutes=1), True)
    everything = calendar.due("* * * * *", "UTC", (after, now), "all", grace)
    assert everything.run == tuple(last - timedelta(minutes=n) for n in reversed(range(many)))
    assert everything.more and everything.last_missed == last - timedelta(minutes=many)


@pytest.mark.parametrize(
    ("catch_up", "late", "run", "missed"),
    [
        ("skip", 60, 1, 2), ("skip", 301, 0, 3), ("last", 301, 1, 2), ("all", 301, 3, 0),
    ],
)  # fmt: skip
def test_what_is_caught_up_is_as_the_job_says(catch_up: calendar.CatchUp, late: float, run: int, missed: int) -> None:
    after = datetime(2026, 1, 5, 5, 30, tzinfo=UTC)
    now = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(seconds=late)
    found = calendar.due("0 * * * *", "UTC", (after, now), catch_up, timedelta(seconds=300))
    assert (len(found.run), found.missed) == (run, missed)
    assert (found.last_missed is None) == (missed == 0)
    assert not found.run or found.run[-1] == datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    [
        "", "* * * *", "* * * * * *", "61 * * * *", "* 24 * * *", "0 0 30 2 *", "0 0 31 4,6 *", "a b c d e", "@daily",
        "*/0 * * * *", "5-1 * * * *", "² * * * *", "0 0 * * 8", "1," * 5000 + "1 * * * *", "\n", "0 0 * * MON#6",
    ],
)  # fmt: skip
def test_a_wrong_calendar_is_refused_in_one_line(cron: str) -> None:
    with pytest.raises(UsageError, match=r"^CRON: ") as refused:
        calendar.check(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@given(st.text("0123456789*/,-#LW ?x²", max_size=30))
def test_any_text_is_a_calendar_or_refused(cron: str) -> None:
    try:
        calendar.check(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    except GeosegError as error:
        assert error.code == "CRON"


@pytest.mark.parametrize(
    "name", ["", "Europe/Berln", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b", "x" * 10000, "é"]
)
def test_a_wrong_zone_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError, match=r"^TIMEZONE: ") as refused:
        calendar.zone(name)
    assert len(str(refused.value)) < 400


def test_the_nearest_zone_is_named() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'Europe/Berlin'"):
        calendar.zone("europe/berlin")


def test_zones_are_known_where_the_system_has_no_files_of_them(root: Path) -> None:
    code = (
        "from datetime import datetime; from geoseg.schedule.calendar import zone\n"
        "print(datetime(2026, 7, 1, tzinfo=zone('Europe/Berlin')).tzname())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONTZPATH": ""}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("CEST\n", 0), done.stderr
