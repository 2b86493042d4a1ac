"""Formats: memory of the writers of polygons, and of areas by zone, on a raster and on one of four times its pixels.

    python -m bench.formats [--sides 8192 16384] [--formats .parquet .fgb .geojson] [--data FOLDER]

Peaks are those of the process beyond what it holds after a small run; they should hardly differ between the sides.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.classdata import make_classes
from bench.measure import Measured, measure, save, say, tree_mib

FORMATS = (".gpkg", ".parquet", ".fgb", ".geojson")
AREA = "area"
_ZONES = 12
"""Zones along a side of the raster."""


def main() -> None:
    """Measure and save, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--formats", nargs="*", choices=(*FORMATS, AREA), default=[*FORMATS, AREA])
    parser.add_argument("--data", type=Path, help="folder that keeps the rasters; a temporary one otherwise")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "MASK", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        what, mask, folder = given.one
        sys.stdout.write(json.dumps(_timed(what, Path(mask), Path(folder))) + "\n")
        return
    with TemporaryDirectory() as folder:
        run(given, given.data or Path(folder), Path(folder))


def run(given: argparse.Namespace, data: Path, out: Path) -> None:
    """Each side and format once: a peak hardly varies."""
    found: dict[str, dict[int, Measured]] = {what: {} for what in given.formats}
    for side in given.sides:
        mask = make_classes(data / f"classes-{side}.tif", side)
        for what in given.formats:
            done = measure([sys.executable, "-m", "bench.formats", "--one", what, str(mask), str(out)], every=0.05)
            found[what][side] = done
            say(f"  {side} {what:9s} {_beyond(done):5.0f} MiB beyond the start, {done.said['cpu_s']:.1f} s of CPU")
    peaks = {what: {side: _beyond(done) for side, done in sides.items()} for what, sides in found.items()}
    ratios = {what: round(sides[max(sides)] / sides[min(sides)], 3) for what, sides in peaks.items()}
    save("formats", {"sides": given.sides, "peak_mib_beyond_start": peaks, "ratio": ratios, "runs": found})


def _beyond(done: Measured) -> float:
    return round(done.peak_mib - done.said["before_mib"])


def _timed(what: str, mask: Path, folder: Path) -> dict[str, Any]:
    """The run after a small one, which loads and compiles."""
    run = _area if what == AREA else _polygons
    small = make_classes(folder / "small.tif", 600)
    run(small, folder / ("zones-small.gpkg" if what == AREA else f"small{what}"))
    before = tree_mib(os.getpid())
    started = time.process_time()
    run(mask, folder / f"zones-{mask.stem}.gpkg" if what == AREA else folder / f"out{what}")
    return {"cpu_s": round(time.process_time() - started, 2), "before_mib": round(before, 1)}


def _polygons(mask: Path, out: Path) -> None:
    import geoseg

    geoseg.polygonize(mask, out, overwrite=True)


def _area(mask: Path, zones: Path) -> None:
    """Areas in as many zones at every size: crooked ones, which overlap."""
    import geopandas
    import numpy as np
    import rasterio
    import shapely

    import geoseg

    with rasterio.open(mask) as dataset:
        left, bottom, right, top = dataset.bounds
        crs = dataset.crs.to_wkt()
    x, y = np.meshgrid(np.linspace(left, right, _ZONES), np.linspace(bottom, top, _ZONES))
    shapes = shapely.buffer(shapely.points(x.ravel(), y.ravel()), 0.7 * (right - left) / _ZONES)
    geopandas.GeoDataFrame({"name": range(len(shapes))}, geometry=shapes, crs=crs).to_file(zones)
    geoseg.area(mask, zones=zones, zone_field="name")


if __name__ == "__main__":
    main()
