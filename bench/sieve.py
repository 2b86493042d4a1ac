"""Sieve: regions below ten pixels, beside ``rasterio.features.sieve``; in memory, and from file to file with its peak.

    python -m bench.sieve [--sides 8192 16384] [--rounds 3] [--threads 2] [--data FOLDER]

``array``: from an array to an array. ``file``: from a GeoTIFF to a GeoTIFF; geoseg's is a COG with overviews, read back.
The rules differ (GDAL: the largest neighbour; geoseg: the longest border), so the results do too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.classdata import make_classes
from bench.measure import Measured, in_turn, measure, medians, save, tree_mib

PIXELS = 10
RUNS = ("array:rasterio", "array:geoseg", "file:rasterio", "file:geoseg")


def main() -> None:
    """Measure and save, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="folder that keeps the rasters; a temporary one otherwise")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "MASK", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        who, mask, out = given.one
        sys.stdout.write(json.dumps(_timed(_RUN[who], Path(mask), Path(out), given.threads)) + "\n")
        return
    with TemporaryDirectory() as folder:
        for side in given.sides:
            _compare(side, given, given.data or Path(folder), Path(folder))


def _compare(side: int, given: argparse.Namespace, data: Path, out: Path) -> None:
    mask = make_classes(data / f"classes-{side}.tif", side)
    found = in_turn({who: partial(_one, who, mask, out, given.threads) for who in RUNS}, given.rounds)
    seconds = {key: medians(found, key) for key in ("run_s", "cpu_s")}
    ratios = {
        kind: [
            round(peer.said["run_s"] / ours.said["run_s"], 2)
            for peer, ours in zip(found[f"{kind}:rasterio"], found[f"{kind}:geoseg"], strict=True)
        ]
        for kind in ("array", "file")
    }
    peaks = {who: round(max(run.peak_mib - run.said["before_mib"] for run in runs)) for who, runs in found.items()}
    result = {"side": side, "threads": given.threads, "rounds": given.rounds, **seconds, "times_rasterio": ratios}
    save(f"sieve-{side}", {**result, "peak_mib_beyond_start": peaks, "runs": found})


def _one(who: str, mask: Path, out: Path, threads: int) -> Measured:
    words = ["--threads", str(threads), "--one", who, str(mask), str(out / f"{who.replace(':', '-')}.tif")]
    return measure([sys.executable, "-m", "bench.sieve", *words], every=0.05)


def _timed(run: Callable[..., dict[str, Any]], mask: Path, out: Path, threads: int) -> dict[str, Any]:
    """The run after a small one, which loads and compiles; what a run of arrays reads is not in its time."""
    with TemporaryDirectory() as folder:
        small = make_classes(Path(folder) / "small.tif", 600)
        run(small, Path(folder) / "out.tif", threads)
    before = tree_mib(os.getpid())
    started, used = time.perf_counter(), time.process_time()
    said = run(mask, out, threads)
    found = {"run_s": time.perf_counter() - started, "cpu_s": time.process_time() - used, **said}
    return {**{key: round(value, 3) for key, value in found.items()}, "before_mib": round(before, 1)}


def _array_rasterio(mask: Path, out: Path, threads: int) -> dict[str, Any]:
    from rasterio.features import sieve

    values = _read(mask)
    return _clocked(lambda: sieve(values, PIXELS, mask=values != 0))


def _array_geoseg(mask: Path, out: Path, threads: int) -> dict[str, Any]:
    from geoseg.grid.geobox import Window
    from geoseg.mask.regions import Minimum
    from geoseg.mask.sieve import sieve

    values = _read(mask)

    def run() -> None:
        done = sieve(lambda w: values[w.slices], values.shape, nodata=0, minimum=Minimum.of(PIXELS), threads=threads)
        made = np.empty_like(values)
        for row in range(0, len(values), 1024):
            window = Window(row, 0, min(1024, len(values) - row), values.shape[1])
            made[window.slices] = done.read(window)

    return _clocked(run)


def _file_rasterio(mask: Path, out: Path, threads: int) -> dict[str, Any]:
    import rasterio
    from rasterio.features import sieve

    with rasterio.open(mask, num_threads=threads) as dataset:
        values, profile = dataset.read(1), dataset.profile
    with rasterio.open(out, "w", **profile, num_threads=threads) as dataset:
        dataset.write(sieve(values, PIXELS, mask=values != 0), 1)
    return {}


def _file_geoseg(mask: Path, out: Path, threads: int) -> dict[str, Any]:
    import geoseg

    done = geoseg.sieve(mask, out, min_pixels=PIXELS, workers=threads, overwrite=True)
    return {"merged": done.regions_merged}


def _clocked(run: Callable[[], object]) -> dict[str, Any]:
    started, used = time.perf_counter(), time.process_time()
    run()
    return {"run_s": time.perf_counter() - started, "cpu_s": time.process_time() - used}


def _read(mask: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(mask) as dataset:
        return np.asarray(dataset.read(1))


_RUN = {
    "array:rasterio": _array_rasterio,
    "array:geoseg": _array_geoseg,
    "file:rasterio": _file_rasterio,
    "file:geoseg": _file_geoseg,
}

if __name__ == "__main__":
    main()
