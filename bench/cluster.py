"""Cluster: a million blocks over a thousand simulated workers: what the client and a real Dask scheduler take for a block.

    python -m bench.cluster [--blocks 1000000] [--workers 1000] [--seconds 0]

Workers are simulated: each speaks Dask's protocol over its own socket and says of every block that it is done, at once or
after about ``--seconds``; there are no pixels. Client and scheduler are the real ones, in a process each. ``drift_mib`` is
what the client's memory grew by between the first tenth of the blocks and the last, ``stall_s`` the longest time in which
no block came back.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import socket
import subprocess
import sys
import time
from typing import Any

import psutil
from distributed.batched import BatchedSend
from distributed.core import Server, Status, connect
from distributed.versions import get_versions
from distributed.worker import run as run_on_worker

from bench.measure import save, say
from bench.scaling import Idle
from geoseg.cluster.connect import ClusterSettings
from geoseg.cluster.connect import connect as connect_pool
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid

PROCESSES = 2
METRICS: dict[str, Any] = {
    "bandwidth": {"total": 1e8, "workers": {}, "types": {}}, "digests_total_since_heartbeat": {}, "memory": 1 << 28,
    "managed_bytes": 0, "spilled_bytes": {"memory": 0, "disk": 0}, "task_counts": {}, "cpu": 0.0, "time": 0.0,
    "transfer": {"incoming_bytes": 0, "incoming_count": 0, "outgoing_bytes": 0, "outgoing_count": 0},
    "event_loop_interval": 0.0, "host_net_io": {"read_bps": 0.0, "write_bps": 0.0}, "num_fds": 0,
}  # fmt: skip


class Simulated(Server):
    """A worker that has done every block ``seconds`` after it was given one, give or take a half."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds
        answer = {"status": "OK"}
        super().__init__(
            handlers={"run": self.run, "plugin-add": lambda **_: answer, "plugin-remove": lambda **_: answer},
            stream_handlers={"compute-task": self.compute, "free-keys": self.ignore, "close": self.ignore},
        )
        self.stream = BatchedSend(interval="10ms", loop=self.loop)

    async def run(self, comm: Any, function: Any, args: Any = (), kwargs: Any = None, wait: bool = True) -> Any:
        """What the client asks of every worker: its versions."""
        return await run_on_worker(self, comm, function, args, kwargs, wait)

    async def join(self, scheduler: str) -> None:
        """Listen, register, and take blocks from then on."""
        await self.listen("tcp://127.0.0.1:0")
        comm = await connect(scheduler, timeout=60)
        await comm.write(
            {
                "op": "register-worker", "reply": False, "address": self.address, "status": Status.running.name,
                "nthreads": 3, "name": self.name, "now": time.time(), "resources": {}, "memory_limit": 1 << 32,
                "local_directory": "", "services": {}, "nanny": None, "pid": os.getpid(), "versions": get_versions(),
                "metrics": METRICS, "extra": {}, "stimulus_id": self.name, "server_id": self.id,
            },
            serializers=["msgpack"],
        )  # fmt: skip
        assert (await comm.read(deserializers=["msgpack"]))["status"] == "OK"
        self.stream.start(comm)
        self.task = asyncio.create_task(self.handle_stream(comm))

    def compute(self, key: str, run_id: int, **_: Any) -> None:
        """Take a block."""
        if self.seconds:
            later = self.seconds * random.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(later, self.done, key, run_id)
        else:
            self.done(key, run_id)

    def done(self, key: str, run_id: int) -> None:
        """Say that a block is done."""
        self.stream.send(
            {
                "op": "task-finished", "status": "OK", "key": key, "run_id": run_id, "nbytes": 16, "type": b"",
                "typename": "NoneType", "metadata": {}, "thread": 1, "startstops": (), "stimulus_id": "done",
            }
        )  # fmt: skip

    def ignore(self, **_: Any) -> None:
        """Nothing is kept, so nothing is freed."""


async def workers(scheduler: str, first: int, last: int, seconds: float) -> None:
    """Many workers in this process, until it is ended."""
    made = [Simulated(f"simulated-{i}", seconds) for i in range(first, last)]
    for one in made:
        await one.join(scheduler)
    await asyncio.Event().wait()


async def scheduler(port: int) -> None:
    """A scheduler with the settings of docs/cluster.md, that does not miss the heartbeats of what only seems to live."""
    import dask
    from distributed import Scheduler

    settings = {
        "distributed.scheduler.worker-ttl": None, "distributed.scheduler.work-stealing": False,
        "distributed.scheduler.allowed-failures": 0, "distributed.admin.low-level-log-length": 10,
    }  # fmt: skip
    with dask.config.set(settings):
        async with Scheduler(host="127.0.0.1", port=port, dashboard=False) as made:
            await made.finished()


def simulate(blocks: int, count: int, seconds: float) -> dict[str, Any]:
    """Run the blocks; what they cost."""
    across = max(int(blocks**0.5), 1)
    grid = BlockGrid.sized(ChipGrid((across * 448, across * 448), 512, 32), 448)
    port = random.randrange(20_000, 30_000)
    started = [_process("scheduler", str(port))]
    _wait_for(port)
    each = -(-count // PROCESSES)
    for first in range(0, count, each):
        started.append(_process("workers", str(port), str(first), str(min(first + each, count)), str(seconds)))
    try:
        settings = ClusterSettings(scheduler=f"tcp://127.0.0.1:{port}", patience=300)
        with connect_pool(settings) as pool:
            while pool.workers < count:
                time.sleep(0.5)
            pool.install(Idle())
            return _watched(pool, grid, psutil.Process(started[0].pid))
    finally:
        for process in started:
            process.kill()
            process.wait()


def _watched(pool: Any, grid: BlockGrid, served: psutil.Process) -> dict[str, Any]:
    me, total = psutil.Process(), len(grid)
    cpu, cpu_served = _cpu(me), _cpu(served)
    memory: list[float] = []
    begun = last = time.perf_counter()
    stall, n = 0.0, 0
    for n, (_, outcome) in enumerate(pool.map("work", grid), start=1):
        assert outcome is None
        now = time.perf_counter()
        stall, last = max(stall, now - last), now
        if n % max(total // 10, 1) == 0:
            memory.append(me.memory_info().rss / 2**20)
            say(f"  {n} blocks, {(now - begun) / n * 1000:.2f} ms each, client {memory[-1]:.0f} MiB")
    seconds = time.perf_counter() - begun
    assert n == total
    return {
        "blocks": n, "workers": pool.workers, "ms_per_block": round(seconds / n * 1000, 3),
        "client_cpu_ms": round((_cpu(me) - cpu) / n * 1000, 3),
        "scheduler_cpu_ms": round((_cpu(served) - cpu_served) / n * 1000, 3),
        "client_mib": [round(value) for value in memory], "drift_mib": round(memory[-1] - memory[0], 1),
        "scheduler_mib": round(served.memory_info().rss / 2**20), "stall_s": round(stall, 2),
        "load": os.getloadavg()[0],
    }  # fmt: skip


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the scheduler does not listen")


def _process(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.cluster", "--role", *words])


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.0, help="a block's work")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        role, port, *rest = given.role
        if role == "scheduler":
            asyncio.run(scheduler(int(port)))
        else:
            asyncio.run(workers(f"tcp://127.0.0.1:{port}", int(rest[0]), int(rest[1]), float(rest[2])))
        return
    save("cluster", simulate(given.blocks, given.workers, given.seconds))


if __name__ == "__main__":
    main()
