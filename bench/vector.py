"""Vector: a class raster to a GeoPackage of polygons with class and area, beside the peers; joins, memory, odd rasters.

    python -m bench.vector [--sides 8192 16384] [--rounds 3] [--peer-python PYTHON] [--data FOLDER] [--peers shapes ...]

``geoseg`` uses all processors, ``geoseg-one`` one (as does every peer); ``geoseg-workers`` are two Dask processes on all
processors, ``geoseg-worker`` is one, with its client on one processor. Each run is a process of its own; imports, starting
workers, and what compiles at first use (a small raster is done before) are left out for all. ``two_by_one`` counts only
rounds in which other programs took less than 5 % of the processors.
``--peer-python``: an interpreter that has xarray-spatial, which geoseg does not need.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.classdata import make_checkerboard, make_classes, make_holes
from bench.measure import ROOT, Measured, in_turn, measure, medians, save, say, tree_mib
from bench.vector_peers import PEERS, has

OURS = ("geoseg", "geoseg-one", "geoseg-worker", "geoseg-workers")
PAIRS = {"threads": ("geoseg-one", "geoseg"), "workers": ("geoseg-worker", "geoseg-workers")}
"""What one processor does, and what two do."""
QUIET = 0.05


def main() -> None:
    """Measure and save, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--data", type=Path, help="folder that keeps the rasters; a temporary one otherwise")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "MASK", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        who, mask, out = given.one
        sys.stdout.write(json.dumps(_timed(who, Path(mask), Path(out))) + "\n")
        return
    with TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        found = {side: _compare(side, given, data, Path(folder)) for side in given.sides}
        least, most = found[min(found)], found[max(found)]
        ratio = most["peak_mib_beyond_start"]["geoseg"] / least["peak_mib_beyond_start"]["geoseg"]
        joins = _joins(min(found), data, Path(folder))
        pairs = {side: one["two_by_one"] for side, one in found.items()}
        save("vector", {"sides": given.sides, "two_by_one": pairs, "peak_ratio": round(ratio, 3), "join_share": joins})


def _compare(side: int, given: argparse.Namespace, data: Path, out: Path) -> dict[str, Any]:
    """Geoseg and the peers in turn on one raster."""
    mask = make_classes(data / f"classes-{side}.tif", side)
    pythons = {who: given.peer_python if who == "xrspatial" else sys.executable for who in given.peers}
    peers = [who for who in given.peers if has(who, pythons[who])]
    runs = {who: partial(_one, who, mask, out, pythons.get(who, sys.executable)) for who in (*peers, *OURS)}
    found = in_turn(runs, given.rounds)
    seconds = {key: medians(found, key) for key in ("run_s", "cpu_s")}
    times = {who: _ratios(found[who], found["geoseg"]) for who in (*peers, *OURS[1:])}
    pairs = {name: _two_by_one(found[one], found[two]) for name, (one, two) in PAIRS.items()}
    peaks = {who: round(max(run.peak_mib - run.said["before_mib"] for run in rounds)) for who, rounds in found.items()}
    result = {"side": side, "rounds": given.rounds, **seconds, "times_geoseg": times, "two_by_one": pairs}
    result |= {"peak_mib_beyond_start": peaks}
    save(f"vector-{side}", {**result, "runs": found})
    return result


def _ratios(others: list[Measured], ours: list[Measured]) -> list[float]:
    return [round(a.said["run_s"] / b.said["run_s"], 2) for a, b in zip(others, ours, strict=True)]


def _two_by_one(one: list[Measured], two: list[Measured]) -> list[float]:
    """How many times faster two processors were than one, in each quiet round."""
    quiet = [(a, b) for a, b in zip(one, two, strict=True) if max(a.others, b.others) < QUIET]
    return [round(a.said["run_s"] / b.said["run_s"], 2) for a, b in quiet]


def _joins(side: int, data: Path, out: Path) -> dict[str, Any]:
    """What joining the seams costs, in CPU seconds of the whole, on a map, on one region with many holes, at the worst."""
    masks = {
        "map": make_classes(data / f"classes-{side}.tif", side),
        "one background with holes": make_holes(data / f"holes-{side}.tif", side),
        "checkerboard": make_checkerboard(data / "checkerboard-2048.tif", 2048),
    }
    found = {name: _one("join", mask, out, sys.executable) for name, mask in masks.items()}
    for name, run in found.items():
        say(f"  {name}: {run.said}, peak {run.peak_mib:.0f} MiB")
    return {name: {**run.said, "peak_mib": run.peak_mib} for name, run in found.items()}


def _one(who: str, mask: Path, out: Path, python: str) -> Measured:
    target = out / f"{who}.gpkg"
    target.unlink(missing_ok=True)
    command = [python, "-m", "bench.vector", "--one", who, str(mask), str(target)]
    return measure(command, every=0.2, environment={"PYTHONPATH": str(ROOT), "OGR_SQLITE_SYNCHRONOUS": "OFF"})


def _timed(who: str, mask: Path, out: Path) -> dict[str, Any]:
    """The run after a small one, which loads and compiles."""
    if who in ("geoseg-one", "geoseg-worker") and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    run = PEERS[who] if who in PEERS else _RUN[who]
    with TemporaryDirectory() as folder:
        small = make_classes(Path(folder) / "small.tif", 600)
        run(small, Path(folder) / "out.gpkg")
    before = tree_mib(os.getpid())
    started, used = time.perf_counter(), _cpu()
    said = run(mask, out) or {}
    found = {"run_s": time.perf_counter() - started, "cpu_s": _cpu() - used, **said}
    return {**{key: round(value, 3) for key, value in found.items()}, "before_mib": round(before, 1)}


def _cpu() -> float:
    return sum(os.times()[:4])


def _geoseg(mask: Path, out: Path) -> dict[str, Any]:
    import geoseg

    return {"polygons": geoseg.polygonize(mask, out, overwrite=True).polygons}


def _workers(n: int, mask: Path, out: Path) -> dict[str, Any]:
    """``n`` Dask workers, once they have started and loaded what they need."""
    from geoseg.cluster.connect import ClusterSettings, connect

    began = time.perf_counter()
    with connect(ClusterSettings(workers=n)) as pool:
        _through(make_classes(out.parent / "small-1200.tif", 1200), out, pool.in_order)
        started = time.perf_counter()
        polygons = _through(mask, out, pool.in_order)
        return {"run_s": time.perf_counter() - started, "start_s": started - began, "polygons": polygons}


def _join(mask: Path, out: Path) -> dict[str, Any]:
    """CPU seconds of joining (all that is done between the strips and the file) by those of the whole, strips traced one by one."""
    spent = {"trace": 0.0, "iterate": 0.0}

    def clocked(name: str, step: Callable[..., Any], *args: Any) -> Any:
        started = time.thread_time()  # of this thread alone: others make what is written meanwhile
        try:
            return step(*args)
        finally:
            spent[name] += time.thread_time() - started

    def trace_map(trace: Callable[[Any], Any], windows: Iterable[Any]) -> Iterator[Any]:
        return (clocked("trace", trace, window) for window in windows)

    def batches(parts: Iterator[Any]) -> Iterator[Any]:
        while (part := clocked("iterate", next, parts, None)) is not None:
            yield part

    started = time.process_time()
    n = _through(mask, out, trace_map, batches)
    whole = time.process_time() - started
    return {"polygons": n, "whole_s": whole, "join_share": (spent["iterate"] - spent["trace"]) / whole}


def _through(mask: Path, out: Path, trace_map: Any, batches: Callable[[Any], Any] = iter) -> int:
    """What ``geoseg.polygonize`` does, strips traced by ``trace_map``."""
    from geoseg.raster.classes import open_classes
    from geoseg.vector.polygonize import iter_polygons
    from geoseg.vector.write import write_polygons

    raster = open_classes(str(mask))
    parts = iter_polygons(raster.read, raster.geobox, nodata=raster.nodata, trace_map=trace_map)
    return write_polygons(out, batches(parts), raster.geobox, raster.legend)


_RUN: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "geoseg": _geoseg,
    "geoseg-one": _geoseg,
    "geoseg-worker": partial(_workers, 1),
    "geoseg-workers": partial(_workers, 2),
    "join": _join,
}


if __name__ == "__main__":
    main()
