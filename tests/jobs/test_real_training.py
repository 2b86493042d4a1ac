"""Training on real scenes: a few polygons become a full map, and bands of two processing baselines one network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from geoseg.jobs.segment import segment
from geoseg.jobs.train import survey, train
from geoseg.raster.scene import open_scene
from geoseg.training.settings.job import TrainSettings

S2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
OFFSET = {"282D_485L_3_3": 0.0, "433D_629L_3_1": -0.1, "609U_541L_3_0": -0.1}  # of processing baseline 04.00
SMALL = {"architecture": "Dilated", "encoder": "none", "params": {"width": 32, "dilations": (1, 1, 2)}}


def amazon(shared: Path) -> TrainSettings:
    folder = shared / "rstoolbox_landsat5_amazon"
    return TrainSettings.of(
        name="amazon",
        scenes=[{
            "scene": str(folder / "lsat.tif"), "labels": str(folder / "training_polygons.gpkg"),
            "bands": ("blue", "green", "red", "nir", "swir1", "thermal", "swir2"),
        }],
        bands=("blue", "green", "red", "nir", "swir1", "swir2"),
        classes=[{"value": i, "name": name} for i, name in enumerate(("water", "forest", "cleared", "fallen_dry"), 1)],
        split={"by": "blocks", "block": 32, "buffer": 8, "validation": 0, "test": 0.3},
        network=SMALL, samples={"crop": 32, "balance": 1.0, "labelled": 0}, fit={"steps": 100, "batch_size": 16},
    )  # fmt: skip


def sentinel(shared: Path, **changes: Any) -> TrainSettings:
    folder = shared / "terramesh_s2"
    scenes = [
        {
            "scene": str(folder / "S2L2A" / f"{name}.tif"), "labels": str(folder / "LULC" / f"{name}.tif"),
            "bands": S2, "scale": 0.0001, "offset": offset,
        }
        for name, offset in OFFSET.items()
    ]  # fmt: skip
    recode = {1: "water", 2: "tree", 4: "cropland", 5: "built", 6: "bare", 7: "snow or ice", 9: "low vegetation"}
    values: dict[str, Any] = {
        "name": "sentinel", "scenes": scenes, "bands": ("B02", "B03", "B04", "B08", "B8A", "B11", "B12"), "recode": recode,
        "split": {"by": "blocks", "block": 32, "buffer": 4, "validation": 0.2, "test": 0.2}, "network": SMALL,
        "samples": {"crop": 32, "balance": 0.5}, "fit": {"steps": 120, "batch_size": 16}, "chip_size": 224,
    }  # fmt: skip
    return TrainSettings.of(**{**values, **changes})


@pytest.mark.slow
def test_thirty_six_polygons_become_a_full_map(shared: Path, tmp_path: Path) -> None:
    settings = amazon(shared / "data")
    made = train(settings, tmp_path / "bundle")
    assert made is not None and made.scores["overall"]["kappa"]["value"] > 0.8
    scene = open_scene(list(settings.scenes[0].files), bands=settings.scenes[0].bands)
    result = segment(scene, made.bundle, tmp_path / "map")
    with rasterio.open(result.mask) as mask, rasterio.open(settings.scenes[0].files[0]) as image:
        classes, valid = mask.read(1), image.dataset_mask() > 0
    assert ((classes > 0) == valid).all() and set(np.unique(classes[valid])) == {1, 2, 3, 4}


@pytest.mark.slow
def test_scenes_of_two_processing_baselines_train_one_network(shared: Path, tmp_path: Path) -> None:
    made = train(sentinel(shared / "data"), tmp_path / "bundle")
    assert made is not None and made.scores["overall"]["kappa"]["value"] > 0.5
    assert made.bundle.units == "reflectance" and 0 < made.bundle.bands[0].mean < 0.5
    card = json.loads(made.bundle.card)["properties"]["geoseg:bundle"]
    assert len(card["training"]["scenes"]) == 3


def test_the_offset_that_nothing_in_the_files_says_is_noticed(shared: Path) -> None:
    settings = sentinel(shared / "data")
    plain = tuple(scene.model_copy(update={"offset": 0.0}) for scene in settings.scenes)
    kept = {finding.code for finding in survey(settings)[2]}
    missed = {finding.code for finding in survey(settings.model_copy(update={"scenes": plain}))[2]}
    assert "OFFSET" in missed - kept
