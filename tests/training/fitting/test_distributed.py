"""Two processes end where one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import UsageError  # noqa: E402
from geoseg.training.fitting.curves import read_metrics  # noqa: E402
from geoseg.training.fitting.distributed import share_of  # noqa: E402
from tests.helpers.fitting import equal, run  # noqa: E402

TERMS = {"cross_entropy": 1.0, "dice": 0.5, "lovasz": 0.5}


def two_processes(root: Path, folder: Path, keys: dict[str, object]) -> None:
    """Fit in two processes as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.helpers.fitting", str(folder), json.dumps(keys)]
    running = [
        subprocess.Popen(
            command, cwd=root, env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in running:
        said = process.communicate(timeout=600)[1]
        assert process.returncode == 0, said


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_up_to_rounding_and_one_of_them_writes(
    tmp_path: Path, root: Path
) -> None:
    keys = {"kind": "conv", "terms": TERMS, "accumulate": 2, "clip": 1.0}
    two_processes(root, tmp_path, keys)
    alone = run(None, **keys)
    with np.load(tmp_path / "weights-0.npz") as first, np.load(tmp_path / "weights-1.npz") as second:
        assert equal(first, second)
        for name, values in alone.weights.items():
            assert np.allclose(first[name], values, atol=1e-5), name
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 13))
    assert [line["mean_iou"] for line in lines if "mean_iou" in line] == pytest.approx(
        [look["mean_iou"] for look in alone.history], abs=0.01
    )


def test_a_share_is_an_even_part_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(6) == (6, 0)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    assert share_of(6) == (2, 4)
    with pytest.raises(UsageError, match=r"SETTING: fit.batch_size.*multiple of 3"):
        share_of(7)
