"""A stand-in for ``geoseg run``, and a service that starts it, in processes of their own, to be watched, stopped and killed.

The pipeline's file is JSON: how many ``blocks`` of how many ``seconds`` each, the ``exit`` code, what it will ``say`` last,
whether it is ``deaf`` to SIGTERM, and whether it has a ``helper`` process that outlives it. Blocks are kept in OUT and not made
twice.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def run(pipeline: str, out: str, progress: str) -> int:
    """What the run does."""
    wanted = json.loads(Path(pipeline).read_text())
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    busy = folder / "busy"
    os.close(os.open(busy, os.O_CREAT | os.O_EXCL)) if not busy.exists() else _clash(folder, busy)
    busy.write_text(str(os.getpid()))
    if wanted.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if wanted.get("helper"):
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder / "helper").write_text(str(helper.pid))
    with (folder / "starts").open("a") as file:
        file.write(f"{os.getpid()} {' '.join(sys.argv[4:])}\n")
    blocks = wanted.get("blocks", 1)
    for i in range(blocks):
        block = folder / f"block{i}"
        if not block.exists():
            time.sleep(wanted.get("seconds", 0))
            block.with_suffix(".part").write_text(f"block {i}\n" * 100)
            block.with_suffix(".part").rename(block)
            with Path(progress).open("a") as file:
                file.write(json.dumps({"task": "map", "step": "segment", "done": i + 1, "total": blocks}) + "\n")
    if "say" in wanted:
        print(f"geoseg: {wanted['say']}", file=sys.stderr)
    if not wanted.get("exit"):
        (folder / "result").write_bytes(b"".join((folder / f"block{i}").read_bytes() for i in range(blocks)))
    busy.unlink()
    return int(wanted.get("exit", 0))


def _clash(folder: Path, busy: Path) -> None:
    """Another process stands in the folder: killed ones leave their mark, living ones are two at once."""
    if Path("/proc", busy.read_text() or "none").exists():
        (folder / "two at once").touch()


def standin(lease: Any, roots: Sequence[Path]) -> list[str]:
    """The command of a run, for the service."""
    words = [lease.job.settings.pipeline, lease.run.out, lease.attempt.progress, *lease.slot.scenes]
    return [sys.executable, __file__, *words]


def write(path: Path, **wanted: Any) -> Path:
    """A pipeline's file."""
    path.write_text(json.dumps(wanted))
    return path


def service(store: Path, **settings: float) -> subprocess.Popen[bytes]:
    """A service in a process of its own; ``lease``, ``grace``, ``wait`` and ``turn`` in seconds."""
    words = [f"{name}={value}" for name, value in settings.items()]
    return subprocess.Popen([sys.executable, "-m", "tests.helpers.standin", str(store), *words], cwd=ROOT)


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for a condition; its value."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return value


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def serve(store: str, settings: dict[str, float]) -> None:
    """The service's process."""
    from geoseg.schedule.service import serve as serve_store
    from geoseg.schedule.serving import ServiceSettings
    from geoseg.schedule.store import JobStore

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    turn, parallel = settings.pop("turn", 0.05), int(settings.pop("parallel", 1))
    times = {name: timedelta(seconds=value) for name, value in settings.items()}
    with JobStore(store) as jobs:
        serve_store(jobs, stop=stop, settings=ServiceSettings(parallel, turn=turn, **times), command=standin)


if __name__ == "__main__":
    if sys.argv[0] and not __package__:  # started by its path: the run
        sys.exit(run(*sys.argv[1:4]))
    serve(sys.argv[1], {name: float(value) for name, _, value in (word.partition("=") for word in sys.argv[2:])})
