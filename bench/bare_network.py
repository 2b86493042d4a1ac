"""Bare network: chips a second of geoseg's backends and of torch as tutorials have it, interleaved in one run; JSON out.

    python bench/bare_network.py [--threads 2] [--rounds 7] [--network Unet] [--json FILE]

No reading and no writing: normalized chips of 512 x 512 and 4 bands in, class index of 8 classes out, batch 1.
``cpu_ratio`` is from CPU seconds, which other programs on the machine disturb less than the clock; use it with --threads 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from geoseg.legend import Legend
from geoseg.model import devices, network
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts, NetworkSpec, save_bundle
from geoseg.model.predict import Choice, is_installed, load_predictor

SIDE = 512
NETWORKS = {
    "Unet": NetworkSpec("Unet", "resnet18", 4, 8),
    "trivial": NetworkSpec("Conv1x1", "none", 4, 8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--network", choices=NETWORKS, default="Unet")
    parser.add_argument("--json", type=Path, help="also write the result here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle", NETWORKS[options.network])
        runs = make_runs(bundle, options.threads)
        result = measure(runs, options.rounds)
    result |= {"network": options.network, "threads": options.threads, "isa": devices.isa()}
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text + "\n")


def make_bundle(path: Path, spec: NetworkSpec) -> Bundle:
    """A bundle with random weights: speed does not depend on them."""
    torch.manual_seed(0)
    bands = tuple(BandSpec(name, 0.0, 1.0) for name in ("blue", "green", "red", "nir"))
    legend = Legend.of([f"class {i}" for i in range(spec.classes)])
    facts = BundleFacts(name="bench", bands=bands, legend=legend, chip_size=SIDE, halo=32, network=spec)
    return save_bundle(path, facts, weights=network.build(spec).state_dict())


def make_runs(bundle: Bundle, threads: int) -> dict[str, Callable[[], object]]:
    """What is compared, the peer first: a plain torch loop body, and every backend and precision that runs here."""
    images = np.random.default_rng(0).normal(size=(1, 4, SIDE, SIDE)).astype(np.float32)
    torch.set_num_threads(threads)
    module = network.load_network(bundle)

    def plain() -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(images)).argmax(1).numpy()

    runs: dict[str, Callable[[], object]] = {"torch as tutorials have it": plain}
    for backend in ("torch", "onnx", "openvino"):
        if not is_installed(backend):
            continue
        for precision in devices.precisions(backend, "cpu"):
            if devices.is_fast(precision, "cpu"):
                predictor = load_predictor(bundle, Choice(backend, "cpu", precision, 1, ()), threads=threads)
                runs[f"{backend} {precision}"] = lambda predictor=predictor: predictor.classify(images).index
    return runs


def measure(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, object]:
    """Megapixels a second from the quickest round, and the median over the rounds of the ratio to the first of ``runs``."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            started, used = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - used)
    peer = next(iter(runs))
    table = {
        name: {
            "mpx_per_s": round(SIDE**2 / 1e6 / min(wall[name]), 3),
            "ms_per_chip": round(1e3 * min(wall[name]), 2),
            "cpu_ms_per_chip": round(1e3 * min(cpu[name]), 2),
            "ratio": round(statistics.median(a / b for a, b in zip(wall[peer], wall[name], strict=True)), 2),
            "cpu_ratio": round(statistics.median(a / b for a, b in zip(cpu[peer], cpu[name], strict=True)), 2),
        }
        for name in runs
    }
    return {"rounds": rounds, "chip": SIDE, "runs": table}


if __name__ == "__main__":
    main()
