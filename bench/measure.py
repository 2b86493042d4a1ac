"""Measure: one command with all its processes (seconds, CPU, memory), and several of them in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
_PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "numba", "rasterio", "dask", "segmentation_models_pytorch")


@dataclass(frozen=True, slots=True)
class Measured:
    """A command's cost; ``peak_mib`` is the largest sum of the proportional set sizes of its processes.

    ``others`` is what all other programs took of the processors meanwhile, as a share of what there was; ``said`` is what
    the command printed as a last line of JSON.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    load: float
    others: float
    said: dict[str, Any] = field(default_factory=dict)


def measure(command: Sequence[str], *, every: float = 0.25, environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command from the project's root and watch it; RuntimeError, with its last words, when it fails."""
    load, before, busy = os.getloadavg()[0], os.times(), _busy()
    started = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=words
        )
        peak = _Peak(process.pid, every)
        out, _ = process.communicate()
        wall, after, busy = time.perf_counter() - started, os.times(), _busy() - busy
        peak.stop()
        words.seek(0)
        last = words.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {last[-2000:]}")
    lines = out.decode(errors="replace").strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    others = max(busy - sum(after[:4]) + sum(before[:4]), 0.0) / (wall * (os.cpu_count() or 1))
    return Measured(round(wall, 3), round(cpu, 2), round(peak.mib, 1), round(load, 2), round(others, 3), said)


def _busy() -> float:
    """Seconds that all processors together have worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0))


class _Peak:
    """Samples the memory of a process and its children from a thread; a page shared by n processes counts 1/n in each."""

    def __init__(self, pid: int, every: float) -> None:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(pid, every), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self, pid: int, every: float) -> None:
        while not self._stop.wait(every):
            self.mib = max(self.mib, tree_mib(pid))


def tree_mib(pid: int) -> float:
    """Proportional set size of a process and all its children, MiB."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(_pss(process.pid) for process in family) / 1024


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def in_turn(runs: Mapping[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    """Every run once in each round, one after the other, so that what disturbs the machine hits all alike."""
    found: dict[str, list[Measured]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            measured = run()
            found[name].append(measured)
            seconds, cpu = measured.said.get("run_s", measured.wall_s), measured.said.get("cpu_s", measured.cpu_s)
            cost = f"{seconds:8.3f} s, CPU {cpu:8.3f} s, peak {measured.peak_mib:5.0f} MiB"
            cost += f", load {measured.load}, others {measured.others:.0%}"
            say(f"  round {number + 1} {name:20s} {cost}")
    return found


def medians(found: Mapping[str, Sequence[Measured]], key: str = "run_s") -> dict[str, float]:
    """Median of what each run said under ``key``."""
    return {name: statistics.median(m.said[key] for m in rounds) for name, rounds in found.items() if rounds}


def save(name: str, result: Mapping[str, Any]) -> None:
    """Write a result, with the machine and the versions, to ``bench/results/NAME.json``, and say it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**result, "machine": machine()}, indent=1, default=_plain) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    say(json.dumps(result, indent=1, default=_plain))


def say(line: str) -> None:
    """One line to the user."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def machine() -> dict[str, Any]:
    """Processor, its number of cores, Python, and the packages that compute."""
    from geoseg.model.devices import isa

    return {
        "processor": _processor(), "isa": isa(), "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(), "packages": {name: _version(name) for name in _PACKAGES},
    }  # fmt: skip


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Measured) else str(value)
