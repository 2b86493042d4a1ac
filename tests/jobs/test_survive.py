"""Whatever dies, the final bytes equal an undisturbed run's, and finished blocks are not done again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from geoseg.jobs.segment import segment
from tests.helpers.runs import finish, lines, pixel_bundle, products, start, wait_for, write_scene

OPTIONS = ("--block-size", "64", "--confidence", "--only", "mask", "--backend", "torch", "--precision", "fp32")
SAME = {"confidence": True, "only": "mask", "backend": "torch", "precision": "fp32"}
BLOCKS = 35


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survive")
    scene, bundle = write_scene(folder / "scene.tif"), pixel_bundle(folder / "bundle")
    result = segment(scene, bundle, folder / "undisturbed", block_size=64, **SAME)
    assert result.run["blocks"]["run"] == BLOCKS
    return scene, bundle.path, products(folder / "undisturbed")


def words(given, out: Path, progress: Path, *more: object) -> list[object]:
    scene, bundle, _ = given
    return ["segment", scene, out, "--bundle", bundle, "--progress", progress, *OPTIONS, *more]


def kill(process) -> None:
    process.kill()
    process.communicate()


def finals(out: Path) -> list[str]:
    return [p.name for p in out.iterdir() if not p.name.startswith(".")] if out.exists() else []


@pytest.mark.parametrize(
    ("workers", "after"),
    [*(pytest.param(0, after, marks=pytest.mark.slow) for after in (0, 1, 17, BLOCKS)), (1, 9)],
)
def test_a_run_killed_at_any_point_resumes_to_the_same_bytes(given, tmp_path, workers, after):
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words(given, out, progress, "--workers", workers)
    process = start(*command)
    wait_for(lambda: len(lines(progress)) >= after and progress.exists(), process)
    kill(process)
    assert (out / "run.json").exists() or finals(out) == []
    committed = len(lines(progress))
    if (out / "run.json").exists():
        shutil.rmtree(out)
        committed = 0
    code, err = finish(start(*command))
    assert (code, err) == (0, "")
    assert products(out) == given[2]
    blocks = json.loads((out / "run.json").read_text())["blocks"]
    assert blocks["resumed"] >= committed
    assert blocks["run"] + blocks["resumed"] == BLOCKS
    assert not (out / ".geoseg").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_run_with_one_line_and_the_same_command_finishes_it(given, tmp_path, number, code):
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words(given, out, progress, "--workers", 1)
    process = start(*command)
    wait_for(lambda: len(lines(progress)) >= 3, process)
    process.send_signal(number)
    found, err = finish(process)
    assert found == code
    assert err.count("\n") == 1
    assert err.startswith("geoseg: INTERRUPTED: ")
    assert finals(out) == []
    assert finish(start(*command)) == (0, "")
    assert products(out) == given[2]


@pytest.mark.slow
def test_a_killed_worker_comes_back_and_the_run_ends_well(given, tmp_path):
    out, progress = tmp_path / "out", tmp_path / "progress"
    process = start(*words(given, out, progress, "--workers", 1))
    wait_for(lambda: len(lines(progress)) >= 3, process)
    workers = [p for p in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
    assert workers
    for worker in workers:
        worker.kill()
    assert finish(process) == (0, "")
    assert products(out) == given[2]


def test_workers_die_with_a_killed_run(given, tmp_path):
    progress = tmp_path / "progress"
    process = start(*words(given, tmp_path / "out", progress, "--workers", 1))
    wait_for(lambda: len(lines(progress)) >= 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    kill(process)
    assert psutil.wait_procs(children, timeout=30)[1] == []


def test_a_second_run_into_one_output_is_refused_and_harms_nothing(given, tmp_path):
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words(given, out, progress, "--workers", 1)
    first = start(*command)
    wait_for(lambda: len(lines(progress)) >= 1, first)
    first.send_signal(signal.SIGSTOP)
    code, err = finish(start(*words(given, out, tmp_path / "other", "--workers", 0)))
    first.send_signal(signal.SIGCONT)
    assert code == 4
    assert err.startswith("geoseg: LOCKED: ")
    assert finish(first) == (0, "")
    assert products(out) == given[2]


@pytest.mark.slow
def test_a_scene_replaced_in_the_middle_is_noticed_and_the_same_command_maps_the_new_one(given, tmp_path):
    scene = tmp_path / "scene.tif"
    shutil.copy(given[0], scene)
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words((scene, given[1], None), out, progress, "--workers", 0)
    process = start(*command)
    wait_for(lambda: len(lines(progress)) >= 2, process)
    process.send_signal(signal.SIGSTOP)
    new = write_scene(tmp_path / "new.tif", seed=9)
    os.replace(new, scene)
    process.send_signal(signal.SIGCONT)
    code, err = finish(process)
    assert code == 4
    assert err.startswith("geoseg: CHANGED: ")
    assert finals(out) == []
    code, err = finish(start(*command))
    assert code == 0
    assert "inputs have changed" in err
    segment(scene, given[1], tmp_path / "direct", **SAME)
    assert products(out) == products(tmp_path / "direct")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file limits")
@pytest.mark.parametrize("limit", [4000, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 9000, 60000))])
def test_a_full_disk_leaves_nothing_under_a_final_name_and_the_run_resumes(given, tmp_path, limit):
    out, progress = tmp_path / "out", tmp_path / "progress"
    scene, bundle, _ = given
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"import geoseg.cli.main as m; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); sys.exit(m.run(sys.argv[1:]))"
    )
    arguments = ["segment", scene, out, "--bundle", bundle, *OPTIONS, "--workers", "0"]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 6, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("geoseg: DISK: ")
    assert finals(out) == []
    assert finish(start(*words(given, out, progress, "--workers", 0))) == (0, "")
    assert products(out) == given[2]


@pytest.mark.slow
def test_other_settings_do_not_drop_an_unfinished_run(given, tmp_path):
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words(given, out, progress, "--workers", 0)
    process = start(*command)
    wait_for(lambda: len(lines(progress)) >= 2, process)
    kill(process)
    code, err = finish(start(*command, "--blend", "hann"))
    assert code == 4
    assert err.startswith("geoseg: OTHER_RUN: ")
    assert finish(start(*command, "--restart")) == (0, "")
    assert products(out) == given[2]


def test_nothing_is_overwritten_unasked(given, tmp_path):
    scene, bundle, _ = given
    out = tmp_path / "out"
    segment(scene, bundle, out, **SAME)
    before = products(out)
    code, err = finish(start("segment", scene, out, "--bundle", bundle, "--only", "mask", "--workers", 0))
    assert code == 4
    assert err.startswith("geoseg: EXISTS: ")
    assert products(out) == before
    assert (
        finish(start("segment", scene, out, "--bundle", bundle, "--only", "mask", "--workers", 0, "--overwrite"))[0]
        == 0
    )
    assert not (out / "confidence.tif").exists()


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_reaches_all_processes_and_one_speaks(given, tmp_path):
    out, progress = tmp_path / "out", tmp_path / "progress"
    command = words(given, out, progress, "--workers", 2)
    process = subprocess.Popen(
        [sys.executable, "-m", "geoseg", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: len(lines(progress)) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)
    code, err = finish(process)
    assert (code, len(err.splitlines())) == (130, 1), err


@pytest.mark.slow
def test_an_older_output_outlives_a_run_that_had_leave_to_replace_it_and_was_killed(given, tmp_path):
    out, progress = tmp_path / "out", tmp_path / "progress"
    out.mkdir()
    (out / "mask.tif").write_text("older")
    command = words(given, out, progress, "--workers", 0)
    process = start(*command, "--overwrite")
    wait_for(lambda: len(lines(progress)) >= 2, process)
    kill(process)
    assert (out / "mask.tif").read_text() == "older"
    code, err = finish(start(*command))
    assert code == 4
    assert err.startswith("geoseg: EXISTS: ")
    assert finish(start(*command, "--overwrite")) == (0, "")
    assert products(out) == given[2]


def test_a_scheduler_that_is_not_there_ends_the_command_with_7(given, tmp_path):
    code, err = finish(
        start(*words(given, tmp_path / "out", tmp_path / "progress", "--scheduler", "tcp://127.0.0.1:9"))
    )
    assert code == 7
    assert err.startswith("geoseg: CLUSTER: tcp://127.0.0.1:9: ")
    assert not (tmp_path / "out").exists()
