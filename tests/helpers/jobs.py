"""Jobs of training over tiny files, for what reads their data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox, Window
from geoseg.training.settings.job import TrainSettings
from tests.helpers.rasters import CORNER, UTM, numbers, write_raster

CLASSES = ({"value": 1, "name": "water"}, {"value": 4, "name": "crop"}, {"value": 5, "name": "built"})


def job(*scenes: dict[str, Any], **changes: Any) -> TrainSettings:
    """A job over scenes; three classes unless it says others."""
    return TrainSettings.of(
        **{"name": "tiny", "bands": ("red", "nir"), "classes": CLASSES, "scenes": scenes, **changes}
    )


def scene_file(path: Path, shape: tuple[int, int] = (40, 60), *, seed: int = 0, **options: Any) -> Path:
    """Two bands of random numbers, red and nir, 10 m pixels in UTM."""
    return write_raster(path, numbers((2, *shape), seed=seed), names=("red", "nir"), **options)


def vector_file(path: Path, shapes: Sequence[Any], words: Sequence[Any], crs: Any = UTM, column: str = "class") -> Path:
    """Features with a column of classes, in map coordinates."""
    frame = geopandas.GeoDataFrame({column: list(words)}, geometry=list(shapes), crs=UTM).to_crs(crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def at(col: float, row: float, res: float = 10.0) -> tuple[float, float]:
    """Map coordinates of a place in pixels."""
    return CORNER[0] + col * res, CORNER[1] - row * res


def whole(geobox: GeoBox) -> Window:
    """All of a grid."""
    return Window(0, 0, *geobox.shape)


def centres(geobox: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Map coordinates of the middles of all pixels, x and y."""
    rows, cols = np.mgrid[: geobox.shape[0], : geobox.shape[1]] + 0.5
    x, y = geobox.affine @ (cols, rows)
    return x, y
