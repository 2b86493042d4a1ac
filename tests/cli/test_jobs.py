"""``geoseg jobs``: tables for people, JSON for programs, and one line for what is wrong."""

import json
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from geoseg.cli import options
from geoseg.cli.jobs import command
from geoseg.cli.main import run
from geoseg.schedule.store import JobStore

PIPELINE = "name: cover\nbundle: bundle\nscenes:\n  glob: scenes/*.tif\nsteps:\n  - step: segment\n"
WEEKLY = ["jobs", "add", "weekly", "cover.yaml", "--cron", "0 6 * * 1", "--timezone", "Europe/Berlin"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOSEG_STORE", str(tmp_path / "jobs.db"))
    (tmp_path / "cover.yaml").write_text(PIPELINE)
    (tmp_path / "scenes").mkdir()
    return tmp_path


Capture = pytest.CaptureFixture[str]


def said(capsys: Capture, *args: str) -> str:
    assert run(list(args)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def told(capsys: Capture, *args: str) -> object:
    return json.loads(said(capsys, *args, "--json"))


def ran(here: Path, outcome: str = "done", code: int = 0, text: str = "") -> None:
    """What a service would do with what is due."""
    with JobStore(here / "jobs.db") as store:
        for slot in store.due():
            lease = store.claim(slot.id, "test", lease=timedelta(seconds=60))
            assert lease
            Path(lease.attempt.log).parent.mkdir(parents=True, exist_ok=True)
            Path(lease.attempt.log).write_text(text)
            store.finish(lease, outcome, exit_code=code, message="as it was told")  # type: ignore[arg-type]


def test_a_job_is_added_and_its_next_slots_are_said_by_its_own_clock(here: Path, capsys: Capture) -> None:
    assert run([*WEEKLY, "--max-runtime", "1h30m", "--retries", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "weekly: 0 6 * * 1 (Europe/Berlin)"
    assert len(out.splitlines()) == 4 and all(" 06:00 CE" in line for line in out.splitlines()[1:])
    assert err.startswith("No service looks after ")
    facts = told(capsys, "jobs", "show", "weekly")
    assert isinstance(facts, dict)
    assert (facts["pipeline"], facts["max_runtime"], facts["retries"]) == (str(here / "cover.yaml"), 5400, 2)
    assert facts["out"] == str(here / "runs/{job}/{slot}") and len(facts["next"]) == 5


def test_jobs_are_listed_with_their_state(here: Path, capsys: Capture) -> None:
    said(capsys, *WEEKLY)
    said(capsys, "jobs", "add", "arrivals", "cover.yaml", "--on-new", "scenes")
    said(capsys, "jobs", "add", "paused", "cover.yaml")
    said(capsys, "jobs", "pause", "paused")
    said(capsys, "jobs", "run", "arrivals")
    lines = said(capsys, "jobs", "list").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["job", "state"],
        ["arrivals", "waiting"],
        ["paused", "paused"],
        ["weekly", "idle"],
    ]
    assert " new in " in lines[1] and "/scenes " in lines[1]
    listed = told(capsys, "jobs", "list")
    assert isinstance(listed, dict)
    assert [job["state"] for job in listed["jobs"]] == ["waiting", "paused", "idle"] and listed["services"] == []
    assert "active" in said(capsys, "jobs", "resume", "paused")
    assert told(capsys, "jobs", "show", "paused")["state"] == "idle"  # type: ignore[call-overload, index]


def test_what_was_done_in_the_end_has_no_failure_beside_it(here: Path, capsys: Capture) -> None:
    said(capsys, "jobs", "add", "now", "cover.yaml", "--retries", "1")
    said(capsys, "jobs", "run", "now")
    with JobStore(here / "jobs.db") as store:
        for outcome, message, retry in (("failed", "it was killed", timedelta(0)), ("done", "", None)):
            (slot,) = store.due()
            lease = store.claim(slot.id, "test", lease=timedelta(seconds=60))
            assert lease
            store.finish(lease, outcome, message=message, retry_after=retry)  # type: ignore[arg-type]
            line = said(capsys, "jobs", "history", "now").splitlines()[1]
            state = "waiting" if outcome == "failed" else "done"
            assert f" {state} " in line and ("killed" in line) == (outcome == "failed")


def test_history_and_logs_tell_what_became_of_a_run(here: Path, capsys: Capture) -> None:
    said(capsys, "jobs", "add", "now", "cover.yaml")
    said(capsys, "jobs", "run", "now")
    ran(here, "failed", 7, "one\ntwo\x1b[2Jthree\nfour\n")
    line = said(capsys, "jobs", "history", "now").splitlines()[1]
    assert " failed " in line and line.endswith("as it was told")
    (entry,) = told(capsys, "jobs", "history", "--state", "failed")  # type: ignore[misc]
    assert entry["attempts"][0]["exit_code"] == 7
    assert said(capsys, "jobs", "logs", "now") == "one\ntwo\ufffd[2Jthree\nfour\n"
    assert said(capsys, "jobs", "logs", "now", "--lines", "1", "--slot", str(entry["id"])) == "four\n"
    said(capsys, "jobs", "run", "now", "--slot", str(entry["id"]))
    ran(here, text="again\n")
    assert said(capsys, "jobs", "logs", "now", "--follow") == "again\n"
    assert said(capsys, "jobs", "logs", "now", "--attempt", "1", "--lines", "2") == "two\ufffd[2Jthree\nfour\n"
    said(capsys, "jobs", "show", "now")
    whole = told(capsys, "jobs", "logs", "now", "--attempt", "1")
    assert isinstance(whole, dict) and whole["text"] == "one\ntwo\x1b[2Jthree\nfour\n" and whole["exit_code"] == 7
    assert run(["jobs", "logs", "now", "--follow", "--json"]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_every_verb_that_looks_or_acts_speaks_json(here: Path, capsys: Capture) -> None:
    said(capsys, *WEEKLY)
    paused, active = (told(capsys, "jobs", verb, "weekly") for verb in ("pause", "resume"))
    assert isinstance(paused, dict) and (paused["name"], paused["state"], paused["next"]) == ("weekly", "paused", [])
    assert isinstance(active, dict) and active["state"] == "idle" and len(active["next"]) == 1
    assert told(capsys, "jobs", "remove", "Weekly") == {"name": "weekly", "removed": True}
    assert [name for name, verb in command.commands.items() if not any(p.name == "as_json" for p in verb.params)] == []


def test_waiting_for_a_run_ends_with_its_exit_code(here: Path, capsys: Capture) -> None:
    said(capsys, "jobs", "add", "now", "cover.yaml")
    for outcome, code, want in (("done", 0, 0), ("part", 8, 8), ("failed", 3, 3), ("failed", 0, 1)):
        stop = threading.Event()

        def serve(outcome: str = outcome, code: int = code, stop: threading.Event = stop) -> None:
            while not stop.wait(0.05):
                ran(here, outcome, code)

        service = threading.Thread(target=serve)
        service.start()
        try:
            assert run(["jobs", "run", "now", "--wait", "--json"]) == want
        finally:
            stop.set()
            service.join()
        assert json.loads(capsys.readouterr().out)["state"] == outcome


def test_cancel_and_remove(here: Path, capsys: Capture) -> None:
    said(capsys, "jobs", "add", "now", "cover.yaml")
    said(capsys, "jobs", "run", "now")
    ran(here, text="x")
    said(capsys, "jobs", "run", "now")
    assert "cancelled" in said(capsys, "jobs", "cancel", "now")
    assert said(capsys, "jobs", "cancel", "now") == ""
    assert len(list((here / "jobs.db.logs" / "now").iterdir())) == 1
    assert said(capsys, "jobs", "remove", "NOW") == "now: removed\n"
    assert told(capsys, "jobs", "history") == [] and not (here / "jobs.db.logs" / "now").exists()


def test_notification_addresses_are_not_told(here: Path, capsys: Capture) -> None:
    (here / "tell.json").write_text('[{"on": ["failure"], "webhook": "https://example.org/secret"}]')
    out = said(capsys, "jobs", "add", "now", "cover.yaml", "--notify", "tell.json", "--json")
    out += said(capsys, "jobs", "show", "now") + said(capsys, "jobs", "list", "--json")
    assert "secret" not in out and "1 rule" in out
    assert stat.S_IMODE((here / "jobs.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["add", "../x", "cover.yaml"], 2, "SETTING: name"),
        (["add", "now", "none.yaml"], 3, "NOT_FOUND"),
        (["add", "now", "bad.yaml"], 2, "SETTING"),
        (["add", "now", "cover.yaml", "--cron", "0 6 * *"], 2, "CRON"),
        (["add", "now", "cover.yaml", "--cron", "0 0 31 2 *"], 2, "CRON"),
        (["add", "now", "cover.yaml", "--cron", "0 6 * * 1", "--timezone", "Berlin"], 2, "TIMEZONE"),
        (["add", "now", "cover.yaml", "--cron", "0 6 * * 1", "--on-new", "scenes"], 2, "SETTING"),
        (["add", "now", "cover.yaml", "--on-new", "nowhere"], 3, "NOT_FOUND"),
        (["add", "now", "cover.yaml", "--on-new", "scenes", "--out", "scenes/out/{slot}"], 2, "SETTING"),
        (["add", "now", "cover.yaml", "--max-runtime", "soon"], 2, "USAGE"),
        (["add", "now", "cover.yaml", "--out", "{slot.__class__}"], 2, "SETTING: out"),
        (["add", "now", "cover.yaml", "--notify", "cover.yaml"], 2, "NOTIFY"),
        (["add", "now", "cover.yaml", "--notify", "none"], 3, "NOT_FOUND"),
        (["list"], 3, "NOT_FOUND"),
        (["list", "--store", "cover.yaml"], 3, "STORE"),
        (["list", "--store", "scenes"], 3, "STORE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_makes_no_store(
    here: Path, capsys: Capture, args: list[str], code: int, word: str
) -> None:
    (here / "bad.yaml").write_text(PIPELINE + "    env: {PATH: /tmp}\n")
    assert run(["jobs", *args]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"geoseg: {word}") and err.count("\n") == 1
    assert not (here / "jobs.db").exists()


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (WEEKLY[1:], 4, "EXISTS"), (["show", "weakly"], 3, "NO_JOB"), (["logs", "weekly"], 3, "NO_LOG"),
        (["run", "weekly", "--slot", "99"], 3, "NO_SLOT"), (["cancel", "weekly", "--slot", "x'; DROP TABLE jobs"], 3, "NO_SLOT"),
        (["show", "x" * 100_000], 3, "NO_JOB"), (["history", "\x1b[2J"], 3, "NO_JOB"), (["remove", "../weekly"], 3, "NO_JOB"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_line(here: Path, capsys: Capture, args: list[str], code: int, word: str) -> None:
    said(capsys, *WEEKLY)
    assert run(["jobs", *args]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"geoseg: {word}") and err.count("\n") == 1 and len(err) < 500
    assert err[:-1].isprintable()


def test_a_job_can_be_changed(here: Path, capsys: Capture) -> None:
    said(capsys, *WEEKLY)
    said(capsys, *WEEKLY, "--priority", "7", "--overwrite")
    assert told(capsys, "jobs", "show", "weekly")["priority"] == 7  # type: ignore[call-overload, index]


@pytest.mark.parametrize(
    ("text", "seconds"), [("4h", 14400), ("90m", 5400), ("1h30m", 5400), ("1d12h", 129600), ("0.5h", 1800), ("45s", 45)]
)
def test_lengths_of_time_have_units(text: str, seconds: float) -> None:
    assert options.Duration().convert(text, None, None) == seconds
