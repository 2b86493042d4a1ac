"""A run whose network is cut, in network namespaces of its own: ``unshare -rn python -m tests.helpers.cutnetwork FOLDER WHO``.

The client is near; WHO is far: ``worker`` (one near, one far), ``workers`` (one, far), ``scheduler`` (it and its worker). A pair
of virtual cards joins near and far; once a few blocks are done the far one goes down. Prints what came of the run, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import GeosegError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from tests.helpers.certificates import Signed, signed
from tests.helpers.pooljobs import Killer

NEAR, FAR, PORT = "10.99.0.1", "10.99.0.2", 8786
GRID = BlockGrid(ChipGrid((32, 32 * 300), 32), 1)


class Far:
    """The namespace at the other end of the cable."""

    def __init__(self) -> None:
        self.keeper = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
        mine = os.readlink("/proc/self/ns/net")
        until = time.monotonic() + 30
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == mine:
            assert time.monotonic() < until
            time.sleep(0.01)
        ip("link", "set", "lo", "up")
        ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.keeper.pid))
        ip("addr", "add", f"{NEAR}/24", "dev", "near")
        ip("link", "set", "near", "up")
        for words in (
            ["addr", "add", f"{FAR}/24", "dev", "far"],
            ["link", "set", "far", "up"],
            ["link", "set", "lo", "up"],
        ):
            subprocess.run([*self.enter, "ip", *words], check=True)

    @property
    def enter(self) -> list[str]:
        """The words that run a command there."""
        return ["nsenter", "-t", str(self.keeper.pid), "-n"]

    def cut(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        subprocess.run([*self.enter, "ip", "link", "set", "far", "down"], check=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def dask(before: list[str], papers: Signed, *words: str) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "dask", *words, *papers.words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(who: str, far: Far, papers: Signed) -> tuple[str, list[subprocess.Popen[bytes]]]:
    """Scheduler and workers; the address."""
    host = FAR if who == "scheduler" else NEAR
    address = f"tls://{host}:{PORT}"
    serve = ["scheduler", "--host", host, "--port", str(PORT), "--protocol", "tls", "--no-dashboard", "--no-show"]
    work = ["worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "3", "--protocol", "tls"]
    there = far.enter
    made = [dask(there if who == "scheduler" else [], papers, *serve), dask(there, papers, *work, "--host", FAR)]
    if who == "worker":
        made.append(dask([], papers, *work, "--host", NEAR))
    return address, made


def run(folder: Path, who: str) -> dict[str, object]:
    """One run, cut."""
    far, papers = Far(), signed(folder / "papers")
    log = folder / "log"
    log.mkdir()
    address, processes = start(who, far, papers)
    wanted = 2 if who == "worker" else 1
    found: dict[str, object] = {"code": 0, "blocks": 0}
    cut = time.monotonic()
    try:
        with connect(ClusterSettings(scheduler=address, patience=45, **papers.settings)) as pool:
            until = time.monotonic() + 120
            while pool.workers < wanted:
                assert time.monotonic() < until, "the workers do not come"
                time.sleep(0.1)
            pool.install(Killer(str(log), seconds=0.1))
            for block, outcome in pool.map("work", GRID):
                assert outcome is None, f"{block.name}: {outcome}"
                found["blocks"] = int(str(found["blocks"])) + 1
                if found["blocks"] == 30:
                    far.cut()
                    cut = time.monotonic()
    except GeosegError as error:
        found |= {"code": error.exit_code, "said": str(error)}
    finally:
        found |= {"seconds": time.monotonic() - cut, "done": len(list(log.iterdir())), "all": len(GRID)}
        for process in [*processes, far.keeper]:
            with contextlib.suppress(OSError):
                process.kill()
                process.wait()
    return found


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), sys.argv[2])))
