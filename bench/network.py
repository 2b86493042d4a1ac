"""Network: a whole run beside the bare network on the same number of chips, same backend, precision and threads.

    python -m bench.network [--side 6144] [--rounds 3] [--backend openvino] [--threads 2] [--data FOLDER]

``end_to_end``: seconds of the bare network on the chips that the plan runs, by the seconds of the whole run (target 0.95).
``auto``: seconds of the bare network on the scene's pixels in chips without overlap, by those of a run whose chip size the
plan chooses (target 0.85). Bare means: normalized chips in memory, the predictor's lanes kept full, class index out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import geoseg
from bench.bundles import bundle_of
from bench.data import BANDS, make_scene
from bench.measure import save, say
from geoseg.config import SegmentSettings
from geoseg.jobs.plan import fitted, make_plan
from geoseg.mask.lanes import Lanes
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice, Predictor, load_predictor
from geoseg.raster.scene import open_scene


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=6144)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", default="openvino")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="folder that keeps scenes and bundles; a temporary one otherwise")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(given, given.data or Path(folder), Path(folder) / "out")


def run(given: argparse.Namespace, data: Path, out: Path) -> None:
    """Bare network and whole runs in turn."""
    scene = make_scene(data / f"full-{given.side}.tif", given.side, border=False)
    bundle = bundle_of(data, "unet")
    predictor = load_predictor(bundle, Choice(given.backend, "cpu", "fp32", 1, ()), threads=given.threads)
    lanes = Lanes.of(predictor)
    plan = plan_of(scene, bundle, given, 512)
    for size in (512, plan_of(scene, bundle, given, "auto")["chip_size"]):  # graphs are converted once for each size
        bare_chips(predictor, lanes, size, 2)
    cells = (given.side / 512) ** 2
    runs: dict[str, Callable[[], float]] = {
        "bare": lambda: bare_chips(predictor, lanes, 512, plan["chips"]) / plan["chips"],
        "whole": lambda: seconds_of(segment(scene, bundle, out, given, 512)),
        "auto": lambda: seconds_of(segment(scene, bundle, out, given, "auto")),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.rounds):
        for name, measure in runs.items():
            seconds[name].append(measure())
            say(f"  {name:6s} {seconds[name][-1]:.3f} s")
    ratios = {
        "end_to_end": [b * plan["chips"] / w for b, w in zip(seconds["bare"], seconds["whole"], strict=True)],
        "auto": [b * cells / a for b, a in zip(seconds["bare"], seconds["auto"], strict=True)],
    }
    medians = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    save(f"network-{given.backend}", {"side": given.side, "chips": plan["chips"], **medians, "seconds": seconds})


def bare_chips(predictor: Predictor, lanes: Lanes, size: int, count: int) -> float:
    """Seconds for ``count`` chips."""
    images = np.random.default_rng(0).normal(0.2, 0.05, (1, len(BANDS), size, size)).astype(np.float32)
    started = time.perf_counter()
    for _ in lanes.map(lambda _: predictor.classify(images), range(count)):
        pass
    return time.perf_counter() - started


def plan_of(scene: Path, bundle: Bundle, given: argparse.Namespace, chip_size: int | str) -> dict[str, Any]:
    """The plan's facts."""
    settings = SegmentSettings.of(chip_size=chip_size, threads=given.threads)
    return make_plan(fitted(open_scene([scene]), bundle), bundle, settings).facts()


def segment(scene: Path, bundle: Bundle, out: Path, given: argparse.Namespace, chip_size: int | str) -> dict[str, Any]:
    """``run.json`` of a whole run, with its seconds from call to return as ``run_s``."""
    started = time.perf_counter()
    options = {"backend": given.backend, "precision": "fp32", "threads": given.threads, "chip_size": chip_size}
    result = geoseg.segment(scene, bundle, out, only="mask", overwrite=True, **options)
    return {**result.run, "run_s": time.perf_counter() - started}


def seconds_of(run_json: dict[str, Any]) -> float:
    """Without the choice of the backend and the score of the seams, which are no part of mapping."""
    apart = run_json["seconds"]
    return float(run_json["run_s"] - apart["choose"] - apart["seam_score"])


if __name__ == "__main__":
    main()
