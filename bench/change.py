"""Change: the transition matrix of two large class rasters beside reading them and beside others; change polygons.

    python -m bench.change [--sides 8192 16384] [--rounds 3] [--data FOLDER]

``read`` reads both rasters by the tiles that geoseg takes, on two threads; ``geoseg`` counts pixels and true areas as well;
``numpy`` is u * 9 + v and bincount by the same tiles, ``dask`` the same with dask.array. Pixels only: none of them knows
areas. ``polygons`` is what ``geoseg change`` does between its raster and polygons.gpkg, ``polygonize`` is ``geoseg polygonize``
of the raster of changed pixels. Each run is a process of its own, after a small one that loads and compiles; the figures are
CPU seconds, which other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from bench.classdata import STRIP, make_classes
from bench.measure import ROOT, Measured, in_turn, measure, save, say

THREADS = 2
CLASSES = 9
"""Eight and nodata."""
MATRIX = ("read", "geoseg", "numpy", "dask")
POLYGONS = ("polygons", "polygonize")


def main() -> None:
    """Measure and save, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--who", nargs="+", choices=(*MATRIX, *POLYGONS), default=[*MATRIX, *POLYGONS])
    parser.add_argument("--data", type=Path, help="folder that keeps the rasters; a temporary one otherwise")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "FOLDER", "SIDE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        who, folder, side = given.one
        sys.stdout.write(json.dumps(_timed(who, Path(folder), int(side))) + "\n")
        return
    with TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        for side in given.sides:
            _compare(side, data, given.rounds, given.who)


def _compare(side: int, data: Path, rounds: int, who: list[str]) -> None:
    pair = make_pair(data, side)
    if set(who) & set(POLYGONS):
        _changed_alone(*pair)
    found = in_turn({name: partial(_one, name, data, side) for name in who}, rounds)
    cpu = {name: round(statistics.median(run.said["cpu_s"] for run in runs), 3) for name, runs in found.items()}
    matrix = {name: found[name][0].said["pixels"] for name in MATRIX[1:] if name in found}
    assert len(set(map(str, matrix.values()))) <= 1, "all count the same"
    wanted = {
        "geoseg by read": ("geoseg", "read"),
        "numpy by geoseg": ("numpy", "geoseg"),
        "dask by geoseg": ("dask", "geoseg"),
    }
    wanted |= {"polygons by polygonize": ("polygons", "polygonize")}
    times = {name: _times(found[a], found[b]) for name, (a, b) in wanted.items() if {a, b} <= found.keys()}
    peaks = {name: round(max(run.peak_mib for run in runs)) for name, runs in found.items()}
    say(f"  CPU seconds {cpu}; {times}")
    facts = {"side": side, "rounds": rounds, "cpu_s": cpu, "times": times, "peak_mib": peaks}
    save(f"change-{side}", {**facts, "runs": found})


def _times(some: list[Measured], others: list[Measured]) -> float:
    """The median over rounds of one's CPU seconds by the other's."""
    pairs = zip(some, others, strict=True)
    return round(statistics.median(a.said["cpu_s"] / b.said["cpu_s"] for a, b in pairs), 3)


def _one(who: str, data: Path, side: int) -> Measured:
    command = [sys.executable, "-m", "bench.change", "--one", who, str(data), str(side)]
    environment = {"PYTHONPATH": str(ROOT), "OGR_SQLITE_SYNCHRONOUS": "OFF", "OMP_NUM_THREADS": "1"}
    return measure(command, every=0.2, environment=environment)


def _timed(who: str, folder: Path, side: int) -> dict[str, Any]:
    """The run after a small one."""
    with TemporaryDirectory() as small:
        _RUN[who](*make_pair(Path(small), 700))
    wall, used = time.perf_counter(), time.process_time()
    said = _RUN[who](*make_pair(folder, side))
    return {"cpu_s": round(time.process_time() - used, 3), "run_s": round(time.perf_counter() - wall, 3), **said}


def make_pair(folder: Path, side: int) -> tuple[Path, Path]:
    """Two maps: the second is the first but in squares of 96 pixels, a fifth of them, where it is another map."""
    before, other = (make_classes(folder / f"classes-{side}-{seed}.tif", side, seed=seed) for seed in (2, 3))
    after = folder / f"after-{side}.tif"
    if after.exists():
        return before, after
    squares = np.random.default_rng(4).random((-(-side // 96),) * 2) < 0.2
    with rasterio.open(before) as one, rasterio.open(other) as two, rasterio.open(after, "w", **one.profile) as out:
        for row in range(0, side, STRIP):
            window = RasterioWindow(0, row, side, min(STRIP, side - row))
            rows, cols = np.arange(row, row + window.height) // 96, np.arange(side) // 96
            here = squares[rows[:, None], cols[None, :]]
            out.write(np.where(here, two.read(1, window=window), one.read(1, window=window)), 1, window=window)
    return before, after


def _tiles(side: int) -> list[Any]:
    from geoseg.compare.blocks import tiles_of

    return list(tiles_of((side, side), 2048))


def _pair(before: Path, after: Path) -> Any:
    """Both maps, described: opening foreign rasters looks at all pixels once, which is not what is measured."""
    from geoseg.compare.joined import join_legends
    from geoseg.compare.maps import MapLayer, Maps, Pair
    from geoseg.legend import Legend
    from geoseg.raster.admit import admit
    from geoseg.raster.classes import ClassRaster, class_layer
    from geoseg.raster.placed import Placed

    legend, layers = Legend.of([f"class {i}" for i in range(1, CLASSES)]), []
    for path in (before, after):
        file = admit(path)
        raster = ClassRaster(file.path, file.geobox, legend, 0, "uint8", class_layer(file, None), 0.0)
        table = join_legends([raster]).tables[0]
        layers.append(MapLayer(path.stem, str(path), Placed.of(raster, file.geobox), table))
    return Pair(Maps(tuple(layers), layers[0].placed.geobox, legend))


def _over(pair: Any, work: Callable[[Any], Any]) -> Iterator[Any]:
    from geoseg.vector.threads import in_order

    return in_order(work, _tiles(pair.geobox.shape[0]), THREADS)


def _read(before: Path, after: Path) -> dict[str, Any]:
    pair = _pair(before, after)
    for _ in _over(pair, lambda tile: pair.read(tile)[0].shape):
        pass
    return {}


def _geoseg(before: Path, after: Path) -> dict[str, Any]:
    from geoseg.compare.transition import TransitionCounter
    from geoseg.vector.lattice import lattice_of

    pair = _pair(before, after)

    def count(tile: Any) -> Any:
        counter = TransitionCounter(pair.geobox, pair.legend, lattice_of(pair.geobox))
        counter.add(tile, *pair.read(tile))
        return counter.result()

    parts = _over(pair, count)
    total = next(parts)
    for part in parts:
        total += part
    return {"pixels": total.n_pixels.tolist()}


def _numpy(before: Path, after: Path) -> dict[str, Any]:
    pair = _pair(before, after)

    def count(tile: Any) -> Any:
        one, other = pair.read(tile)
        return np.bincount((one * np.uint8(CLASSES) + other).ravel(), minlength=CLASSES * CLASSES)

    return _pixels(sum(_over(pair, count)))


def _dask(before: Path, after: Path) -> dict[str, Any]:
    import dask
    import dask.array as da

    def lazy(path: Path) -> Any:
        with rasterio.open(path) as file:
            side = file.width

        def block(block_info: Any) -> Any:
            (r0, r1), (c0, c1) = block_info[None]["array-location"]
            with rasterio.open(path) as file:
                return file.read(1, window=RasterioWindow(c0, r0, c1 - c0, r1 - r0))

        size = min(2048, side)
        chunks = tuple([size] * (side // size) + ([side % size] if side % size else []))
        return da.map_blocks(block, chunks=(chunks, chunks), dtype=np.uint8)

    pairs = lazy(before) * np.uint8(CLASSES) + lazy(after)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        return _pixels(da.bincount(pairs.ravel(), minlength=CLASSES * CLASSES).compute())


def _pixels(counts: Any) -> dict[str, Any]:
    return {"pixels": np.asarray(counts).reshape(CLASSES, CLASSES)[1:, 1:].tolist()}


def _changed(before: Path, after: Path) -> Path:
    """The change raster of both, made once."""
    import geoseg

    out = after.parent / f"change-{after.stem}"
    if not (out / "run.json").exists():
        geoseg.change(before, after, out, only="raster", max_shift=0, overwrite=True)
    return out / "change.tif"


def _changed_alone(before: Path, after: Path) -> Path:
    """The same raster with what stayed as nodata, made once."""
    path = _changed(before, after)
    alone = path.with_name("changed.tif")
    if not alone.exists():
        with rasterio.open(path) as file, rasterio.open(alone, "w", **file.profile) as out:
            for row in range(0, file.height, STRIP):
                window = RasterioWindow(0, row, file.width, min(STRIP, file.height - row))
                codes = file.read(1, window=window)
                out.write(np.where(codes >> 8 == codes & 255, 0, codes), 1, window=window)
    return alone


def _polygons(before: Path, after: Path) -> dict[str, Any]:
    return {"polygons": _traced(_changed(before, after), changed=True)}


def _polygonize(before: Path, after: Path) -> dict[str, Any]:
    return {"polygons": _traced(_changed_alone(before, after), changed=False)}


def _traced(path: Path, *, changed: bool) -> int:
    from geoseg.compare.change_legend import from_to
    from geoseg.jobs.change_products import Changed
    from geoseg.legend import Legend
    from geoseg.raster.admit import admit
    from geoseg.vector.polygonize import iter_polygons
    from geoseg.vector.write import write_polygons

    classes = Legend.of([f"class {i}" for i in range(1, CLASSES)])
    codes = [i * 256 + j for i in range(1, CLASSES) for j in range(1, CLASSES) if i != j]
    names = Legend.of({code: str(code) for code in codes})
    geobox = admit(path).geobox
    reader = Changed.of(path, geobox, names)
    read: Any = reader if changed else reader.raster.read
    more = from_to(classes, codes) if changed else None
    regions = iter_polygons(read, geobox, nodata=0)
    return write_polygons(path.with_suffix(".gpkg"), regions, geobox, names, more=more)


_RUN: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "read": _read, "geoseg": _geoseg, "numpy": _numpy, "dask": _dask, "polygons": _polygons, "polygonize": _polygonize,
}  # fmt: skip


if __name__ == "__main__":
    main()
