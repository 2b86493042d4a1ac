import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from geoseg.cli.main import run
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from tests.helpers.standin import ROOT


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one job, of a pipeline that is wrong."""
    (tmp_path / "p.yaml").write_text("name: p\nsteps: []\n")
    with JobStore(tmp_path / "jobs.db") as made:
        made.add(JobSettings.of(name="wrong", pipeline=str(tmp_path / "p.yaml"), out=str(tmp_path / "out")))
    return tmp_path / "jobs.db"


def test_once_with_nothing_due_ends_well(store: Path) -> None:
    assert run(["service", "--store", str(store), "--once"]) == 0


def test_once_says_by_its_exit_code_that_a_run_failed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with JobStore(store) as opened:
        opened.ask("wrong")
    assert run(["service", "--store", str(store), "--once"]) == 8
    assert capsys.readouterr().err.startswith("geoseg: RUNS: ")
    with JobStore(store) as opened:
        (entry,) = opened.history()
    assert entry.slot.state == "failed" and entry.attempts[0].exit_code == 2
    assert entry.attempts[0].message.startswith("SETTING: ")


def test_once_makes_no_store(tmp_path: Path) -> None:
    assert run(["service", "--store", str(tmp_path / "none.db"), "--once"]) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--once", "--page", "127.0.0.1:0"], 2), (["--page", "0.0.0.0:0"], 2), (["--page", "x"], 2), (["--lease", "0s"], 2),
        (["--grace", "2d"], 2), (["--root", "/no/such/folder"], 3), (["--parallel", "0"], 2),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    assert run(["service", "--store", str(store), *words]) == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_its_page(store: Path, number: int) -> None:
    words = [sys.executable, "-m", "geoseg", "service", "--store", str(store), "--page", "127.0.0.1:0"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"geoseg: (http://127\.0\.0\.1:\d+/)#(\S{40,})\n", line)
        assert found, line
        with urllib.request.urlopen(found[1], timeout=30) as answer:
            assert b"geoseg jobs" in answer.read()
        request = urllib.request.Request(f"{found[1]}api/state", headers={"Authorization": f"Bearer {found[2]}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b'"wrong"' in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{found[1]}api/state", timeout=30)
        refused.value.close()
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
