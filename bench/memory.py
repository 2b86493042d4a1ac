"""Memory: the peak of all processes on a scene and on one of sixteen times its pixels; it should be the same.

    python -m bench.memory [--sides 8192 32768] [--workers 0] [--backend openvino] [--data FOLDER]

The scenes have no noise, so that they compress to a few bytes a kilopixel and fit on a disk; the network is trivial.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bundles import bundle_of
from bench.data import make_scene
from bench.measure import save, say
from bench.pipeline import one


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 32768])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--backend", default="openvino")
    parser.add_argument("--data", type=Path, help="folder that keeps scenes and bundles; a temporary one otherwise")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(given, given.data or Path(folder), Path(folder))


def run(given: argparse.Namespace, data: Path, out: Path) -> None:
    """Each side once: a peak hardly varies."""
    bundle = bundle_of(data, "trivial").path
    peaks, runs = {}, {}
    for side in given.sides:
        scene = make_scene(data / f"smooth-{side}.tif", side, noise=0)
        options = ("--set", f"workers={given.workers}")
        runs[side] = one(f"geoseg:{given.backend}", scene, bundle, out, options=options)
        peaks[side] = runs[side].peak_mib
        say(f"  {side}: {peaks[side]:.0f} MiB, {runs[side].said['run_s']:.1f} s")
    first, *_, last = peaks.values()
    save(
        f"memory-{given.workers}",
        {"workers": given.workers, "peak_mib": peaks, "ratio": round(last / first, 3), "runs": runs},
    )


if __name__ == "__main__":
    main()
