"""SLURM: jobs are asked for as said, join over TLS, and go with the run; ``sbatch`` is a script that runs the job here."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import psutil
import pytest

from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.config import SegmentSettings, SlurmChoice
from geoseg.errors import ClusterLost, UsageError
from geoseg.jobs.segment import segment
from tests.cluster.test_pools import GRID
from tests.helpers.pooljobs import Killer
from tests.helpers.runs import pixel_bundle, products, write_scene

pytest.importorskip("dask_jobqueue")

SBATCH = """#!/bin/sh
n=0
while ! mkdir {folder}/taken$n 2>/dev/null; do n=$((n+1)); done
cp "$1" {folder}/job$n.sh
{run}
echo $! > {folder}/pid$n
echo "Submitted batch job $n"
"""
SCANCEL = """#!/bin/sh
kill -- -$(cat {folder}/pid$1) 2>/dev/null
true
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A queue whose jobs run here, each in a session of its own."""
    return _queue(tmp_path, monkeypatch, "setsid sh {folder}/job$n.sh > {folder}/log$n 2>&1 &")


def _queue(tmp_path: Path, monkeypatch, run: str) -> Path:
    folder, scripts = tmp_path / "queue", tmp_path / "bin"
    folder.mkdir()
    scripts.mkdir()
    (folder / "certificates").mkdir()
    for name, text in (("sbatch", SBATCH.replace("{run}", run)), ("scancel", SCANCEL)):
        script = scripts / name
        script.write_text(text.replace("{folder}", str(folder)))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    return folder


def choice(folder: Path, **more: object) -> SlurmChoice:
    return SlurmChoice.of(folder=str(folder / "certificates"), interface="lo", **more)


def ended(folder: Path) -> bool:
    return not any(psutil.pid_exists(int(file.read_text())) for file in folder.glob("pid*") if _alive(file))


def _alive(file: Path) -> bool:
    try:
        return psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_jobs_are_asked_for_as_said_and_end_with_the_run(slurm, tmp_path):
    asked = choice(slurm, queue="short", account="earth", cores=2, memory="2GiB", walltime="0:30:00", gpus=1)
    (tmp_path / "log").mkdir()
    with connect(ClusterSettings(2, slurm=asked, patience=120)) as pool:
        pool.install(Killer(str(tmp_path / "log"), seconds=0.02))
        assert all(outcome is None for _, outcome in pool.map("work", GRID))
        assert all(address.startswith("tls://") for address in pool._infos())
        script = (slurm / "job0.sh").read_text()
    for line in ("-p short", "-A earth", "--cpus-per-task=2", "--mem=2G", "-t 0:30:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}\n" in script
    assert "--resources GPU=1" in script
    assert "tls://" in script
    until = time.monotonic() + 60
    while not ended(slurm):
        assert time.monotonic() < until, "a job outlives the run"
        time.sleep(0.1)
    assert list((slurm / "certificates").iterdir()) == []  # keys do not stay


@pytest.mark.slow
def test_a_job_that_slurm_ends_is_replaced_and_the_map_is_the_same(slurm, tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    same = {"only": "mask", "backend": "torch", "precision": "fp32", "block_size": 64}
    segment(scene, bundle, tmp_path / "alone", **same)
    killed = []

    def kill_once(_) -> None:
        if not killed:
            killed.append(psutil.Process(int((slurm / "pid0").read_text())))
            for one in [*killed[0].children(recursive=True), killed[0]]:
                one.kill()

    settings = SegmentSettings.of(workers=1, slurm=choice(slurm), **same)
    cluster = ClusterSettings.of(settings)
    segment(scene, bundle, tmp_path / "over", settings=settings, cluster=cluster, on_progress=kill_once)
    assert killed
    assert len(list(slurm.glob("job*"))) >= 2
    assert products(tmp_path / "over") == products(tmp_path / "alone")


def test_jobs_that_never_start_are_a_lost_cluster(tmp_path, monkeypatch):
    queue = _queue(tmp_path, monkeypatch, "true &")
    with pytest.raises(ClusterLost, match="SLURM: no worker has come"):
        connect(ClusterSettings(1, slurm=choice(queue, wait=0.1))).__enter__()


@pytest.mark.parametrize(
    "text",
    ["queue=a b", "queue=a\nrm", "queue=$(id)", "walltime=1;id", "account=`id`", "memory=8", "cores=0", "gpus=17",
     "prologue=id", "python=/bin/sh", "queue", "queue=", ""],
)  # fmt: skip
def test_nothing_but_plain_words_reaches_a_job_script(text):
    with pytest.raises(UsageError, match="SETTING") as refused:
        SegmentSettings.of(workers=1, slurm=text)
    assert "\n" not in str(refused.value)


def test_a_choice_reads_as_text_and_as_keys():
    text = SegmentSettings.of(slurm="queue=gpu,cores=8,memory=16GiB,walltime=1-00:00:00,gpus=1").slurm
    assert text == SlurmChoice(queue="gpu", cores=8, memory="16GiB", walltime="1-00:00:00", gpus=1)
    with pytest.raises(UsageError, match="WORKERS"):
        connect(ClusterSettings(0, slurm=text))
    with pytest.raises(UsageError, match="CLUSTER"):
        connect(ClusterSettings(1, scheduler="tcp://127.0.0.1:1", slurm=text))
