"""Labelled scenes and maps that are arrays, cut into pieces of any size: what evaluation needs, without files and networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.scene import Scene
from geoseg.training.scoring.mapper import Labelled, Piece, Where
from tests.helpers.rasters import CORNER

WKT = {code: CRS.from_epsg(code).to_wkt() for code in (4326, 3857, 32632)}

LEGEND = Legend.of({1: "water", 2: "tree", 5: "built"})


def box(shape: tuple[int, int], res: float = 10.0) -> GeoBox:
    """A grid in UTM, on its central meridian."""
    return GeoBox.of(shape, Affine(res, 0, CORNER[0], 0, -res, CORNER[1]), WKT[32632])


@dataclass(frozen=True, eq=False)
class ArrayLabels:
    """Labels that are an array of class values."""

    values: np.ndarray

    def read(self, window: Window) -> np.ndarray:
        return self.values[window.slices].copy()


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """A labelled scene that is an array; its only band has the class values that a :class:`ArrayMapper` is to give."""

    mask: np.ndarray
    label: np.ndarray
    valid: np.ndarray
    name: str = "scene"
    res: float = 10.0
    best: np.ndarray | None = None
    seen: list[Window] = field(default_factory=list)

    @property
    def scene(self) -> Scene:
        return Scene(self.name, (), box(self.shape, self.res))

    @property
    def shape(self) -> tuple[int, int]:
        return self.label.shape

    @property
    def labels(self) -> ArrayLabels:
        return ArrayLabels(self.label)

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.seen.append(window)
        return self.mask[None, *window.slices], self.valid[window.slices], self.label[window.slices].copy()


@dataclass(frozen=True)
class ArrayMapper:
    """The map that a scene's band already is, in pieces of ``height`` x ``width``."""

    legend: Legend = LEGEND
    height: int = 1024
    width: int = 1024

    def pieces(self, scene: Labelled, wanted: Where, *, confidence: bool) -> Iterator[Piece]:
        assert isinstance(scene, ArrayScene)
        rows, cols = scene.shape
        for row in range(0, rows, self.height):
            for col in range(0, cols, self.width):
                window = Window(row, col, min(self.height, rows - row), min(self.width, cols - col))
                image, valid, label = scene.read(window)
                best = None
                if confidence:
                    best = np.ones(window.shape, np.float32) if scene.best is None else scene.best[window.slices]
                yield Piece(window, label, image[0], wanted(window) & valid, best)


def random_scene(shape: tuple[int, int], seed: int = 0, *, right: float = 0.7, name: str = "scene") -> ArrayScene:
    """Blotchy labels with gaps (0), and a map that is right for ``right`` of the pixels and not mapped here and there."""
    rng = np.random.default_rng([seed, *shape])
    coarse = rng.choice(np.array([0, 1, 2, 2, 5], np.uint8), (shape[0] // 4 + 1, shape[1] // 4 + 1))
    label = np.kron(coarse, np.ones((4, 4), np.uint8))[: shape[0], : shape[1]]
    other = rng.choice(np.array([0, 1, 2, 5], np.uint8), shape)
    mask = np.where((rng.random(shape) < right) & (label > 0), label, other)
    return ArrayScene(mask, label, rng.random(shape) < 0.9, name=name, best=rng.random(shape, np.float32))
