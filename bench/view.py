"""View: how long the map's server takes for a tile, an outline's tile and a click, on a large class map with its polygons.

    python -m bench.view [--side 32768] [--piece 8192] [--data FOLDER]

The class map is a piece of ``classdata`` laid down again and again. Times are those of a client over HTTP, one request
after the other: screens of 5 x 4 tiles at every zoom and five places, first as they come (``cold``), then again
(``warm``). ``cpu``: what client and server together took of the processors for one, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio

from bench.classdata import STRIP, make_classes
from bench.measure import save, say, tree_mib
from geoseg.grid.geobox import GeoBox
from geoseg.legend import HARMONISED
from geoseg.raster.classes import open_classes
from geoseg.raster.write import RasterInfo, write_mask, write_raster
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.write import write_polygons
from geoseg.view.found import find_run
from geoseg.view.server import MapServer

PLACES = ((0.5, 0.5), (0.3, 0.3), (0.7, 0.3), (0.4, 0.7), (0.62, 0.58))
WIDE, HIGH = 5, 4


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=32768)
    parser.add_argument("--piece", type=int, default=8192)
    parser.add_argument("--data", type=Path, help="folder that keeps the run; a temporary one otherwise")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        run = make_run(given.data or Path(folder), given.side, given.piece)
        save("view", measure_run(run, given.side))


def make_run(data: Path, side: int, piece: int) -> Path:
    """A run's folder with class map, confidence and polygons, unless it is there."""
    run = data / f"view-{side}"
    if (run / "run.json").exists():
        return run
    run.mkdir(parents=True, exist_ok=True)
    with rasterio.open(make_classes(data / f"classes-{piece}.tif", piece)) as dataset:
        classes, crs, transform = dataset.read(1), dataset.crs.to_wkt(), dataset.transform
    geobox = GeoBox.of((side, side), transform, crs)

    def strips() -> Iterator[tuple[int, Any]]:
        for row in range(0, side, STRIP):
            rows = np.arange(row, min(row + STRIP, side)) % piece
            yield row, np.tile(classes[rows], (1, side // piece))

    write_mask(run / "mask.tif", geobox, HARMONISED, strips())
    percents = ((row, np.where(values == 0, 255, 40 + 7 * values).astype(np.uint8)) for row, values in strips())
    write_raster(run / "confidence.tif", geobox, percents, info=RasterInfo("confidence, percent"))
    mask = open_classes(run / "mask.tif")
    count = write_polygons(run / "polygons.gpkg", iter_polygons(mask.read, geobox), geobox, HARMONISED)
    (run / "run.json").write_text(json.dumps({"run": "bench", "polygons": count}))
    return run


def measure_run(run: Path, side: int) -> dict[str, Any]:
    """Start a server, walk through its map twice, and click."""
    started = time.perf_counter()
    server = MapServer(find_run(run), "127.0.0.1:0")
    server.start()
    found: dict[str, Any] = {"side": side, "start_s": round(time.perf_counter() - started, 3)}
    client = http.client.HTTPConnection("127.0.0.1", server.port)
    try:
        outlines = server.outlines
        assert outlines is not None
        found["polygons"] = outlines.n
        kinds = {
            "classes": ("/tile/mask", 2, server.tiles.max_zoom), "confidence": ("/tile/confidence", 2, server.tiles.max_zoom),
            "polygons": ("/polygons", *outlines.zooms),
        }  # fmt: skip
        for kind, (path, low, high) in kinds.items():
            walk = list(tiles(server.bounds, low, high))
            for name in ("cold", "warm"):
                found[f"{kind}_{name}_ms"] = summary(
                    [_asked(client, server, f"{path}/{z}/{x}/{y}") for z, x, y in walk]
                )
        found["click_ms"] = summary([_asked(client, server, place) for place in clicks(server.bounds, 60)])
        found["peak_mib"] = round(tree_mib(os.getpid()), 1)
    finally:
        client.close()
        server.stop()
    for name, value in found.items():
        say(f"{name}: {value}")
    return found


def tiles(bounds: tuple[float, float, float, float], low: int, high: int) -> Iterator[tuple[int, int, int]]:
    """Tiles of screens around the places, at every zoom, each once."""
    west, south, east, north = bounds
    seen = set()
    for z in range(low, high + 1):
        for right, down in PLACES:
            lon, lat = west + right * (east - west), north - down * (north - south)
            x = int((lon + 180) / 360 * 2**z) - WIDE // 2
            y = int((0.5 - math.asinh(math.tan(math.radians(lat))) / (2 * math.pi)) * 2**z) - HIGH // 2
            for i in range(max(x, 0), min(x + WIDE, 2**z)):
                for j in range(max(y, 0), min(y + HIGH, 2**z)):
                    if (z, i, j) not in seen:
                        seen.add((z, i, j))
                        yield z, i, j


def clicks(bounds: tuple[float, float, float, float], n: int) -> Iterator[str]:
    """What the page asks for when somebody clicks, at places all over the map."""
    west, south, east, north = bounds
    for right, down in np.random.default_rng(1).uniform(0.15, 0.85, (n, 2)):
        yield f"/api/at?lon={west + right * (east - west)}&lat={south + down * (north - south)}&zoom=12"


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds: the middle, what 95 of 100 stay below, the longest, those of the processors, and how many there were."""
    ordered, busy = sorted(wall for wall, _ in times), sorted(cpu for _, cpu in times)
    return {
        "cpu_median": round(statistics.median(busy), 1), "cpu_p95": round(busy[int(0.95 * (len(busy) - 1))], 1),
        "median": round(statistics.median(ordered), 1), "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "most": round(ordered[-1], 1), "n": len(ordered),
    }  # fmt: skip


def _asked(client: http.client.HTTPConnection, server: MapServer, path: str) -> tuple[float, float]:
    started, busy = time.perf_counter(), time.process_time()
    client.request("GET", path, headers={"Authorization": f"Bearer {server.token}"})
    answer = client.getresponse()
    answer.read()
    assert answer.status == 200, (path, answer.status)
    return (time.perf_counter() - started) * 1000, (time.process_time() - busy) * 1000


if __name__ == "__main__":
    main()
