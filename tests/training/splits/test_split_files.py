"""Split files: GeoJSON covers the parts and nothing else, on the right side of the Earth; the picture is the same each time."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.scene import open_scene
from geoseg.training.data.cells import count_cells
from geoseg.training.data.quicklook import picture
from geoseg.training.settings.data import SplitSettings
from geoseg.training.splits.split import PARTS, Split, make_splits
from geoseg.training.splits.split_files import split_geojson, split_png
from tests.helpers.labelled import ArrayScene, array_scene, patchy
from tests.helpers.rasters import UTM, write_raster


def folds_of(scene: ArrayScene, **settings: Any) -> tuple[Split, ...]:
    return make_splits(
        [scene], count_cells([scene], side=16), SplitSettings.of(**{"block": 32, "buffer": 4, **settings})
    )


def test_features_cover_each_pixel_of_a_part_and_no_other() -> None:
    scene = array_scene(patchy((96, 128)))
    splits = folds_of(scene, folds=2)
    features = json.loads(split_geojson([scene], splits))["features"]
    row, col = np.mgrid[:96, :128]
    a, _, c, _, e, f = scene.scene.geobox.transform
    lon, lat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True).transform(
        c + a * (col + 0.5), f + e * (row + 0.5)
    )
    for split in splits:
        codes = split.scenes[0].read(Window(0, 0, 96, 128))
        for part, code in PARTS.items():
            own = [item for item in features if item["properties"]["split"] == split.name]
            shapes = [shapely.geometry.shape(i["geometry"]) for i in own if i["properties"]["part"] == part]
            pixels = sum(i["properties"]["n_pixels"] for i in own if i["properties"]["part"] == part)
            assert all(shape.is_valid for shape in shapes) and pixels == (codes == code).sum()
            assert (shapely.contains_xy(shapely.union_all(shapes), lon, lat) == (codes == code)).all()


def test_a_scene_across_the_antimeridian_is_cut_there() -> None:
    scene = array_scene(patchy((64, 64)))
    geobox = GeoBox((64, 64), (0.1, 0.0, 177.0, 0.0, -0.1, 10.0), CRS.from_epsg(4326).to_wkt())
    scene = replace(scene, scene=replace(scene.scene, geobox=geobox))
    features = json.loads(split_geojson([scene], folds_of(scene, by="windows", windows=({"rows": (0, 9)},))))[
        "features"
    ]
    assert {item["geometry"]["type"] for item in features} == {"MultiPolygon"}
    bounds = [shapely.geometry.shape(item["geometry"]).bounds for item in features]
    assert all(-180 <= west and east <= 180 for west, _, east, _ in bounds)


@pytest.mark.slow
def test_the_picture_shows_each_split_and_is_the_same_each_time(tmp_path: Path) -> None:
    from PIL import Image

    label = patchy((96, 128))
    path = write_raster(tmp_path / "scene.tif", np.stack([label] * 3) * 30 + 20, names=("red", "green", "blue"))
    scene = replace(array_scene(label), scene=open_scene([path]))
    splits = folds_of(scene, folds=2)
    drawn = split_png([scene], splits)
    assert drawn == split_png([scene], splits)
    seen = np.asarray(Image.open(BytesIO(drawn)).convert("RGB"))
    assert seen.shape[1] > seen.shape[0] and len(np.unique(seen.reshape(-1, 3), axis=0)) > 10


def test_a_picture_is_true_colour_where_it_can_be_and_grey_without_data() -> None:
    image = np.stack([np.full((4, 4), i) for i in range(4)]) + np.arange(16).reshape(4, 4)
    valid = np.ones((4, 4), bool)
    valid[0, 0] = False
    shown = picture(image, valid, ["blue", "green", "red", "nir"])
    assert shown.shape == (4, 4, 3) and len(set(shown[0, 0])) == 1
    assert (np.diff(shown.reshape(-1, 3)[1:].astype(int), axis=0) >= 0).all()
    assert (picture(image, ~valid, ["x", "y", "z", "w"])[1:] == shown[0, 0]).all()
