"""All benches, one after the other, small enough for a quarter of an hour on two cores; ``--full`` takes the full sizes.

    python -m bench [--full] [NAME ...]

Results are written to ``bench/results/NAME.json``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench.measure import ROOT, say

SMALL = {
    "cli": [["bench.cli"]],
    "plan": [["bench.plan", "--side", "4096"]],
    "pipeline": [
        ["bench.pipeline", "--network", "trivial", "--side", "4096"],
        ["bench.pipeline", "--network", "unet", "--side", "2048"],
    ],
    "network": [["bench.network", "--side", "2048"]],
    "scaling": [["bench.scaling", "--side", "2048", "--blocks", "2000"]],
    "memory": [["bench.memory", "--sides", "4096", "8192"]],
    "bare_network": [["bench.bare_network"]],
    "sieve": [["bench.sieve", "--sides", "4096", "8192"]],
    "vector": [["bench.vector", "--sides", "4096", "8192", "--rounds", "2"]],
    "formats": [["bench.formats", "--sides", "2048", "4096"]],
    "change": [["bench.change", "--sides", "8192", "--rounds", "2"]],
    "train": [["bench.train", "--rounds", "2", "--steps", "12"]],
    "coverage": [["bench.coverage", "--draws", "100", "--side", "1024"]],
    "flicker": [["bench.flicker"]],
    "view": [["bench.view", "--side", "4096", "--piece", "2048"]],
}
FULL = {
    "cli": [["bench.cli"]],
    "plan": [["bench.plan"]],
    "pipeline": [["bench.pipeline"], ["bench.pipeline", "--network", "unet", "--side", "4096"]],
    "network": [["bench.network", "--side", "4096"]],
    "scaling": [["bench.scaling", "--side", "4096"]],
    "memory": [["bench.memory"]],
    "bare_network": [["bench.bare_network"]],
    "sieve": [["bench.sieve"]],
    "vector": [["bench.vector"]],
    "formats": [["bench.formats"]],
    "change": [["bench.change"]],
    "train": [["bench.train"]],
    "coverage": [["bench.coverage"]],
    "flicker": [["bench.flicker", "--side", "1024", "--seeds", "8"]],
    "view": [["bench.view"]],
}


def main() -> None:
    """Run them; a failure does not keep the others from running."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SMALL)}")
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    plans = FULL if given.full else SMALL
    failed = [name for name in given.names or plans if not _ran(name, plans)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _ran(name: str, plans: dict[str, list[list[str]]]) -> bool:
    if name not in plans:
        say(f"no bench is called {name}")
        return False
    say(name)
    return all(subprocess.run([sys.executable, "-m", *command], cwd=ROOT).returncode == 0 for command in plans[name])


if __name__ == "__main__":
    main()
