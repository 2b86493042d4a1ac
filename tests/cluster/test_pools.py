"""Pools: every block comes back once; what kills its worker is named and costs nobody else."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import pytest

from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import ClusterLost, InputRefused, ResourceError, UsageError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from tests.helpers.daskprocesses import free_port, joined, scheduler, worker
from tests.helpers.pooljobs import Killer, die_once, pid_of, refuse_seven

GRID = BlockGrid(ChipGrid((160, 192), 32), 1)


def outcomes(pool, step="work", grid=GRID):
    return {block.name: outcome for block, outcome in pool.map(step, grid)}


@pytest.mark.parametrize("workers", [0, 2])
def test_every_block_comes_back_once(tmp_path, workers):
    with connect(ClusterSettings(workers)) as pool:
        pool.install(Killer(str(tmp_path)))
        found = outcomes(pool)
        assert pool.workers == max(workers, 1)
        assert pool.call(divmod, 7, 2) == (3, 1)
        assert (pool.ask(pid_of) == os.getpid()) == (workers == 0)
    assert sorted(found) == [block.name for block in GRID]
    assert all(outcome is None for outcome in found.values())
    assert all(len(log.read_text().splitlines()) == 1 for log in tmp_path.iterdir())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_refused_block_arrives_as_what_it_is(tmp_path, workers):
    with connect(ClusterSettings(workers)) as pool:
        pool.install(Killer(str(tmp_path)))
        found = outcomes(pool, "refuse")
    assert all(isinstance(outcome, InputRefused) for outcome in found.values())
    assert {str(outcome) for outcome in found.values()} >= {"READ: r00000c00001: cannot be read."}


def test_a_block_that_kills_its_worker_three_times_is_named_and_the_rest_completes(tmp_path):
    deadly = "r00002c00003"
    with connect(ClusterSettings(2)) as pool:
        pool.install(Killer(str(tmp_path), (deadly,)))
        found = outcomes(pool)
    assert isinstance(found[deadly], ResourceError)
    assert str(found[deadly]).startswith(f"WORKER: {deadly}: ")
    assert sum(outcome is None for outcome in found.values()) == len(GRID) - 1
    assert len((tmp_path / deadly).read_text().splitlines()) == 3


def test_a_block_whose_worker_died_by_chance_is_done_after_all(tmp_path):
    with connect(ClusterSettings(1)) as pool:
        pool.install(Killer(str(tmp_path), ("r00000c00001",), times=1))
        found = outcomes(pool)
    assert all(outcome is None for outcome in found.values())


def test_blocks_go_where_the_gpu_resource_is(tmp_path):
    with scheduler() as served, worker(served.address), worker(served.address, "--resources", "GPU=1") as claimed:
        joined(served.address, 2)
        settings = ClusterSettings(scheduler=served.address, device="cuda", patience=20)
        with connect(settings) as pool:
            pool.install(Killer(str(tmp_path)))
            found = outcomes(pool)
    pids = {line for log in tmp_path.iterdir() for line in log.read_text().splitlines()}
    assert len(found) == len(GRID)
    assert pids == {str(claimed.pid)}


def test_a_cluster_without_a_gpu_is_refused_at_once():
    with scheduler() as served, worker(served.address):
        joined(served.address)
        with pytest.raises(ResourceError, match="DEVICE: cuda: no worker of the cluster offers a GPU"):
            connect(ClusterSettings(scheduler=served.address, device="cuda", patience=20)).__enter__()


def test_a_scheduler_that_is_not_there_is_a_lost_cluster():
    started = time.monotonic()
    with pytest.raises(ClusterLost, match="cannot reach the scheduler"):
        connect(ClusterSettings(scheduler=f"tcp://127.0.0.1:{free_port()}", patience=2)).__enter__()
    assert time.monotonic() - started < 30


def test_a_scheduler_without_workers_is_a_lost_cluster():
    with scheduler() as served, pytest.raises(ClusterLost, match="no worker has come"):
        connect(ClusterSettings(scheduler=served.address, patience=1)).__enter__()


@pytest.mark.parametrize("victim", ["scheduler", "worker"])
def test_a_cluster_that_dies_in_the_middle_is_a_lost_cluster(tmp_path, victim):
    with scheduler() as served, worker(served.address) as work:
        joined(served.address)
        with connect(ClusterSettings(scheduler=served.address, patience=10)) as pool:
            pool.install(Killer(str(tmp_path), seconds=0.05))
            blocks = pool.map("work", GRID)
            next(blocks)
            (served.process if victim == "scheduler" else work).send_signal(signal.SIGKILL)
            with pytest.raises(ClusterLost):
                for _, outcome in blocks:
                    if outcome is not None:
                        raise outcome


@pytest.mark.parametrize("victim", ["scheduler", "worker"])
def test_a_cluster_that_dies_while_it_is_asked_is_a_lost_cluster(victim):
    with scheduler() as served, worker(served.address) as work:
        joined(served.address)
        with connect(ClusterSettings(scheduler=served.address, patience=5)) as pool:
            process = served.process if victim == "scheduler" else work
            threading.Timer(1, process.kill).start()
            with pytest.raises(ClusterLost):
                pool.call(time.sleep, 60)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="WORKERS"):
        connect(ClusterSettings(-1))
    with pytest.raises(UsageError, match=r"WORKERS: 10{20}: this machine can hold \d+ worker processes"):
        connect(ClusterSettings(10**20))


@pytest.mark.parametrize("address", ["", "hello world", "tcp://host", "host"])
def test_what_is_no_address_is_wrong_usage_at_once(address):
    with pytest.raises(UsageError, match="SCHEDULER"):
        connect(ClusterSettings(scheduler=address))


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order_and_errors_as_what_they_are(workers):
    with connect(ClusterSettings(workers)) as pool:
        assert list(pool.in_order(str, range(50))) == [str(i) for i in range(50)]
        taken = []
        with pytest.raises(InputRefused, match="READ"):
            for result in pool.in_order(refuse_seven, range(20)):
                taken.append(result)
    assert taken == list(range(7))


def test_what_a_dead_worker_took_with_it_is_done_again(tmp_path):
    with connect(ClusterSettings(2)) as pool:
        once = partial(die_once, str(tmp_path / "died"))
        assert list(pool.in_order(once, range(30))) == list(range(30))
        with pytest.raises(ResourceError, match="WORKER"):
            list(pool.in_order(os._exit, [1]))


def test_blocks_go_to_the_scheduler_many_in_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.cluster.dask_pool.IN_FLIGHT", 64)
    monkeypatch.setattr("geoseg.cluster.dask_pool.MOST_TOGETHER", 20)
    grid, sent = BlockGrid(ChipGrid((32, 32 * 300), 32), 1), []
    with connect(ClusterSettings(1)) as pool:
        pool.install(Killer(str(tmp_path)))
        send = pool._send
        monkeypatch.setattr(pool, "_send", lambda step, blocks: (sent.append(len(blocks)), send(step, blocks))[1])
        found = outcomes(pool, grid=grid)
    assert len(found) == sum(sent) == 300 and not any(found.values())
    assert all(4 <= size <= 20 for size in sent[:-1])  # the first 64 in four messages of at most 20
    assert len(sent) < 300 / 8 + 4


def test_a_scheduler_that_is_too_busy_to_answer_gets_as_many_blocks_as_before(monkeypatch):
    with connect(ClusterSettings(2)) as pool:
        room = pool._room()
        assert room % 2 == 0
        monkeypatch.setattr(pool, "_infos", dict)
        assert pool._room() == room
