"""The job store: slots, leases, overlaps, catching up and history, with a clock that tests move."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.schedule import calendar
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from geoseg.schedule.values import Lease, Slot
from tests.helpers.clocks import FakeClock

LEASE = timedelta(seconds=30)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(2026, 1, 5, 12)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs.db", clock=clock) as opened:
        yield opened


def settings(name: str = "harvest", **values: Any) -> JobSettings:
    return JobSettings.of(**{"name": name, "pipeline": "/p/p.yaml", "out": "/p/out/{slot}", **values})


def hourly(store: JobStore, **values: Any) -> None:
    store.add(settings(cron="0 * * * *", **values))


def claimed(store: JobStore, owner: str = "one") -> Lease:
    (slot,) = store.due()
    lease = store.claim(slot.id, owner, lease=LEASE)
    assert lease is not None
    return lease


def states(store: JobStore) -> list[str]:
    return [entry.slot.state for entry in reversed(store.history(limit=100))]


# Claims and leases


def test_a_slot_is_due_at_its_time_once(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(minutes=59, seconds=59)
    assert store.due() == ()
    clock.pass_(seconds=1)
    (slot,) = store.due()
    assert (slot.key, slot.state) == ("2026-01-05T13:00:00Z", "waiting")
    assert store.due() == (slot,)
    assert store.claim(slot.id, "one", lease=LEASE) and store.claim(slot.id, "two", lease=LEASE) is None
    assert store.due() == ()


def test_heartbeats_keep_a_lease_and_without_them_another_takes_the_run_over(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    first = claimed(store)
    for _ in range(5):
        clock.pass_(seconds=29)
        assert store.heartbeat(first, extend=LEASE, pid=17) is None
        assert store.due() == ()
    clock.pass_(seconds=31)
    second = claimed(store, "two")
    assert (second.run, second.slot.key) == (first.run, first.slot.key)
    assert (second.attempt.number, second.attempt.owner, second.failures) == (2, "two", 0)
    for late in (
        lambda: store.heartbeat(first, extend=LEASE),
        lambda: store.finish(first, "done"),
        lambda: store.hand_over(first),
    ):
        with pytest.raises(Conflict, match=r"^LEASE_LOST: harvest 2026-01-05T13:00:00Z"):
            late()
    assert store.finish(second, "done", exit_code=0).state == "done"
    (entry,) = store.history()
    assert [attempt.ending for attempt in entry.attempts] == ["lost", "done"]
    assert entry.attempts[0].pid == 17


def test_a_late_heartbeat_counts_while_nobody_else_has_the_run(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    lease = claimed(store)
    clock.pass_(minutes=10)
    assert store.heartbeat(lease, extend=LEASE) is None
    assert store.due() == ()


def test_a_run_that_is_handed_over_goes_on_at_once_and_before_all_others(store: JobStore, clock: FakeClock) -> None:
    hourly(store, catch_up="all")
    clock.pass_(hours=2)
    (first,) = store.due()
    lease = store.claim(first.id, "one", lease=LEASE)
    assert lease
    assert store.hand_over(lease).state == "waiting"
    again = claimed(store, "two")
    assert again.run.id == lease.run.id and again.failures == 0
    assert states(store) == ["running", "waiting"]


def test_a_retry_waits_and_keeps_the_next_slot_waiting(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    lease = claimed(store)
    slot = store.finish(lease, "failed", exit_code=7, message="cluster lost", retry_after=timedelta(minutes=90))
    assert slot.state == "waiting"
    clock.pass_(hours=1)
    assert store.due() == ()
    clock.pass_(minutes=30)
    again = claimed(store)
    assert again.slot.id == slot.id and again.failures == 1 and again.attempt.number == 2
    store.finish(again, "failed", message="cluster lost")
    assert claimed(store).slot.key == "2026-01-05T14:00:00Z"


def test_a_run_that_ends_every_service_fails_in_the_end(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    for _ in range(20):
        claimed(store)
        clock.pass_(seconds=31)
    store.due()
    assert store.history(limit=1)[0].slot.state == "failed"
    assert "lost 20 times" in store.history(limit=1)[0].slot.note


moves = st.lists(
    st.tuples(st.sampled_from(["due", "beat", "done", "fail", "hand", "die", "cancel"]), st.integers(0, 200)),
    max_size=40,
)


def move(store: JobStore, what: str, held: list[Lease]) -> None:
    """One thing that a service, a person or an accident does."""
    if what == "due":
        held += [lease for slot in store.due() if (lease := store.claim(slot.id, "x", lease=LEASE))]
    elif what == "cancel":
        store.cancel("harvest")
    elif held:
        lease = held.pop()
        if what == "beat":
            store.heartbeat(lease, extend=LEASE)
            held.append(lease)
        elif what == "done":
            store.finish(lease, "done")
        elif what == "fail":
            store.finish(lease, "failed", retry_after=timedelta(seconds=5))
        elif what == "hand":
            store.hand_over(lease)


@given(moves, st.sampled_from(["skip", "queue", "replace"]))
def test_whatever_happens_a_job_has_one_run_at_a_time_and_one_holder(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], overlap: str
) -> None:
    clock = FakeClock(2026, 1, 5, 12)
    with JobStore(tmp_path_factory.mktemp("store") / "jobs.db", clock=clock) as store:
        store.add(settings(cron="* * * * *", catch_up="all", overlap=overlap))
        held: list[Lease] = []
        for what, seconds in steps:
            clock.pass_(seconds=seconds)
            try:
                move(store, what, held)
            except Conflict as error:
                assert error.code == "LEASE_LOST"
            entries = store.history(limit=1000)
            assert len({entry.slot.key for entry in entries}) == len(entries)
            assert sum(entry.slot.state == "running" for entry in entries) <= 1
            assert sum(entry.run is not None and entry.run.ended is None for entry in entries) <= 1
            for entry in entries:
                assert sum(attempt.ending is None for attempt in entry.attempts) == (entry.slot.state == "running")


# Overlaps, catching up, priorities


@pytest.mark.parametrize(
    ("overlap", "ended"),
    [
        ("queue", ["done", "waiting", "waiting"]),
        ("skip", ["done", "skipped", "skipped"]),
        ("replace", ["done", "replaced", "waiting"]),
    ],
)
def test_slots_that_come_due_meanwhile_wait_are_skipped_or_replace(
    store: JobStore, clock: FakeClock, overlap: str, ended: list[str]
) -> None:
    hourly(store, overlap=overlap)
    clock.pass_(hours=1)
    lease = claimed(store)
    for _ in range(2):
        store.heartbeat(lease, extend=timedelta(hours=2))
        clock.pass_(hours=1)
        assert store.due() == ()
    wanted = "replaced" if overlap == "replace" else None
    assert store.heartbeat(lease, extend=LEASE) == wanted
    store.finish(lease, "done")
    store.due()
    assert states(store) == ended


def test_slots_that_are_caught_up_are_no_overlap(store: JobStore, clock: FakeClock) -> None:
    hourly(store, overlap="skip", catch_up="all")
    clock.pass_(hours=3)
    for _ in range(3):
        store.finish(claimed(store), "done")
    assert states(store) == ["done"] * 3


@pytest.mark.parametrize(
    ("catch_up", "ended"), [("skip", ["missed"]), ("last", ["missed", "waiting"]), ("all", ["waiting"] * 5)]
)
def test_what_came_due_without_a_service_is_caught_up_as_the_job_says(
    store: JobStore, clock: FakeClock, catch_up: str, ended: list[str]
) -> None:
    hourly(store, catch_up=catch_up)
    clock.pass_(hours=5, minutes=20)
    store.due()
    assert states(store) == ended
    if catch_up == "skip":
        assert store.history()[0].slot.note.startswith("5 slots missed")
    store.due()
    assert states(store) == ended


def test_a_paused_job_starts_only_when_it_is_asked_to(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    store.pause("harvest")
    clock.pass_(hours=3, minutes=20)
    assert store.due() == ()
    asked = store.ask("harvest")
    assert store.due() == (asked,)
    store.finish(claimed(store), "done")
    store.pause("harvest", paused=False)
    assert store.due() == () and states(store) == ["missed", "done"]
    clock.pass_(minutes=40)
    assert len(store.due()) == 1


def test_the_higher_priority_goes_first_then_the_earlier(store: JobStore, clock: FakeClock) -> None:
    store.add(settings("late", cron="30 12 * * *"))
    store.add(settings("early", cron="28 12 * * *"))
    store.add(settings("urgent", cron="31 12 * * *", priority=5))
    store.add(settings("low", cron="27 12 * * *", priority=-1))
    clock.pass_(minutes=31)
    assert [slot.job for slot in store.due()] == ["urgent", "early", "late", "low"]


def test_a_clock_that_is_set_back_runs_no_slot_twice(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    store.finish(claimed(store), "done")
    clock.pass_(minutes=-90)
    assert store.due() == ()
    clock.pass_(minutes=90)
    assert store.due() == ()
    clock.pass_(hours=1)
    assert [slot.key for slot in store.due()] == ["2026-01-05T14:00:00Z"]


@pytest.mark.parametrize(
    ("zone", "night", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 28, 12), 23), ("Europe/Berlin", (2026, 10, 24, 12), 25),
        ("America/New_York", (2026, 3, 7, 17), 23), ("America/New_York", (2026, 10, 31, 17), 25),
    ],
)  # fmt: skip
def test_on_the_days_of_daylight_saving_each_slot_runs_once(
    tmp_path: Path, zone: str, night: tuple[int, ...], hours: int
) -> None:
    clock = FakeClock(*night)
    with JobStore(tmp_path / "jobs.db", clock=clock) as store:
        store.add(settings("nightly", cron="30 2 * * *", timezone=zone))
        store.add(settings("hourly", cron="30 * * * *", timezone=zone))
        store.add(settings("early", cron="30 1 * * *", timezone=zone))
        ran: dict[str, list[int]] = {"nightly": [], "hourly": [], "early": []}
        for _ in range(36 * 6):
            clock.pass_(minutes=10)
            for slot in store.due():
                lease = store.claim(slot.id, "one", lease=LEASE)
                assert lease
                store.finish(lease, "done")
                ran[slot.job].append(slot.due.astimezone(calendar.zone(zone)).day)
        day = (datetime(*night[:3]) + timedelta(days=1)).day
        assert [ran[name].count(day) for name in ("hourly", "nightly", "early")] == [hours, 1, 1]


# Stopping


def test_cancelling_ends_what_waits_and_asks_what_runs(store: JobStore, clock: FakeClock) -> None:
    hourly(store, catch_up="all")
    clock.pass_(hours=3)
    lease = claimed(store)
    assert sorted(slot.state for slot in store.cancel("harvest")) == ["cancelled", "cancelled", "running"]
    assert store.heartbeat(lease, extend=LEASE) == "cancelled"
    assert store.finish(lease, "failed", retry_after=timedelta(0)).state == "cancelled"
    assert store.due() == ()


def test_what_was_asked_to_stop_is_not_taken_over(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    claimed(store)
    store.cancel("harvest")
    clock.pass_(minutes=2)
    assert store.due() == () and states(store) == ["cancelled"]


def test_a_slot_that_ended_can_be_asked_for_again_and_resumes_its_run(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    first = claimed(store)
    with pytest.raises(Conflict, match=r"^RUNNING"):
        store.ask("harvest", key=first.slot.key)
    store.finish(first, "failed")
    store.ask("harvest", key=first.slot.key)
    again = claimed(store)
    assert again.run.out == first.run.out and again.attempt.number == 2 and again.attempt.log != first.attempt.log
    with pytest.raises(InputRefused, match=r"^NO_SLOT"):
        store.ask("harvest", key="2099-01-01T00:00:00Z")
    with pytest.raises(UsageError, match=r"^ENDED"):
        store.finish(again, "done")
        store.cancel("harvest", key=first.slot.key)


def test_a_job_with_a_run_is_not_removed(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    lease = claimed(store)
    with pytest.raises(Conflict, match=r"^RUNNING: harvest"):
        store.remove("harvest")
    store.finish(lease, "done")
    assert store.remove("harvest") == (lease.attempt.log, lease.attempt.progress)
    assert store.jobs() == () and store.history() == ()
    with pytest.raises(Conflict, match=r"^LEASE_LOST"):
        store.heartbeat(lease, extend=LEASE)


# Scenes, history, notices, services


def test_a_scene_has_one_slot_for_ever(store: JobStore, clock: FakeClock) -> None:
    store.add(settings(watch="/p/in", keep_runs=1))
    for name in ("a", "b", "a"):
        store.add_scene("harvest", name, [f"/p/in/{name}.tif"])
    done: list[Slot] = []
    for _ in range(2):
        clock.pass_(seconds=1)
        lease = claimed(store)
        done.append(store.finish(lease, "done"))
    assert [slot.scenes for slot in done] == [("/p/in/a.tif",), ("/p/in/b.tif",)]
    assert len(store.prune()) == 2
    assert store.add_scene("harvest", "a", ["/p/in/a.tif"]) is None
    assert len(store.history()) == 1


def test_history_keeps_what_the_rule_says_and_never_what_has_not_ended(store: JobStore, clock: FakeClock) -> None:
    hourly(store, keep_runs=3)
    store.add(settings("short", cron="0 * * * *", keep_days=0.1))
    for _ in range(6):
        clock.pass_(hours=1)
        for slot in store.due():
            lease = store.claim(slot.id, "one", lease=LEASE)
            assert lease
            store.finish(lease, "done")
    clock.pass_(hours=1)
    store.due()
    logs = store.prune()
    assert len(store.history("harvest", limit=100)) == 3 + 1
    assert [entry.slot.due.hour for entry in store.history("short", limit=100)] == [19, 18, 17]
    assert len(logs) == len(set(logs)) == 2 * (3 + 4)
    assert store.prune() == ()
    clock.pass_(days=5)
    store.prune()
    assert [entry.slot.state for entry in store.history("short", limit=100)] == ["waiting", "done"]


def test_history_is_told_newest_first_by_state_and_number(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    for outcome in ("done", "failed", "part"):
        clock.pass_(hours=1)
        store.finish(claimed(store), outcome)  # type: ignore[arg-type]
    assert [entry.slot.state for entry in store.history("harvest", limit=2)] == ["part", "failed"]
    assert [entry.slot.state for entry in store.history(states=["failed", "done"])] == ["failed", "done"]
    newest = store.history(limit=1)[0]
    assert store.entry("harvest", str(newest.slot.id)) == store.entry("HARVEST", newest.slot.key) == newest


def test_a_notice_is_told_once(store: JobStore, clock: FakeClock) -> None:
    hourly(store)
    clock.pass_(hours=1)
    (slot,) = store.due()
    assert store.note(slot.id, "webhook 1", "sent") and not store.note(slot.id, "webhook 1", "sent again")
    assert [notice.text for notice in store.history()[0].notices] == ["sent"]


def test_services_are_seen_until_they_fall_silent(store: JobStore, clock: FakeClock) -> None:
    store.check_in("one", until=LEASE)
    clock.pass_(seconds=20)
    store.check_in("two", until=LEASE)
    assert [service.owner for service in store.services()] == ["one", "two"]
    clock.pass_(seconds=20)
    assert [service.owner for service in store.services()] == ["two"]
    store.check_out("two")
    assert store.services() == ()


# Jobs


def test_names_are_there_once_whatever_their_case(store: JobStore) -> None:
    store.add(settings("Harvest", priority=1))
    with pytest.raises(Conflict, match=r"^EXISTS: harvest"):
        store.add(settings("harvest"))
    assert store.add(settings("harvest", priority=2), overwrite=True).settings.priority == 2
    assert len(store.jobs()) == 1
    with pytest.raises(InputRefused, match=r"^NO_JOB: 'harvst': .* did you mean 'Harvest'"):
        store.job("harvst")


def test_a_run_s_folder_is_told_by_the_local_day(store: JobStore, clock: FakeClock) -> None:
    store.add(settings(cron="30 0 * * *", timezone="Pacific/Auckland", out="/p/{job}/{slot:%Y-%m-%d}/{slot:%H%M}"))
    clock.pass_(hours=23, minutes=30)
    assert claimed(store).run.out == "/p/harvest/2026-01-07/0030"


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/b", "a\\b", "a b", "-rf", "a\n", "a\0", "con", "NUL.txt", "x" * 65, "<b>", "a;rm -rf", "{slot}",
        "a\u202eb", "\u0301a", "a'--", "ü" * 64 + "ü", "字" * 64 + "x", "a.", "_",
    ],
)  # fmt: skip
def test_a_hostile_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError, match=r"^SETTING: name: ") as refused:
        settings(name)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize("name", ["a", "Wald-Münster_2026.v2", "森林", "x" * 64, "1"])
def test_names_of_any_script_are_taken(store: JobStore, name: str) -> None:
    assert store.add(settings(name)).name == name
    store.ask(name)
    assert Path(claimed(store).attempt.log).parent == store.logs / name


@pytest.mark.parametrize(
    "out", ["", "/o/{slot.__class__}", "/o/{0}", "/o/{", "/o/{slot:%s%n}", "/o/{slot:../..}x{", "/o/{slot!r}", "/o/\n"]
)
def test_a_template_has_a_few_known_names_and_nothing_else(out: str) -> None:
    with pytest.raises(UsageError, match=r"^SETTING: out: "):
        settings(out=out)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"cron": "0 6 * *"}, "CRON"), ({"cron": "0 6 * * *", "timezone": "Mars"}, "TIMEZONE"), ({"timezone": "Mars"}, "TIMEZONE"),
        ({"cron": "* * * * *", "watch": "/x"}, "SETTING"), ({"retries": -1}, "SETTING"), ({"max_runtime": 0}, "SETTING"),
        ({"catch_up": "some"}, "SETTING"), ({"env": {}}, "SETTING"), ({"grace": float("nan")}, "SETTING"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_before_anything_is_stored(
    store: JobStore, values: dict[str, Any], code: str
) -> None:
    with pytest.raises(UsageError, match=rf"^{code}: "):
        store.add(settings(**values))
    assert store.jobs() == ()


def test_a_zone_that_was_dropped_stops_its_own_job_only(
    store: JobStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    hourly(store)
    store.add(settings("gone", cron="0 * * * *"))
    with store.database.write() as connection:
        connection.execute("UPDATE jobs SET timezone = 'Mars/Olympus' WHERE name = 'gone'")
    clock.pass_(hours=1)
    assert [slot.job for slot in store.due()] == ["harvest"]
    store.due()
    assert sum("gone is left out" in record.message for record in caplog.records) == 1


def test_instants_without_a_zone_are_refused(tmp_path: Path) -> None:
    class Naive:
        def now(self) -> datetime:
            return datetime(2026, 1, 1)

    with JobStore(tmp_path / "jobs.db", clock=Naive()) as store, pytest.raises(ValueError, match="no time zone"):
        store.due()


def test_instants_are_kept_to_the_microsecond(store: JobStore, clock: FakeClock) -> None:
    clock.instant = datetime(2026, 1, 5, 12, 0, 0, 1, tzinfo=UTC)
    assert store.add(settings()).created == clock.instant
