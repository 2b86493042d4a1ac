"""``geoseg run``: exit codes, what it prints, what it leaves, and that a kill loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.helpers.pipelines import DATES, MAPS, place, scene, write


def _files(folder: Path) -> dict[str, bytes]:
    """The outputs whose bytes depend on nothing but the inputs."""
    names = ("mask.tif", "areas.csv", "change.tif", "transitions.csv", "mask.qml")
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.name in names}


def test_a_pipeline_runs_is_skipped_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, dates=DATES[:2])
    args = [
        "run",
        str(tmp_path / "p.yaml"),
        "--out",
        str(tmp_path / "out"),
        "--progress",
        str(tmp_path / "progress.jsonl"),
    ]
    assert run([*args, "--dry-run"]) == 0
    assert "4 tasks: 4 would run, 0 are done; " in capsys.readouterr().out and not (tmp_path / "out").exists()
    assert run(args) == 0
    assert "4 tasks: 4 done: " in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert lines[-1]["tasks_done"] == lines[-1]["tasks"] == 4 and any("sha256" in line for line in lines)
    made = _files(tmp_path / "out")
    assert run([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [task["status"] for task in told["tasks"]] == ["skipped"] * 4 and _files(tmp_path / "out") == made
    assert run([*args, "--dry-run", "--json"]) == 0
    assert {task["status"] for task in json.loads(capsys.readouterr().out)["tasks"]} == {"skip" + "ped"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_progress_on_a_full_disk_fails_no_scene(tmp_path: Path) -> None:
    place(tmp_path, dates=DATES[:1])
    assert run(["run", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "out"), "--progress", "/dev/full"]) == 0
    assert list((tmp_path / "out").rglob("mask.tif"))


def test_a_dry_run_tells_bytes_and_time_and_what_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, dates=DATES[:2])
    (tmp_path / "scenes/s_20200105.tif").write_bytes(b"nonsense")
    assert run(["run", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    tasks = {task["task"]: task for task in json.loads(capsys.readouterr().out)["tasks"]}
    good = tasks["segment/s_20200101"]
    assert good["read_bytes"] >= 70 * 90 * 4 * 2 and good["write_bytes"] == 2 * 70 * 90 and good["seconds"] > 0
    assert tasks["segment/s_20200105"]["status"] == tasks["area/s_20200105"]["status"] == "refused"
    assert "FORMAT" in tasks["segment/s_20200105"]["why"]


def test_one_poison_scene_among_ten_is_exit_code_8_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place(tmp_path, dates=tuple(f"202001{day:02d}" for day in range(1, 10)))
    (tmp_path / "scenes/s_20200110.tif").write_bytes(b"II*\0" + bytes(500))
    assert run(["run", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "out")]) == 8
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("geoseg: TASKS: ") and "segment/s_20200110" in said.err.splitlines()[-1]
    assert "20 tasks: 18 done, 1 failed, 1 blocked" in said.out


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (MAPS.replace("only: mask", "onyl: mask"), 2, "did you mean 'only'?"), (MAPS.replace("*.tif", "*.none"), 3, "SCENES"),
        (MAPS.replace("bundle: bundle", "bundle: none"), 3, "NOT_FOUND"), ("a: !x", 3, "YAML"),
        (MAPS.replace("bundle: bundle", "bundle: bundle\nout: '../{scene.name}'"), 2, "TEMPLATE"),
        (MAPS.replace("bundle: bundle", "bundle: bundle\nout: '{scene.nam}'"), 2, "did you mean 'scene.name'?"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_one_line_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, said: str
) -> None:
    place(tmp_path, dates=DATES[:1])
    assert run(["run", str(write(tmp_path, text)), "-q", "--out", str(tmp_path / "out")]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("geoseg: ") and said in line


def test_a_scene_of_the_command_line_takes_the_place_of_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place(tmp_path, dates=DATES[:1])
    other = scene(tmp_path / "new/x_20210101.tif", seed=8)
    assert run(["run", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "out"), "--scene", str(other)]) == 0
    assert [path.name for path in (tmp_path / "out/segment").iterdir()] == ["x_20210101"]
    assert (
        run(["run", str(tmp_path / "p.yaml"), "--scene", str(other), "--root", str(tmp_path / "bundle"), "--dry-run"])
        == 0
    )
    elsewhere = scene(tmp_path.parent / f"{tmp_path.name}-outside" / "y.tif")
    capsys.readouterr()
    assert run(["run", str(tmp_path / "p.yaml"), "--scene", str(elsewhere), "--root", str(tmp_path)]) == 3
    assert "ROOT" in capsys.readouterr().err


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Pipeline"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_goes_on_to_the_bytes_of_an_undisturbed_one(
    tmp_path: Path, number: signal.Signals
) -> None:
    place(tmp_path, MAPS + "  - step: change\n    max_shift: 0\n")
    command = [sys.executable, "-m", "geoseg", "run", str(tmp_path / "p.yaml"), "--out"]
    progress = tmp_path / "progress.jsonl"
    process = subprocess.Popen([*command, str(tmp_path / "out"), "--progress", str(progress)])
    limit = time.monotonic() + 300
    while not (progress.exists() and '"status": "done"' in progress.read_text()):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == (-9 if number == signal.SIGKILL else 143)
    before = (tmp_path / "out/segment/s_20200101/mask.tif").stat()
    for out in ("out", "other"):
        subprocess.run([*command, str(tmp_path / out)], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert _files(tmp_path / "out") == _files(tmp_path / "other") and len(_files(tmp_path / "out")) == 3 * 4 + 2 * 2
    assert (tmp_path / "out/segment/s_20200101/mask.tif").stat().st_mtime_ns == before.st_mtime_ns
