"""The store's file: made for its owner, migrated whole or not at all, and what is wrong with it said in one line."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from geoseg.errors import Conflict, GeosegError, InputRefused, ResourceError, UsageError
from geoseg.schedule import database, schema
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore

ROOT = Path(__file__).parent.parent.parent
JOB = JobSettings.of(name="a", pipeline="/p/p.yaml", out="/p/{slot}", cron="0 6 * * 1", timezone="Europe/Berlin")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with JobStore(tmp_path / "jobs.db") as store:
        store.add(JOB)
        for number in range(50):
            store.add_scene("a", str(number), [f"/p/{number}.tif"])
    return tmp_path / "jobs.db"


def one_line(error: GeosegError, where: Path) -> bool:
    return "\n" not in str(error) and str(where) in str(error) and len(str(error)) < 500


def test_the_file_is_its_owner_s_alone_and_shared_by_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "below" / "jobs.db"
    with JobStore(path) as store:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with store.database.read() as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert path.read_bytes()[68:72] == b"GSEG"


# Migration


def older(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as an older geoseg made it, with a run under way."""
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:version])
        with database.Database(path) as made, made.write() as connection:
            connection.execute(
                "INSERT INTO jobs (name, pipeline, out, cron, timezone, catch_up, grace, retries, overlap, priority, keep_runs,"
                " notify, created, planned) VALUES ('old', '/p/p.yaml', '/p/{slot}', '0 6 * * 1', 'Europe/Berlin', 'last', 300, 2,"
                " 'queue', 0, 200, '', '2026-01-05T12:00:00.000000Z', '2026-01-05T12:00:00.000000Z')"
            )
            connection.execute(
                "INSERT INTO slots (job, key, kind, due, not_before, state) VALUES (1, 'k', 'cron', '2026-01-05T12:00:00.000000Z',"
                " '2026-01-05T12:00:00.000000Z', 'waiting')"
            )


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_a_store_of_each_older_version_is_migrated_and_keeps_all(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(tmp_path / "old.db", version, monkeypatch)
    with JobStore(tmp_path / "old.db") as store, JobStore(tmp_path / "new.db") as new:
        job = store.job("old")
        assert (job.settings.cron, job.settings.retries, job.settings.catch_up) == ("0 6 * * 1", 2, "last")
        lease = store.claim(1, "one", lease=timedelta(seconds=30))
        assert lease and store.note(1, "told", "yes")
        store.finish(lease, "done")
        tables = "SELECT sql FROM sqlite_schema ORDER BY name"
        with store.database.read() as migrated, new.database.read() as fresh:
            assert [row[0] for row in migrated.execute(tables)] == [row[0] for row in fresh.execute(tables)]
            assert migrated.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(tmp_path / "old.db", 1, monkeypatch)
    broken = (*schema.MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN colour TEXT", "CREATE TABLE jobs (x)"))
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", broken)
        with pytest.raises(GeosegError):
            JobStore(tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    connection.close()
    with JobStore(tmp_path / "old.db") as store:
        assert [job.name for job in store.jobs()] == ["old"]


def test_a_store_of_a_newer_geoseg_is_refused_and_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JobStore(path) as running:
        with monkeypatch.context() as patch:
            patch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN colour TEXT",)))
            JobStore(path).close()
        with pytest.raises((Conflict, InputRefused), match="newer geoseg"):
            running.ask("a")
    before = path.read_bytes()
    with pytest.raises(InputRefused, match=r"^STORE: .* newer geoseg.* Update geoseg") as refused:
        JobStore(path)
    assert one_line(refused.value, path) and path.read_bytes() == before


# What is wrong with a file


def test_no_store_is_told_from_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"^NOT_FOUND: ") as refused:
        JobStore(tmp_path / "none.db", create=False)
    assert one_line(refused.value, tmp_path / "none.db") and not any(tmp_path.iterdir())


def make_other(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("jobs: []\n" * 200)
    elif kind == "another database":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE jobs (x)")
        connection.close()
    elif kind == "a GeoPackage":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA application_id = 1196444487")
            connection.execute("CREATE TABLE gpkg_contents (x)")
        connection.close()
    elif kind == "fifo":
        os.mkfifo(path)


@pytest.mark.parametrize("kind", ["folder", "text", "another database", "a GeoPackage", "fifo"])
def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.db"
    make_other(path, kind)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputRefused, match=r"^STORE: ") as refused:
        JobStore(path)
    assert one_line(refused.value, path)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.db"]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=600)), min_size=1, max_size=5)
)
@example(wounds=[(0.0234375, b"\x80")])  # SQLite's own words are then no UTF-8
def test_a_damaged_store_works_or_says_so_in_one_line(path: Path, wounds: list[tuple[float, bytes]]) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    data = bytearray(copy.read_bytes())
    for place, junk in wounds:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    copy.write_bytes(data)
    try:
        with JobStore(copy, wait=0.1) as store:
            store.due()
            store.history(limit=100)
            store.prune()
    except GeosegError as error:
        assert error.code in ("STORE", "STORE_CHANGED", "DISK", "FILE", "LOCKED", "NO_SLOT") and "\n" not in str(error)
    finally:
        for extra in ("", "-wal", "-shm"):
            path.with_name(f"copy.db{extra}").unlink(missing_ok=True)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_store_that_was_cut_short_says_so_in_one_line(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) // 4096 * 4096 + 100])
    with pytest.raises(InputRefused, match=r"^STORE: .*damaged") as refused, JobStore(path) as store:
        store.due()
        store.history(limit=1000)
    assert one_line(refused.value, path)


def test_a_locked_store_says_so_in_one_line_after_a_bounded_time(path: Path) -> None:
    with JobStore(path) as other, other.database.write():
        begun = time.monotonic()
        with JobStore(path, wait=0.2) as store:
            assert [job.name for job in store.jobs()] == ["a"], "reading does not wait for a writer"
            with pytest.raises(Conflict, match=r"^LOCKED: ") as refused:
                store.ask("a")
        assert one_line(refused.value, path) and time.monotonic() - begun < 60


def test_a_store_that_another_program_locks_whole_says_so(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Conflict, match=r"^LOCKED: ") as refused:
            JobStore(path, wait=0.2)
    finally:
        connection.close()
    assert one_line(refused.value, path)


def test_a_store_of_which_the_file_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((ResourceError, InputRefused)) as refused:
        JobStore(tmp_path / "file" / "jobs.db")
    assert "\n" not in str(refused.value)


def test_a_full_disk_is_an_error_of_one_line_and_the_store_stays_whole(path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from geoseg.schedule.store import JobStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = JobStore(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from geoseg.errors import ResourceError\n"
        "try:\n"
        "    for n in range(10_000): store.add_scene('a', 'x' * 3000 + str(n), ['y' * 3000])\n"
        "except ResourceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DISK: ") and done.stdout.count("\n") == 1
    with JobStore(path) as store:
        with store.database.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        store.ask("a")


def test_a_closed_store_says_so(path: Path) -> None:
    store = JobStore(path)
    store.close()
    with pytest.raises(UsageError, match=r"^STORE: "):
        store.jobs()


def test_threads_share_a_store(path: Path) -> None:
    with JobStore(path) as store:
        won: list[str] = []

        def work(owner: str) -> None:
            for _ in range(10):
                for slot in store.due():
                    if lease := store.claim(slot.id, owner, lease=timedelta(seconds=60)):
                        won.append(lease.slot.key)
                        store.finish(lease, "done")

        threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won and len(won) == len(set(won))
