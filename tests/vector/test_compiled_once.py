"""Machine code of the tracer is made once: the next process finds it on the disk and compiles nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, sys
import numpy as np
from affine import Affine
from numba.core.dispatcher import Dispatcher
from geoseg.grid.geobox import GeoBox
from geoseg.legend import HARMONISED
from geoseg.raster.write import write_mask
import geoseg
folder = sys.argv[1]
pixels = np.random.default_rng(0).integers(0, 4, (60, 70)).astype(np.uint8)
geobox = GeoBox.of(pixels.shape, Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32632")
write_mask(folder + "/mask.tif", geobox, HARMONISED, [(0, pixels)])
geoseg.polygonize(folder + "/mask.tif", folder + "/out.gpkg", overwrite=True)
hits = misses = 0
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("geoseg."):
        for thing in {id(thing): thing for thing in vars(module).values() if isinstance(thing, Dispatcher)}.values():
            if thing.__module__ == module.__name__:
                hits += sum(thing.stats.cache_hits.values())
                misses += sum(thing.stats.cache_misses.values())
print(json.dumps([hits, misses]))
"""


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path: Path, root: Path) -> None:
    """Both polygonize with an empty cache at first: the second has only hits, and leaves the cache as it found it."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(root)}

    def run() -> tuple[int, int]:
        command = [sys.executable, "-c", CODE, str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hits, misses = json.loads(done.stdout.splitlines()[-1])
        return hits, misses

    _, compiled = run()
    kept = files_of(cache)
    assert compiled > 10 and kept
    hits, again = run()
    assert again == 0 and 10 < hits <= compiled
    assert files_of(cache) == kept
