"""Pipeline: GeoTIFF to mask GeoTIFF beside the peers, in turn, each run in a process of its own.

    python -m bench.pipeline [--network trivial|unet] [--side 8192] [--rounds 3] [--peer-python PYTHON] [--peers loop ...]

``--peer-python``: an interpreter that has torchgeo and rioxarray, which geoseg does not need. Ratios above 1 say that
geoseg is faster than the best of the peers in the same round.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bundles import NETWORKS, bundle_of
from bench.data import make_scene
from bench.measure import ROOT, Measured, in_turn, measure, medians, save, say
from bench.peers import NEEDS, PEERS
from geoseg.model.predict import is_installed


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default="trivial")
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--data", type=Path, help="folder that keeps scenes and bundles; a temporary one otherwise")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(given, given.data or Path(folder), Path(folder))


def run(given: argparse.Namespace, data: Path, out: Path) -> None:
    """All peers that are there, and geoseg with torch and OpenVINO."""
    scene = make_scene(data / f"scene-{given.side}.tif", given.side)
    bundle = bundle_of(data, given.network).path
    peers = [peer for peer in given.peers if _has(given.peer_python, NEEDS[peer])]
    ours = [f"geoseg:{backend}" for backend in ("torch", "openvino") if is_installed(backend)]
    runs = {who: partial(one, who, scene, bundle, out, python=given.peer_python) for who in peers}
    runs |= {who: partial(one, who, scene, bundle, out) for who in ours}
    found = in_turn(runs, given.rounds)
    ratios = {who: ratios_to_best(found, who, peers) for who in ours}
    result = {"network": given.network, "side": given.side, "rounds": given.rounds, "run_s": medians(found)}
    result |= {"cpu_s": medians(found, "cpu_s"), "times_best_peer": ratios, "runs": found}
    save(f"pipeline-{given.network}-{given.side}", result)


def one(
    who: str, scene: Path, bundle: str | Path, out: Path, *, python: str = sys.executable, options: tuple[str, ...] = ()
) -> Measured:
    """One run of :mod:`bench.one`."""
    target = out / ("geoseg" if who.startswith("geoseg") else f"{who}.tif")
    command = [python, "-m", "bench.one", who, str(scene), str(bundle), str(target), *options]
    return measure(command, environment={"PYTHONPATH": str(ROOT)})


def ratios_to_best(found: dict[str, list[Measured]], who: str, peers: list[str]) -> list[float]:
    """Seconds of the best peer by geoseg's, for each round."""
    return [
        round(min(found[peer][i].said["run_s"] for peer in peers) / mine.said["run_s"], 2)
        for i, mine in enumerate(found[who])
    ]


def _has(python: str, modules: tuple[str, ...]) -> bool:
    names = [module.partition(".")[0] for module in modules]
    if python == sys.executable:
        there = all(importlib.util.find_spec(name) for name in names)
    else:
        there = subprocess.run([python, "-c", f"import {','.join(names or ['sys'])}"], check=False).returncode == 0
    if not there:
        say(f"  left out: {', '.join(names)} not installed for {python}")
    return there


if __name__ == "__main__":
    main()
