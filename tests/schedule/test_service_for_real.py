"""The service with ``geoseg run`` itself: maps of two dates and their change, on a cluster of two workers."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import rasterio
from rasterio.windows import Window

from geoseg.schedule.store import JobStore
from geoseg.schedule.values import ENDED, Entry
from tests.helpers.daskprocesses import scheduler, worker
from tests.helpers.runs import pixel_bundle, write_scene
from tests.helpers.standin import ROOT, lives, until

pytestmark = pytest.mark.slow

PIPELINE = """
name: change
scenes: {glob: scenes/*.tif}
bundle: bundle
cluster: {workers: 2, threads: 1}
steps:
  - {step: segment, block_size: 128}
  - {step: change, block_size: 128}
  - {step: report}
"""
MAPS = PIPELINE.partition("  - {step: change")[0].replace("block_size: 128", "block_size: 128, only: mask")
SAME = ("mask.tif", "areas.csv", "change.tif", "transitions.csv", "polygons.gpkg")
"""Outputs in which no time of day stands."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A pipeline of two dates, small, of 40 blocks a date, with a rectangle that has changed."""
    (tmp_path / "scenes").mkdir()
    pixel_bundle(tmp_path / "bundle")
    write_scene(tmp_path / "scenes/s_20200601.tif", (640, 960))
    shutil.copy(tmp_path / "scenes/s_20200601.tif", tmp_path / "scenes/s_20210601.tif")
    with rasterio.open(tmp_path / "scenes/s_20210601.tif", "r+") as later:  # bands swapped in a rectangle
        window = Window(300, 200, 250, 150)
        later.write(later.read(window=window)[::-1], window=window)
    (tmp_path / "p.yaml").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def start(place: Path) -> Iterator[Any]:
    """Starts commands of geoseg; what still lives at the end is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "geoseg", *words], cwd=ROOT)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


def service(place: Path) -> list[str]:
    return ["service", "--store", str(place / "jobs.db"), "--lease", "10s", "--grace", "20s"]


def latest(store: JobStore) -> Entry | None:
    """The slot that has run, or runs."""
    return next((entry for entry in store.history("change") if entry.attempts), None)


def blocks_done(entry: Entry | None) -> int:
    """Lines of the progress of all attempts."""
    paths = [Path(attempt.progress) for attempt in entry.attempts] if entry else []
    return sum(path.read_bytes().count(b"\n") for path in paths if path.exists())


def same_bytes(one: Path, other: Path) -> int:
    """How many outputs both have; each is the same."""
    found = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.name in SAME and path.is_file()]
    for path in found:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path
    return len(found)


def test_a_job_of_each_minute_survives_the_kill_of_its_service(place: Path, start: Any) -> None:
    words = (
        "--store",
        str(place / "jobs.db"),
        "--cron",
        "* * * * *",
        "--overlap",
        "skip",
        "--out",
        str(place / "out/{slot}"),
    )
    assert start("jobs", "add", "change", str(place / "p.yaml"), *words).wait(60) == 0
    first = start(*service(place))
    with JobStore(place / "jobs.db") as store:
        until(lambda: blocks_done(latest(store)) >= 5, 500)
        entry = latest(store)
        assert entry is not None and entry.run is not None
        os.kill(first.pid, signal.SIGKILL)
        store.pause("change")
        guard = entry.attempts[0].pid
        until(lambda: guard is None or not lives(guard))
        assert not list(Path(entry.run.out).glob("change/*/change.tif"))
        second = start(*service(place))
        store.pause("change", paused=False)
        until(lambda: store.entry("change", entry.slot.key).slot.state in ENDED, 500)
        store.pause("change")
        second.terminate()
        assert second.wait(60) == 0
        done = store.entry("change", entry.slot.key)
    endings = [attempt.ending for attempt in done.attempts]
    assert "lost" in endings and endings[-1] == "done"
    out = Path(entry.run.out)
    told = json.loads((out / "pipeline.json").read_text())
    assert told["complete"] and list(out.rglob("report.html"))
    assert start("run", str(place / "p.yaml"), "--out", str(place / "undisturbed")).wait(500) == 0
    assert same_bytes(place / "undisturbed", out) >= 7
    listed = subprocess.run(
        [sys.executable, "-m", "geoseg", "jobs", "history", "change", "--store", str(place / "jobs.db"), "--json"],
        capture_output=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert b'"done"' in listed.stdout and b'"lost"' in listed.stdout


def test_a_worker_that_is_killed_changes_no_byte(place: Path, start: Any) -> None:
    (place / "p.yaml").write_text(MAPS)
    words = ("--store", str(place / "jobs.db"), "--out", str(place / "out"))
    assert start("jobs", "add", "change", str(place / "p.yaml"), *words).wait(60) == 0
    with JobStore(place / "jobs.db") as store:
        store.ask("change")
        once = start(*service(place), "--once")
        until(lambda: blocks_done(latest(store)) >= 3, 500)
        entry = latest(store)
        assert entry is not None and entry.attempts[0].pid is not None
        below = psutil.Process(entry.attempts[0].pid).children(recursive=True)
        workers = [process for process in below if any("spawn_main" in word for word in process.cmdline())]
        workers[-1].kill()
        assert once.wait(500) == 0
    assert start("run", str(place / "p.yaml"), "--out", str(place / "undisturbed")).wait(500) == 0
    assert same_bytes(place / "undisturbed", place / "out") == 4


def test_a_scene_that_is_poison_fails_alone(place: Path, start: Any) -> None:
    for i in range(8):
        write_scene(place / f"scenes/s_2022060{i + 1}.tif", (100, 100), seed=i)
    (place / "scenes/s_20220601.tif").write_bytes(b"II*\0poison")
    (place / "p.yaml").write_text(MAPS.replace("workers: 2, threads: 1", "workers: 0"))
    words = ("--store", str(place / "jobs.db"), "--out", str(place / "out"))
    assert start("jobs", "add", "change", str(place / "p.yaml"), *words).wait(60) == 0
    with JobStore(place / "jobs.db") as store:
        store.ask("change")
        assert start(*service(place), "--once").wait(500) == 8
        assert store.history()[0].slot.state == "part" and "s_20220601" in store.history()[0].attempts[0].message
    assert len(list((place / "out").glob("segment/*/mask.tif"))) == 9


def test_a_scheduler_that_is_killed_ends_the_run_as_lost_and_its_blocks_are_kept(place: Path, start: Any) -> None:
    (place / "p.yaml").write_text(MAPS.replace("cluster: {workers: 2, threads: 1}", "retries: 0"))
    words = ("--store", str(place / "jobs.db"), "--out", str(place / "out"))
    assert start("jobs", "add", "change", str(place / "p.yaml"), *words).wait(60) == 0
    with JobStore(place / "jobs.db") as store:
        store.ask("change")
        with scheduler() as served, worker(served.address), worker(served.address):
            once = start(*service(place), "--once", "--scheduler", served.address)
            until(lambda: blocks_done(latest(store)) >= 3, 500)
            served.process.kill()
            assert once.wait(300) == 8
        lost = store.history("change")[0]
        assert (lost.slot.state, lost.attempts[0].exit_code) == ("failed", 7)
        assert lost.attempts[0].message.startswith("CLUSTER: tcp://127.0.0.1:")
        store.ask("change", key=lost.slot.key)
        with scheduler() as served, worker(served.address):
            assert start(*service(place), "--once", "--scheduler", served.address).wait(500) == 0
    told = json.loads((place / "out/pipeline.json").read_text())["tasks"]
    assert sum(task["facts"]["blocks"]["resumed"] for task in told) >= 3
    assert start("run", str(place / "p.yaml"), "--out", str(place / "undisturbed")).wait(500) == 0
    assert same_bytes(place / "undisturbed", place / "out") == 4


def test_a_full_disk_ends_the_run_in_one_line_and_the_next_goes_on(place: Path, start: Any) -> None:
    (place / "p.yaml").write_text(MAPS.replace("cluster: {workers: 2, threads: 1}", "retries: 0"))
    words = [sys.executable, "-m", "geoseg", "run", str(place / "p.yaml"), "--out", str(place / "out"), "-q"]
    full = subprocess.run(words, cwd=ROOT, preexec_fn=_small_files, capture_output=True, text=True, check=False)
    assert full.returncode == 6 and full.stderr.startswith("geoseg: DISK: ") and full.stderr.count("\n") == 1, full
    assert not list((place / "out").rglob("mask.tif"))
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == 0
    told = json.loads((place / "out/pipeline.json").read_text())["tasks"]
    assert any(task["facts"]["blocks"]["resumed"] for task in told)
    assert start("run", str(place / "p.yaml"), "--out", str(place / "undisturbed")).wait(500) == 0
    assert same_bytes(place / "undisturbed", place / "out") == 4


def _small_files() -> None:
    """No file of this process may have more than 40 kB: a block has less, a map more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
