import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import InputRefused
from geoseg.schedule.command import Roots
from geoseg.schedule.service import Service, serve
from geoseg.schedule.serving import ServiceSettings, Tally
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from geoseg.schedule.values import Entry
from tests.helpers.clocks import FakeClock
from tests.helpers.standin import lives, service, standin, until, write

QUICK = ServiceSettings(turn=0.02, grace=timedelta(seconds=2), wait=timedelta(minutes=1))


def add(
    store: JobStore, tmp_path: Path, name: str = "job", /, *, ask: bool = True, run: Any = (), **settings: Any
) -> Path:
    """A job with a stand-in; its output folder."""
    write(tmp_path / f"{name}.json", **dict(run))
    out = tmp_path / name
    store.add(JobSettings.of(name=name, pipeline=str(tmp_path / f"{name}.json"), out=str(out), **settings))
    if ask:
        store.ask(name)
    return out


def once(store: JobStore, settings: ServiceSettings = QUICK) -> Tally:
    return serve(store, stop=threading.Event(), once=True, settings=settings, command=standin)


def entry(store: JobStore, name: str = "job") -> Entry:
    (found,) = store.history(name)
    return found


def test_what_is_due_runs_and_stands_in_the_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"blocks": 3})
        assert once(store).states == {"done": 1}
        found = entry(store)
        assert (out / "result").read_bytes().count(b"\n") == 300
        assert [(a.ending, a.exit_code) for a in found.attempts] == [("done", 0)]
        assert Path(found.attempts[0].progress).read_text().count("\n") == 3
        assert Path(found.attempts[0].log).stat().st_mode & 0o777 == 0o600
        assert once(store).states == {}


@pytest.mark.parametrize(
    ("code", "say", "states", "waits"),
    [
        (3, "FORMAT: a.tif: is no raster. Convert it.", {"failed": 1}, False),
        (2, "SETTING: steps: x.", {"failed": 1}, False),
        (4, "EXISTS: out: exists. Add --overwrite.", {"failed": 1}, False),
        (4, "LOCKED: out: another run is writing. Wait.", {}, True),
        (6, "DISK: out: full. Free some.", {}, True),
        (7, "CLUSTER: tcp://h: no workers. Start some.", {}, True),
        (8, "PART: a.tif: failed.", {"part": 1}, False),
        (1, "INTERNAL: odd.", {}, True),
    ],
)
def test_what_can_pass_is_tried_again_and_what_cannot_is_not(
    tmp_path: Path, code: int, say: str, states: dict[str, int], waits: bool
) -> None:
    with JobStore(tmp_path / "jobs.db", clock=(clock := FakeClock())) as store:
        add(store, tmp_path, run={"exit": code, "say": say}, retries=1)
        assert once(store).states == states
        found = entry(store)
        assert (found.slot.state == "waiting") == waits
        assert found.attempts[0].message == say
        if waits:
            assert found.slot.not_before == clock.now() + timedelta(minutes=1)
            clock.pass_(minutes=1)
            write(tmp_path / "job.json")
            assert once(store).states == {"done": 1}


def test_retries_end_and_wait_longer_each_time(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db", clock=(clock := FakeClock())) as store:
        add(store, tmp_path, run={"exit": 7}, retries=2)
        waited = []
        while not (tally := once(store)).states:
            waited.append(entry(store).slot.not_before - clock.now())
            clock.instant = entry(store).slot.not_before
        assert waited == [timedelta(minutes=1), timedelta(minutes=2)]
        assert tally.states == {"failed": 1} and tally.troubled == 1


def test_a_run_that_lasts_too_long_is_ended_also_when_it_is_deaf_with_all_it_started(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        run = {"blocks": 1, "seconds": 300, "deaf": True, "helper": True}
        out = add(store, tmp_path, run=run, max_runtime=3, retries=3)
        assert once(store, ServiceSettings(turn=0.02, grace=timedelta(seconds=1))).states == {"failed": 1}
        assert "TIMEOUT" in entry(store).attempts[0].message
        until(lambda: not lives(int((out / "helper").read_text())))


def test_a_helper_that_a_run_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"helper": True})
        assert once(store).states == {"done": 1}
        until(lambda: not lives(int((out / "helper").read_text())))


def test_a_cancelled_run_ends_and_the_next_in_line_goes_on(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"seconds": 300})
        running = Service(store, settings=QUICK, command=standin)
        until(lambda: running.turn() or (out / "starts").exists())
        store.cancel("job")
        until(lambda: running.turn() or entry(store).slot.state == "cancelled")
        running.close()
        assert not running.children


def test_the_first_of_two_is_of_higher_priority(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        for name, priority in (("low", 0), ("high", 5), ("middle", 2)):
            add(store, tmp_path, name, priority=priority)
        assert once(store).states == {"done": 3}
        started = {e.slot.job: e.attempts[0].started for e in store.history()}
        assert sorted(started, key=lambda name: started[name]) == ["high", "middle", "low"]


def test_no_more_run_at_a_time_than_said(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        for i in range(5):
            add(store, tmp_path, f"job{i}", run={"seconds": 0.2})
        running = Service(store, settings=ServiceSettings(2, turn=0.02), command=standin)
        most = 0
        while running.turn() or not running.idle:
            most = max(most, len(running.children))
        running.close()
        assert most == 2 and running.tally.states == {"done": 5}


@pytest.mark.parametrize(
    ("overlap", "states"),
    [("skip", ["skipped", "done"]), ("queue", ["done", "done"]), ("replace", ["done", "replaced"])],
)
def test_a_slot_that_comes_while_the_one_before_runs(tmp_path: Path, overlap: str, states: list[str]) -> None:
    clock = FakeClock(2026, 3, 1, 5, 59)
    with JobStore(tmp_path / "jobs.db", clock=clock) as store:
        run = {"blocks": 2, "seconds": 0.7}
        write(tmp_path / "job.json", **run)
        store.add(
            JobSettings.of(
                name="job",
                pipeline=str(tmp_path / "job.json"),
                out=str(tmp_path / "job" / "{slot}"),
                cron="0 * * * *",
                overlap=overlap,
            )
        )
        running = Service(store, settings=QUICK, command=standin)
        clock.pass_(minutes=1)
        until(lambda: running.turn() or list(tmp_path.glob("job/*/starts")))
        clock.pass_(hours=1)
        until(lambda: running.turn() or all(e.slot.state in ("done", "skipped", "replaced") for e in store.history()))
        running.close()
        assert [e.slot.state for e in store.history()] == states


@pytest.mark.parametrize(
    ("local", "count"),
    [((2026, 3, 29), 1), ((2026, 10, 25), 1)],
)
def test_a_day_of_a_changing_clock_has_one_run_at_half_past_two(
    tmp_path: Path, local: tuple[int, int, int], count: int
) -> None:
    clock = FakeClock()
    clock.instant = datetime(*local, tzinfo=UTC) - timedelta(hours=3)
    with JobStore(tmp_path / "jobs.db", clock=clock) as store:
        write(tmp_path / "job.json")
        store.add(
            JobSettings.of(
                name="job",
                pipeline=str(tmp_path / "job.json"),
                out=str(tmp_path / "job" / "{slot}"),
                cron="30 2 * * *",
                timezone="Europe/Berlin",
            )
        )
        running = Service(store, settings=QUICK, command=standin)
        for _ in range(24 * 2):
            clock.pass_(minutes=30)
            until(lambda: running.turn() or running.idle)
        running.close()
        assert running.tally.states == {"done": count}


def test_paths_outside_of_the_allowed_folders_start_nothing(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (home / "link").symlink_to(other)
    write(home / "p.json")
    with JobStore(tmp_path / "jobs.db") as store:
        for name, out in (
            ("beside", other / "out"),
            ("through", home / "link" / "out"),
            ("up", home / ".." / "other" / "o"),
        ):
            store.add(JobSettings.of(name=name, pipeline=str(home / "p.json"), out=str(out)))
            store.ask(name)
        assert once(store).states == {"failed": 3}
        assert all("ROOT" in e.attempts[0].message for e in store.history())
        assert not list(other.iterdir())
        store.ask("beside")
        assert once(store, ServiceSettings(1, Roots((other,)), turn=0.02)).states == {"done": 1}


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="NOT_FOUND"):
        Roots.of_paths([str(tmp_path / "none")])


def test_a_program_that_cannot_be_started_is_a_failed_run(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        add(store, tmp_path)
        tally = serve(store, stop=threading.Event(), once=True, settings=QUICK, command=lambda *_: ["/no/such/program"])
        assert tally.states == {"failed": 1}


def test_sigterm_hands_over_and_the_next_service_goes_on_at_once(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"blocks": 6, "seconds": 0.3})
        first = service(store.path, lease=60)
        until((out / "block1").exists)
        first.terminate()
        assert first.wait(30) == 0
        assert entry(store).slot.state == "waiting" and not store.services()
        made = {path: path.stat().st_mtime_ns for path in out.glob("block?")}
        assert once(store).states == {"done": 1}
        assert {path: path.stat().st_mtime_ns for path in made} == made
        assert [a.ending for a in entry(store).attempts] == ["handed over", "done"]
        assert len((out / "starts").read_text().splitlines()) == 2


def test_a_killed_service_takes_its_run_with_it_and_another_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        run = {"blocks": 6, "seconds": 0.3, "helper": True}
        out = add(store, tmp_path, run=run)
        undisturbed = add(store, tmp_path, "undisturbed", ask=False, run={"blocks": 6})
        first = service(store.path, lease=4)
        until((out / "block1").exists)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        run_pid = int((out / "busy").read_text())
        until(lambda: not lives(run_pid))
        made = {path: path.stat().st_mtime_ns for path in out.glob("block?")}
        assert not (out / "result").exists()
        second = service(store.path, lease=4)
        until(lambda: entry(store).slot.state == "done")
        second.terminate()
        assert second.wait(30) == 0
        store.ask("undisturbed")
        once(store)
        assert (out / "result").read_bytes() == (undisturbed / "result").read_bytes()
        assert {path: path.stat().st_mtime_ns for path in made} == made
        endings = [a.ending for a in entry(store).attempts]
        assert "lost" in endings and endings[-1] == "done"


def test_a_suspended_service_loses_its_run_and_two_never_write_at_once(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"blocks": 12, "seconds": 0.3, "deaf": True})
        first = service(store.path, lease=3, grace=1)
        until((out / "block1").exists)
        first.send_signal(signal.SIGSTOP)
        second = service(store.path, lease=3, grace=1)
        until(lambda: len((out / "starts").read_text().splitlines()) >= 2)
        first.send_signal(signal.SIGCONT)
        until(lambda: entry(store).slot.state == "done")
        for process in (first, second):
            process.terminate()
            assert process.wait(30) == 0
        assert not (out / "two at once").exists()
        endings = [a.ending for a in entry(store).attempts]
        assert "lost" in endings and endings[-1] == "done"


def test_of_two_services_each_slot_is_run_by_one(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        outs = [add(store, tmp_path, f"job{i}", ask=False, run={"seconds": 0.05}) for i in range(12)]
        both = [service(store.path, turn=0.01, parallel=2) for _ in range(2)]
        until(lambda: len(store.services()) == 2)
        for i in range(12):
            store.ask(f"job{i}")
        until(lambda: all(e.slot.state == "done" for e in store.history()))
        for process in both:
            process.terminate()
            assert process.wait(30) == 0
        assert all(len((out / "starts").read_text().splitlines()) == 1 for out in outs)
        assert len({e.attempts[0].owner for e in store.history()}) == 2


def test_a_killed_guard_takes_its_run_with_it(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.db") as store:
        out = add(store, tmp_path, run={"seconds": 300})
        running = Service(store, settings=QUICK, command=standin)
        until(lambda: running.turn() or ((out / "busy").exists() and (out / "busy").read_text()))
        running.children[0].guard.kill()
        until(lambda: not lives(int((out / "busy").read_text())))
        until(lambda: running.turn() or entry(store).slot.state == "failed")
        running.close()


def test_a_lease_is_kept_while_the_run_lasts(tmp_path: Path) -> None:
    clock = FakeClock()
    with JobStore(tmp_path / "jobs.db", clock=clock) as store, JobStore(tmp_path / "jobs.db", clock=clock) as other:
        out = add(store, tmp_path, run={"seconds": 1.5})
        running = Service(store, settings=QUICK, command=standin)
        until(lambda: running.turn() or (out / "starts").exists())
        for _ in range(20):
            clock.pass_(seconds=50)
            running.turn()
            assert not other.due()
        until(lambda: running.turn() or entry(store).slot.state == "done")
        running.close()
