"""docs/cluster.md: its certificates are good, its commands run, and its Python does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geoseg.cluster.address import Certificates
from geoseg.cluster.start import CONFIG
from tests.conftest import ROOT
from tests.helpers.daskprocesses import end, free_port, wait_until_listening
from tests.helpers.runs import pixel_bundle, write_scene

TEXT = (ROOT / "docs" / "cluster.md").read_text("utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S)
[PYTHON] = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
PROGRAMS = {"geoseg": [sys.executable, "-m", "geoseg"], "dask": [sys.executable, "-m", "dask"]}


def block(start: str) -> str:
    """The block of commands that begins so."""
    [found] = [text for text in BLOCKS if text.startswith(start)]
    return found


def certificates(folder: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["sh", "-ec", block("openssl req -x509")], cwd=folder, check=True, capture_output=True)


def words(line: str, replaced: dict[str, str]) -> list[str]:
    for old, new in replaced.items():
        line = line.replace(old, new)
    program, *rest = shlex.split(line)
    return [*PROGRAMS[program], *rest]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_the_certificates_of_the_commands_are_taken(tmp_path):
    certificates(tmp_path)
    Certificates(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")).check()
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_the_schedulers_settings_are_those_of_geosegs_own_clusters():
    exported = dict(re.findall(r"(DASK_\w+)=(\S+)", block("export DASK_")))
    own = {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(value) for name, value in CONFIG.items()}
    assert exported.items() <= own.items() and len(exported) == 4


def test_every_option_that_is_named_exists():
    from click.testing import CliRunner

    from geoseg.cli.main import cli

    helps = " ".join(CliRunner().invoke(cli, [verb, "--help"]).output for verb in ("segment", "run", "plan", "service"))
    shown = re.sub(r"^.*(openssl|dask |systemd-run|SLURM's|pip install|bench\.cluster).*$", "", TEXT, flags=re.M)
    named = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--host", "--nthreads", "--memory-limit"}  # those are Dask's
    assert not {option for option in named if option not in helps}


@pytest.mark.slow
def test_the_commands_map_a_scene_over_tls(tmp_path):
    certificates(tmp_path)
    write_scene(tmp_path / "scene.tif")
    pixel_bundle(tmp_path / "bundle")
    port = free_port()
    replaced = {":8786": f":{port}", "--port 8786": f"--port {port}", "/shared/work": str(tmp_path / "work")}
    exports, line = block("export DASK_").splitlines()
    more = environment() | dict(item.split("=") for item in exports.removeprefix("export ").split())
    quiet = {"cwd": tmp_path, "env": more, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(words(line, replaced), **quiet)]
    try:
        wait_until_listening(port)
        started.append(subprocess.Popen(words(block("dask worker tls://127"), replaced), **quiet))
        [asked] = [text for text in BLOCKS if text.startswith("geoseg segment") and "--scheduler tls://127" in text]
        done = subprocess.run(
            words(asked, replaced),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)
            end(process)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "mask.tif").is_file()


@pytest.mark.slow
def test_the_hook_and_the_local_command_map_a_scene(tmp_path):
    write_scene(tmp_path / "scene.tif")
    pixel_bundle(tmp_path / "bundle")
    (tmp_path / "hook.py").write_text(PYTHON)
    how = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True, "check": False, "timeout": 300}
    local = block("geoseg segment scene.tif out/ --bundle bundle/ --workers 2").replace("out/", "local/")
    for command, out in ((words(local, {}), "local"), ([sys.executable, "hook.py"], "out")):
        done = subprocess.run(command, **how)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / out / "mask.tif").is_file()
