"""Plan: a million blocks are planned in no time and no memory, and blocks without data cost only their reading.

python -m bench.plan
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.bundles import bundle_of
from bench.data import make_empty_scene
from bench.measure import save
from bench.pipeline import one
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=8192, help="of the scene without data")
    parser.add_argument("--data", type=Path, help="folder that keeps scenes and bundles; a temporary one otherwise")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        save("plan", {**million(), **nodata(given.side, given.data or Path(folder), Path(folder))})


def million() -> dict[str, float]:
    """Seconds and MiB for planning, and walking through, 1000 x 1000 blocks."""
    before = psutil.Process().memory_info().rss
    started, used = time.perf_counter(), time.process_time()
    grid = BlockGrid.sized(ChipGrid((1792 * 1000, 1792 * 1000), 512, 32), 2048)
    count = len(grid)
    planned = time.perf_counter() - started
    assert sum(1 for _ in grid) == count
    walked = time.process_time() - used
    tracemalloc.start()
    for block, _ in zip(grid, range(1000), strict=False):
        block.name  # noqa: B018 - what a run asks of each block
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = psutil.Process().memory_info().rss - before
    return {
        "blocks": count,
        "plan_s": round(planned, 6),
        "walk_cpu_s": round(walked, 3),
        "plan_mib": round(max(grown, peak) / 2**20, 2),
    }


def nodata(side: int, data: Path, out: Path) -> dict[str, object]:
    """A scene with data in one chip: chips that were run, seconds of the whole prediction with a real network."""
    scene = make_empty_scene(data / f"empty-{side}.tif", side)
    found = one("geoseg:openvino", scene, bundle_of(data, "unet").path, out).said
    return {"nodata_side": side, "nodata_chips_planned": found["plan"]["chips"], "nodata_seconds": found["seconds"]}


if __name__ == "__main__":
    main()
