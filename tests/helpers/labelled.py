"""Labelled scenes of arrays: what training reads, without files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.band import Band
from geoseg.raster.scene import Scene
from tests.helpers.rasters import CORNER, UTM

WKT = CRS.from_string(UTM).to_wkt()
LEGEND = Legend.of({1: "water", 4: "crop", 5: "built"})


@dataclass(frozen=True)
class ArrayLabels:
    """Labels of an array, with the windows that were read."""

    label: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    read_windows: list[Window] = field(default_factory=list)

    def read(self, window: Window) -> NDArray[np.uint8]:
        self.read_windows.append(window)
        return self.label[window.slices].copy()


@dataclass(frozen=True)
class ArrayScene:
    """A labelled scene of arrays; stands in for :class:`geoseg.training.data.labelled.LabelledScene`."""

    name: str
    scene: Scene
    labels: Any
    image: NDArray[Any]
    valid: NDArray[np.bool_]
    legend: Legend = LEGEND
    part: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.scene.geobox.shape

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        label = self.labels.read(window)
        return self.image[:, *window.slices].copy(), self.valid[window.slices].copy(), label


def scene_of(shape: tuple[int, int], bands: int, *, corner: tuple[float, float] = CORNER, res: float = 10.0) -> Scene:
    """A scene's description: as many uint16 bands, north up in UTM."""
    own = tuple(Band(f"b{i}", "none", i + 1, "GTiff", "uint16") for i in range(bands))
    return Scene("fake", own, GeoBox(shape, (res, 0.0, corner[0], 0.0, -res, corner[1]), WKT))


def array_scene(
    label: NDArray[np.uint8],
    *,
    name: str = "fake",
    image: NDArray[Any] | None = None,
    valid: NDArray[np.bool_] | None = None,
    part: str | None = None,
    **grid: Any,
) -> ArrayScene:
    """A labelled scene; without ``image`` its two bands hold each pixel's number, low and high part."""
    number = np.arange(label.size).reshape(label.shape)
    image = np.stack([number % 1000 + 1, number // 1000 + 1]).astype(np.uint16) if image is None else image
    valid = np.ones(label.shape, bool) if valid is None else valid
    labels = ArrayLabels(label.astype(np.uint8))
    return ArrayScene(name, scene_of(label.shape, len(image), **grid), labels, image, valid, part=part)


def patchy(shape: tuple[int, int], *, seed: int = 0, patch: int = 8, unlabelled: float = 0.1) -> NDArray[np.uint8]:
    """Class values in patches; crops and built are rarer than water."""
    rng = np.random.default_rng(seed)
    down, across = -(-shape[0] // patch), -(-shape[1] // patch)
    left = 1 - unlabelled
    shares = [unlabelled, left * 0.7, left * 0.2, left * 0.1]
    drawn = rng.choice([0, 1, 4, 5], size=(down, across), p=shares)
    return np.kron(drawn, np.ones((patch, patch), int))[: shape[0], : shape[1]].astype(np.uint8)
