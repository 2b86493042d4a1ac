"""Local workers come back: killed together, again and again, when they start slowly, and when they hang."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from geoseg.cluster import start
from geoseg.cluster.connect import ClusterSettings, connect, visible_gpus
from geoseg.errors import ClusterLost
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from tests.helpers.pooljobs import Killer, devices_seen

MANY = BlockGrid(ChipGrid((32, 32 * 600), 32), 1)


def processes() -> list[psutil.Process]:
    """The worker processes of this test's pool."""
    found = psutil.Process().children(recursive=True)
    return [one for one in found if _is_worker(one)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def pids_in(folder) -> set[str]:
    return {line for log in folder.iterdir() for line in log.read_text().splitlines()}


def until(condition, blocks: Iterator, seconds: float = 120) -> None:
    """Go on with the blocks until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert next(blocks)[1] is None


def test_both_workers_killed_twice_come_back_and_no_block_is_lost(tmp_path):
    with connect(ClusterSettings(2)) as pool:
        pool.install(Killer(str(tmp_path), seconds=0.02))
        blocks = pool.map("work", MANY)
        for _ in range(2):
            before = pids_in(tmp_path)
            assert next(blocks)[1] is None
            for process in processes():
                process.kill()
            until(lambda before=before: pids_in(tmp_path) - before, blocks)
        rest = [outcome for _, outcome in blocks]
    assert not any(rest)
    assert {log.name for log in tmp_path.iterdir()} == {block.name for block in MANY}


@pytest.mark.slow
def test_workers_that_start_slower_than_dask_waits_come_back_all_the_same(tmp_path, monkeypatch):
    # Dask closes the nanny of a worker that is not back in time, for good; a busy machine's workers take that long.
    monkeypatch.setitem(start.CONFIG, "distributed.deploy.lost-worker-timeout", "50ms")
    monkeypatch.setattr("geoseg.cluster.reach.REVIVE", 1.0)
    with connect(ClusterSettings(1, patience=120)) as pool:
        pool.install(Killer(str(tmp_path), seconds=0.01))
        blocks = pool.map("work", MANY)
        assert next(blocks)[1] is None
        before = pids_in(tmp_path)
        for process in processes():
            process.kill()
        until(lambda: pids_in(tmp_path) - before, blocks)


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setitem(start.CONFIG, "distributed.scheduler.worker-ttl", "20s")
    monkeypatch.setitem(start.CONFIG, "distributed.deploy.lost-worker-timeout", "2s")
    with connect(ClusterSettings(1, patience=150)) as pool:
        pool.install(Killer(str(tmp_path), seconds=0.01))
        blocks = pool.map("work", MANY)
        assert next(blocks)[1] is None
        before = pids_in(tmp_path)
        [hung] = [one for one in processes() if str(one.pid) in before]
        hung.send_signal(signal.SIGSTOP)
        try:
            until(lambda: pids_in(tmp_path) - before, blocks, 300)
        finally:
            if hung.is_running():
                hung.kill()


def test_workers_that_never_come_back_are_a_lost_cluster_in_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "revive", lambda cluster: None)
    monkeypatch.setitem(start.CONFIG, "distributed.deploy.lost-worker-timeout", "50ms")
    with connect(ClusterSettings(1, patience=8)) as pool:
        pool.install(Killer(str(tmp_path), seconds=0.01))
        blocks = pool.map("work", MANY)
        next(blocks)
        cluster = pool._cluster
        for process in processes():
            process.kill()
        cluster.loop.add_callback(lambda: cluster.scale(0))
        started = time.monotonic()
        with pytest.raises(ClusterLost, match="no worker for 8 s"):
            for _, outcome in blocks:
                assert outcome is None
        assert time.monotonic() - started < 60


def test_workers_that_take_long_to_end_fail_nothing_that_is_done(tmp_path):
    def late(self, timeout):
        raise TimeoutError(f"timed out after {timeout} s.")

    (tmp_path / "papers").mkdir()
    start.close(type("Slow", (), {"close": late, "shared_temp_directory": str(tmp_path / "papers")})())
    assert not list(tmp_path.iterdir())


def test_one_process_for_each_device_and_each_sees_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus() == ["3", "5"]
    with connect(ClusterSettings(2, device="cuda")) as pool:
        assert pool.workers == 2
        seen = pool._run(devices_seen)
        assert sorted(seen.values()) == ["3", "5"]
        pool.install(Killer(str(tmp_path), seconds=0.05))
        assert all(outcome is None for _, outcome in pool.map("work", list(MANY)[:40]))
    assert len(pids_in(tmp_path)) == 2
    with connect(ClusterSettings(4, device="cuda:5")) as pool:
        assert list(pool._run(devices_seen).values()) == ["5"]
