"""Tiny labelled scenes whose classes follow from the pixels, and jobs over them."""

from pathlib import Path
from typing import Any

import numpy as np

from geoseg.training.settings.job import TrainSettings
from tests.helpers.rasters import write_raster

DARK, BRIGHT = 1, 2  # codes in the label file


def labelled_scene(folder: Path, *, side: int = 48, seed: int = 0) -> Path:
    """scene.tif (two bands, uint8, nodata 0 in the first rows) and labels.tif (1 where dark, 2 where bright, 9 in a corner)."""
    rng = np.random.default_rng(seed)
    bright = np.kron(rng.integers(0, 2, (side // 4, side // 4)), np.ones((4, 4), int)) > 0
    image = np.where(bright, 180, 60)[None] + rng.integers(-9, 10, (2, side, side))
    image[:, :3] = 0
    label = np.where(bright, BRIGHT, DARK)
    label[-2:, -2:] = 9
    write_raster(folder / "scene.tif", image.astype(np.uint8), names=("red", "nir"), nodata=0)
    write_raster(folder / "labels.tif", label[None].astype(np.uint8), nodata=0)
    return folder


def job(folder: Path, **changes: Any) -> TrainSettings:
    """A job that fits a 1 x 1 convolution on the left of :func:`labelled_scene` and holds out the right."""
    values: dict[str, Any] = {
        "name": "tiny", "description": "a test", "licence": "CC0-1.0",
        "scenes": [{"scene": str(folder / "scene.tif"), "labels": str(folder / "labels.tif")}],
        "bands": ("red", "nir"), "recode": {DARK: "water", BRIGHT: "built"},
        "split": {"by": "windows", "windows": [{"cols": (32, 48)}], "buffer": 4},
        "chip_size": 32, "halo": 0, "network": {"architecture": "Conv1x1", "encoder": "none"},
        "samples": {"crop": 16}, "augment": {"gain": 0.0, "offset": 0.0},
        "fit": {"steps": 60, "batch_size": 4, "learning_rate": 0.3, "ema": 0.5},
    }  # fmt: skip
    return TrainSettings.of(**{**values, **changes})
