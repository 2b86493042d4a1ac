"""Mapped: folders as runs leave them, small, made without a network, for the map to show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.compare.change_legend import change_legend, from_to
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.whereabouts import layers_of
from geoseg.legend import Legend
from geoseg.raster.admit import admit
from geoseg.raster.classes import class_layer
from geoseg.raster.mercator import TileSource
from geoseg.raster.scene import open_scene
from geoseg.raster.write import RasterInfo, write_mask, write_raster
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.write import write_polygons
from tests.helpers.rasters import write_raster as write_plain

LEGEND = Legend.of({1: "water", 2: "tree & <b>bush</b>"}, {1: (0, 0, 255), 2: (0, 160, 0)})
UTM = GeoBox.of((60, 80), Affine(10, 0, 600_000, 0, -10, 5_400_000), CRS.from_epsg(32632).to_wkt())
UTM60 = CRS.from_epsg(32660).to_wkt()
PLACES = {
    "utm": UTM,
    "utm across the antimeridian": GeoBox.of((60, 80), Affine(3000, 0, 700_000, 0, -3000, 2_000_000), UTM60),
    "degrees": GeoBox.of((60, 80), Affine(0.01, 0, 10, 0, -0.01, 48), CRS.from_epsg(4326).to_wkt()),
    "degrees beyond 180": GeoBox.of((60, 80), Affine(0.05, 0, 178, 0, -0.05, -16), CRS.from_epsg(4326).to_wkt()),
    "the whole world": GeoBox.of((90, 180), Affine(2, 0, -180, 0, -2, 90), CRS.from_epsg(4326).to_wkt()),
    "round the pole": GeoBox.of((60, 80), Affine(50_000, 0, -2e6, 0, -50_000, 1.5e6), CRS.from_epsg(3413).to_wkt()),
    "turned": GeoBox.of((60, 80), Affine.translation(600_000, 5_400_000) @ Affine.rotation(30) @ Affine.scale(10, -10), UTM.crs),
    "web mercator": GeoBox.of((60, 80), Affine(100, 0, 1e6, 0, -100, 6e6), CRS.from_epsg(3857).to_wkt()),
}  # fmt: skip


def halves(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Water on the left, tree on the right with a square of water in it, a corner without data."""
    rows, cols = shape
    mask = np.ones(shape, np.uint8)
    mask[:, cols // 2 :] = 2
    mask[rows // 3 : rows // 2, cols * 3 // 4 : cols * 7 // 8] = 1
    mask[: rows // 6, : cols // 6] = 0
    return mask


def make_run(
    folder: Path,
    geobox: GeoBox = UTM,
    mask: NDArray[np.uint8] | None = None,
    *,
    scene: bool = True,
    leave_out: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> Path:
    """A run of segment at ``folder``, its scene beside it."""
    folder.mkdir(parents=True)
    mask = halves(geobox.shape) if mask is None else mask
    write_mask(folder / "mask.tif", geobox, LEGEND, [(0, mask)])
    percents = np.where(mask == 0, 255, mask * 40).astype(np.uint8)
    write_raster(folder / "confidence.tif", geobox, [(0, percents)], info=RasterInfo("confidence, percent"))

    def sure(window: Window) -> NDArray[np.uint8]:
        return percents[window.slices]

    regions = iter_polygons(lambda window: mask[window.slices], geobox, confidence=sure)
    count = write_polygons(folder / "polygons.gpkg", regions, geobox, LEGEND)
    run: dict[str, Any] = {
        "run": "0123456789ab", "geoseg": "0.1.0", "finished": "2026-01-02T03:04:05Z", "polygons": count,
        "bundle": {"name": "small", "version": "1", "digest": "f" * 64},
        "areas": [{"class_id": 1, "class_name": "water", "area_ha": 12.5}],
        "scene": {"name": "field", "bands": ["red", "green", "blue"], "layers": []},
    }  # fmt: skip
    if scene:
        run["scene"]["layers"] = layers_of(open_scene(write_scene(folder.with_name("scene.tif"), geobox)), folder)
    for name in leave_out:
        (folder / name).unlink()
    (folder / "run.json").write_text(json.dumps(run | dict(more or {})))
    return folder


def write_scene(path: Path, geobox: GeoBox) -> Path:
    """Three bands, red growing to the right, green downwards, blue random; nodata 0."""
    rows, cols = geobox.shape
    red, green = np.meshgrid(np.linspace(100, 1000, cols), np.linspace(100, 1000, rows))
    blue = np.random.default_rng(1).uniform(100, 1000, geobox.shape)
    image = np.stack([red, green, blue]).astype(np.uint16)
    return write_plain(
        path, image, transform=geobox.affine, crs=geobox.crs, names=("red", "green", "blue"), nodata=0
    )  # fmt: skip


def make_change(folder: Path, geobox: GeoBox = UTM) -> Path:
    """A run of change: water that became tree in a square, all else as it was."""
    folder.mkdir(parents=True)
    before = halves(geobox.shape)
    after = before.copy()
    rows, cols = geobox.shape
    after[rows // 2 : rows * 3 // 4, cols // 8 : cols // 3] = 2
    codes = (before.astype(np.uint16) << 8 | after).astype(np.uint16)
    changes = change_legend(LEGEND, np.unique(codes[codes > 0]).tolist())
    info = RasterInfo("change", "uint16", 0, "nearest")
    write_raster(folder / "change.tif", geobox, [(0, codes)], info=info)
    changed = np.where(before == after, 0, codes)
    regions = iter_polygons(lambda window: changed[window.slices], geobox)
    more = from_to(LEGEND, changes.values)
    count = write_polygons(folder / "polygons.gpkg", regions, geobox, changes, layer="change", more=more)
    classes = [{"value": item.value, "name": item.name, "colour": list(item.colour)} for item in LEGEND.classes]
    run = {
        "run": "ba9876543210", "geoseg": "0.1.0", "classes": classes, "matrix": {}, "polygons": count,
        "before": {"name": "first"}, "after": {"name": "second"},
        "by_class": [{"class_name": "water", "after_ha": 3.25}],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def source_of(path: Path) -> TileSource:
    """A class raster as a map reads it."""
    file = admit(path, palette_ok=True)
    return TileSource(class_layer(file, None), file.overviews)


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int, int]:
    """The tile that a place lies in."""
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return z, int((lon + 180) % 360 / 360 * 2**z), int(y * 2**z)
