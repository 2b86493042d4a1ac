"""Cli: CPU seconds of ``geoseg --help`` and ``geoseg info``, the least of several runs.

python -m bench.cli
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.data import make_scene
from bench.measure import measure, save

TARGETS = {"--help": 0.4, "info": 1.0}


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        scene = make_scene(Path(folder) / "scene.tif", 600)
        commands = {"--help": ["--help"], "info": ["info", str(scene)]}
        result = {}
        for name, arguments in commands.items():
            runs = [measure([sys.executable, "-m", "geoseg", *arguments], every=5) for _ in range(given.rounds)]
            least = {"cpu_s": min(run.cpu_s for run in runs), "wall_s": min(run.wall_s for run in runs)}
            result[name] = {**least, "target_s": TARGETS[name]}
    save("cli", result)


if __name__ == "__main__":
    main()
