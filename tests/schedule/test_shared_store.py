"""One store, many processes: no slot is run by two, a killed holder's is taken over, and all make and migrate the file at once."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from tests.helpers.standin import until

ROOT = Path(__file__).parent.parent.parent


def service(store: Path, owner: str, count: int, work: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.helpers.claimers", str(store), owner, str(count), str(work)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> list[tuple[str, str, float, float]]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [tuple(json.loads(line)) for line in out.splitlines()]


def job(name: str) -> JobSettings:
    return JobSettings.of(name=name, pipeline="/p/p.yaml", out="/p/{slot}")


def test_four_processes_never_run_one_slot_twice_nor_one_job_at_the_same_time(tmp_path: Path) -> None:
    path, names, each = tmp_path / "jobs.db", ("a", "b", "c"), 8
    with JobStore(path) as store:
        for name in names:
            store.add(job(name))
        services = [service(path, f"service {number}", len(names) * each, 0.01) for number in range(4)]
        until(lambda: len(store.services()) == 4, 120)  # else one may have done all before the others are there
        for number in range(each):
            for name in names:
                store.add_scene(name, str(number), [f"/p/{number}.tif"])
    got = [ended(process) for process in services]
    runs = sorted((line for lines in got for line in lines), key=lambda line: line[2])
    assert sorted((name, key) for key, name, _, _ in runs) == sorted(
        (n, f"scene:{i}") for n in names for i in range(each)
    )
    for name in names:
        assert all(first[3] <= second[2] for first, second in pairwise(line for line in runs if line[1] == name))
    assert sum(bool(lines) for lines in got) > 1, "one process alone did all: the test shows nothing"
    with JobStore(path) as store:
        assert all(len(entry.attempts) == 1 for entry in store.history(limit=1000))


def test_the_run_of_a_killed_holder_is_taken_over_when_its_lease_ends(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with JobStore(path) as store:
        store.add(job("a"))
        slot = store.ask("a")
        holder = service(path, "holder", 1, 3600)
        try:
            while (now := store.slot(slot.id)).state != "running" or store.history()[0].attempts[0].pid is None:
                assert holder.poll() is None, holder.communicate()[1]
            assert store.claim(now.id, "other", lease=timedelta(seconds=1)) is None
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.communicate()
        assert store.due() == ()
        with store.database.write() as connection:  # the lease's minute passes
            connection.execute("UPDATE attempts SET lease_until = '2020-01-01T00:00:00.000000Z'")
        (found,) = store.due()
        lease = store.claim(found.id, "other", lease=timedelta(seconds=60))
        assert lease is not None and lease.attempt.number == 2
        assert store.finish(lease, "done").state == "done"
        assert [attempt.ending for attempt in store.history()[0].attempts] == ["lost", "done"]


def test_processes_that_make_the_store_at_once_find_one_store(tmp_path: Path) -> None:
    code = (
        "import sys; from geoseg.schedule.store import JobStore; from geoseg.schedule.settings import JobSettings\n"
        "with JobStore(sys.argv[1]) as s: s.add(JobSettings.of(name=sys.argv[2], pipeline='/p', out='/o'))"
    )
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "jobs.db"), f"job{n}"], cwd=ROOT, stderr=subprocess.PIPE
        )
        for n in range(6)
    ]
    for process in made:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
    with JobStore(tmp_path / "jobs.db") as store:
        assert [job.name for job in store.jobs()] == [f"job{n}" for n in range(6)]


def test_a_writer_that_is_killed_inside_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with JobStore(path) as store:
        store.add(job("a"))
    code = (
        "import os, sys; from geoseg.schedule.store import JobStore\n"
        "with JobStore(sys.argv[1]).database.write() as c:\n"
        "    c.execute(\"UPDATE jobs SET name = 'half'\"); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with JobStore(path, wait=5) as store:
        assert [job.name for job in store.jobs()] == ["a"]
        store.ask("a")
