"""A Dask scheduler and its workers in processes of their own, to be reached, watched and killed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Client


@dataclass(frozen=True, slots=True)
class Running:
    """A scheduler: where it listens, and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def scheduler(*words: str, protocol: str = "tcp", host: str = "127.0.0.1") -> Iterator[Running]:
    """A scheduler without a dashboard."""
    port = free_port()
    process = dask(
        "scheduler", "--host", host, "--port", str(port), "--protocol", protocol, "--no-dashboard", "--no-show", *words
    )
    try:
        wait_until_listening(port, host)
        yield Running(f"{protocol}://{host}:{port}", process)
    finally:
        end(process)


@contextlib.contextmanager
def worker(address: str, *words: str, host: str = "127.0.0.1") -> Iterator[subprocess.Popen[bytes]]:
    """A worker without a nanny."""
    process = dask(
        "worker", address, "--host", host, "--no-nanny", "--no-dashboard", "--nthreads", "3",
        "--protocol", address.partition(":")[0], *words,
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def joined(address: str, count: int = 1) -> None:
    """Wait until so many workers have joined: on a busy machine they take longer than a short patience lasts."""
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


def preload(path: Path, *lines: str) -> Sequence[str]:
    """Words that have a worker run ``lines`` before it joins."""
    path.write_text("\n".join(lines) + "\n")
    return ["--preload", str(path)]


def dask(*words: str) -> subprocess.Popen[bytes]:
    """``python -m dask WORDS``."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and wait."""
    process.kill()
    process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(port: int, host: str = "127.0.0.1") -> None:
    """Until somebody does."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the scheduler does not listen")
