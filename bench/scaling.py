"""Scaling: two workers beside one, each with one thread, and what scheduling costs a block.

    python -m bench.scaling [--side 6144] [--rounds 2] [--blocks 10000] [--data FOLDER]

``ratio`` compares the seconds of the prediction step; starting processes is not scaled by anything.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bundles import bundle_of
from bench.data import make_scene
from bench.measure import in_turn, save, say
from bench.pipeline import one
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.cluster.journal import Receipt
from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.chips import ChipGrid


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=6144)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=10000)
    parser.add_argument("--data", type=Path, help="folder that keeps scenes and bundles; a temporary one otherwise")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        milliseconds = scheduling(given.blocks)
        say(f"  {milliseconds:.2f} ms a block")
        seconds = workers(given, given.data or Path(folder), Path(folder))
    ratio = statistics.median(a / b for a, b in zip(seconds["1"], seconds["2"], strict=True))
    result = {"side": given.side, "predict_s": seconds, "ratio": round(ratio, 3)}
    save("scaling", {**result, "blocks": given.blocks, "ms_per_block": round(milliseconds, 3)})


def workers(given: argparse.Namespace, data: Path, out: Path) -> dict[str, list[float]]:
    """Seconds of prediction with one and with two workers of one thread, on blocks small enough to share out."""
    scene = make_scene(data / f"full-{given.side}.tif", given.side, border=False)
    bundle = bundle_of(data, "unet").path
    options = {n: ("--threads", "1", "--set", f"workers={n}", "--set", "block_size=896") for n in (1, 2)}
    runs = {str(n): partial(one, "geoseg:openvino", scene, bundle, out, options=options[n]) for n in (1, 2)}
    found = in_turn(runs, given.rounds)
    return {name: [measured.said["seconds"]["predict"] for measured in rounds] for name, rounds in found.items()}


@dataclass(frozen=True, slots=True)
class Idle:
    """A job whose blocks are nothing."""

    def worker(self) -> Idle:
        """Itself."""
        return self

    def work(self, block: Block) -> Receipt:
        """Nothing."""
        return Receipt(block.name, "", block.core.shape, (), {})


def scheduling(blocks: int) -> float:
    """Milliseconds for a block that is nothing, on two workers."""
    across = max(int(blocks**0.5), 1)
    grid = BlockGrid.sized(ChipGrid((across * 448, across * 448), 512, 32), 448)
    with connect(ClusterSettings(workers=2)) as pool:
        pool.install(Idle())
        list(pool.map("work", list(grid)[:100]))
        started = time.perf_counter()
        count = sum(1 for _ in pool.map("work", grid))
        return (time.perf_counter() - started) / count * 1000


if __name__ == "__main__":
    main()
