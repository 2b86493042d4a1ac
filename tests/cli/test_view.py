import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from geoseg.cli.main import cli
from tests.helpers.mapped import make_run


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "geoseg", "view", *map(str, words), "--no-browser"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_address_is_printed_and_a_signal_ends_the_map_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = start(make_run(tmp_path / "run", leave_out=("polygons.gpkg",)))
    assert process.stdout is not None
    address, _, token = process.stdout.readline().strip().partition("#")
    request = urllib.request.Request(f"{address}api/run", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert b"water" in answer.read()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out == ""
    assert "polygons" in err and "Traceback" not in err


def test_what_is_no_run_is_an_error_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["view", str(tmp_path), "--no-browser"])
    assert done.exit_code == 3 and "RUN" in done.stderr and len(done.stderr.splitlines()) == 1
    done = CliRunner().invoke(
        cli, ["view", str(make_run(tmp_path / "run")), "--scene", str(tmp_path / "none.tif"), "--no-browser"]
    )
    assert done.exit_code == 3 and "none.tif" in done.stderr
    done = CliRunner().invoke(cli, ["view", str(tmp_path), "--port", "70000"])
    assert done.exit_code == 2
