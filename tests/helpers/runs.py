"""Runs of the command line in processes of their own, to be watched, stopped and killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio

from geoseg.legend import Legend
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts, NetworkSpec, save_bundle

BANDS = ("blue", "green", "red", "nir")


def write_scene(path: Path, shape: tuple[int, int] = (300, 420), seed: int = 0, crs: str = "EPSG:32632") -> Path:
    """A four-band uint16 scene of smooth texture with a nodata corner."""
    rng = np.random.default_rng(seed)
    rows, cols = shape
    coarse = rng.normal(size=(len(BANDS), rows // 8 + 2, cols // 8 + 2)).repeat(8, 1).repeat(8, 2)[:, :rows, :cols]
    image = (2000 + 400 * coarse + rng.normal(scale=60, size=coarse.shape)).clip(1, 9999).astype(np.uint16)
    image[:, : rows // 5, : cols // 5] = 0
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": len(BANDS), "dtype": "uint16", "nodata": 0}
    transform = rasterio.Affine(10, 0, 500000, 0, -10, 5400000)
    with rasterio.open(
        path, "w", crs=crs, transform=transform, tiled=True, blockxsize=128, blockysize=128, **profile
    ) as out:
        out.write(image)
        out.descriptions = BANDS
    return path


def pixel_bundle(
    path: Path,
    *,
    bands: Sequence[str] = BANDS,
    chip_size: int = 64,
    halo: int = 0,
    classes: int = 4,
    seed: int = 0,
) -> Bundle:
    """A bundle of one 1x1 convolution: every pixel for itself, so any plan gives the same mask."""
    import torch

    from geoseg.model.network import build

    torch.manual_seed(seed)
    network = NetworkSpec("Conv1x1", "none", len(bands), classes)
    facts = BundleFacts(
        name="pixel", bands=tuple(BandSpec(name, 2000.0, 400.0) for name in bands), units="dn", align=32,
        legend=Legend.of([f"class {i}" for i in range(classes)]), chip_size=chip_size, halo=halo, network=network,
    )  # fmt: skip
    return save_bundle(path, facts, weights=build(network).state_dict())


def start(*args: object) -> subprocess.Popen[str]:
    """Start ``geoseg`` with these words."""
    command = [sys.executable, "-m", "geoseg", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], timeout: float = 120) -> tuple[int, str]:
    """Wait for the end: exit code and stderr."""
    _, err = process.communicate(timeout=timeout)
    return process.returncode, err


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout: float = 90) -> None:
    """Wait until ``condition`` holds while the process lives."""
    until = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, f"ended early: {process.communicate()[1]}"
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def lines(path: Path) -> list[dict[str, object]]:
    """The JSON lines of a progress file so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def products(folder: Path) -> dict[str, bytes]:
    """The bytes of every output that must not depend on when, how and where it was run."""
    return {
        p.name: p.read_bytes()
        for p in sorted(folder.iterdir())
        if p.is_file() and p.name not in {"run.json", "report.html", "project.qgz", "scene.vrt"}
    }
