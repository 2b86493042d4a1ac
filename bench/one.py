"""One: a single run from GeoTIFF to mask GeoTIFF in this process; its last line on stdout is JSON.

    python -m bench.one WHO SCENE BUNDLE OUT [--threads N] [--set NAME=VALUE ...]

WHO is a peer (loop, torchgeo, map_overlap) or ``geoseg:BACKEND``. ``run_s`` leaves out what all share and nobody can
save: the interpreter's imports, and reading the network into memory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Run and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("who")
    for name in ("scene", "bundle", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of geoseg.segment")
    given = parser.parse_args()
    settings = {key: _value(text) for key, _, text in (item.partition("=") for item in given.set)}
    began = time.perf_counter()
    run = _geoseg(given, settings) if given.who.startswith("geoseg:") else _peer(given)
    started, used = time.perf_counter(), time.process_time()
    said = run()
    run_s, cpu_s = time.perf_counter() - started - said.pop("loading_s", 0.0), time.process_time() - used
    said |= {"run_s": round(run_s, 3), "cpu_s": round(cpu_s, 3), "import_s": round(started - began, 3)}
    sys.stdout.write(json.dumps(said) + "\n")


def _peer(given: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    import torch

    from bench.peers import NEEDS, PEERS
    from geoseg.model.bundle import open_bundle
    from geoseg.model.network import load_network

    for package in NEEDS[given.who]:
        importlib.import_module(package)
    torch.set_num_threads(given.threads)
    network = load_network(open_bundle(given.bundle))

    def run() -> dict[str, Any]:
        PEERS[given.who](given.scene, network, given.out)
        return {}

    return run


def _geoseg(given: argparse.Namespace, settings: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """``geoseg.segment`` in this process. What it loads at its first use is loaded on a scene of one chip before."""
    import tempfile

    import geoseg
    from bench.data import make_scene

    options = {
        "only": "mask", "backend": given.who.partition(":")[2], "precision": "fp32", "chip_size": 512,
        "threads": given.threads, "overwrite": True, **settings,
    }  # fmt: skip

    def run() -> dict[str, Any]:
        shutil.rmtree(given.out, ignore_errors=True)
        found = geoseg.segment(given.scene, given.bundle, given.out, **options)
        seconds = found.run["seconds"]
        return {"seconds": seconds, "plan": found.run["plan"], "loading_s": seconds.get("choose", 0.0)}

    with tempfile.TemporaryDirectory() as folder:
        small = make_scene(Path(folder) / "small.tif", 600, border=False)
        geoseg.segment(small, given.bundle, Path(folder) / "out", **{**options, "workers": 0})
    return run


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
