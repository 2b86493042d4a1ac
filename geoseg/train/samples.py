"""Samples: a labelled scene in memory, and random crops of it, turned and disturbed.

The whole scene is held as float32: right for a sample, too much for a large scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.model.bundle import BandSpec
from geoseg.raster.admit import admit, open_admitted
from geoseg.raster.align import same_grid
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene
from geoseg.train.settings import FitSettings
from geoseg.train.split import Split

IGNORE = 255
"""Class index of pixels that have no label, or none to train on."""

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A scene with its labels: raw pixels (bands, rows, cols), ``valid`` and ``label`` (rows, cols), class values, 0 = none."""

    scene: Scene
    image: npt.NDArray[np.generic]
    valid: Bools
    label: Bytes

    @classmethod
    def read(cls, scene: Scene, labels: str, recode: Mapping[int, int]) -> Labelled:
        """Read both; codes that ``recode`` does not name become 0. ``GRID``: the label file is not on the scene's grid."""
        image, valid = read_window(scene, Window(0, 0, *scene.geobox.shape))
        return cls(scene, image, valid, read_labels(labels, scene, recode))

    def statistics(self, where: Bools) -> tuple[BandSpec, ...]:
        """Mean and standard deviation of each band over the valid pixels of ``where``, in the scene's units."""
        pixels = self.image[:, where & self.valid].astype(np.float64)
        if not pixels.shape[1]:
            raise InputRefused.of("EMPTY", self.scene.name, "no valid pixel in the training area", "Correct the split")
        return tuple(
            BandSpec(
                band.name,
                float(values.mean() * band.scale + band.offset),
                float(max(values.std() * abs(band.scale), 1e-6)),
            )
            for band, values in zip(self.scene.bands, pixels, strict=True)
        )

    def normalized(self, bands: Sequence[BandSpec]) -> Floats:
        """The image as the network sees it, float32 (bands, rows, cols), 0 where invalid."""
        norm = Normalization.of(self.scene, [band.mean for band in bands], [band.std for band in bands])
        return normalize(self.image, self.valid, norm)


def read_labels(path: str, scene: Scene, recode: Mapping[int, int]) -> Bytes:
    """Class values (rows, cols) from a raster of integer codes on the scene's grid; 0 where there is no label."""
    file = admit(path, palette_ok=True)
    if not same_grid(scene.geobox, file.geobox):
        raise InputRefused.of(
            "GRID", path, f"is not on the grid of {scene.name}", "Warp the labels onto the scene, nearest neighbour"
        )
    if np.dtype(file.dtypes[0]).kind not in "iu":
        raise InputRefused.of(
            "DTYPE", path, f"labels are {file.dtypes[0]}, not integers", "Store class codes as integers"
        )
    with open_admitted(path, file.driver) as dataset:
        codes = dataset.read(1)
        there = dataset.read_masks(1) > 0
    label = np.zeros(codes.shape, np.uint8)
    for code, value in recode.items():
        label[(codes == code) & there] = value
    return label


@dataclass(frozen=True, slots=True)
class Crops:
    """Where crops may be taken from, and what they hold: image float32 (bands, rows, cols), index uint8 (rows, cols)."""

    image: Floats
    index: Bytes
    origins: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labelled: Labelled, image: Floats, legend: Legend, *, split: Split, size: int) -> Crops:
        """Crops of ``size`` that see no held-out pixel and are labelled for at least a quarter; ``EMPTY`` if there is none."""
        index = np.full(labelled.label.shape, IGNORE, np.uint8)
        for i, value in enumerate(legend.values):
            index[(labelled.label == value) & labelled.valid & split.train] = i
        known = _sums(index != IGNORE, size)
        free = [
            (row, col) for row in range(known.shape[0]) for col in range(known.shape[1])
            if known[row, col] * 4 >= size * size and not split.touches(row, col, size)
        ]  # fmt: skip
        if not free:
            raise InputRefused.of(
                "EMPTY", labelled.scene.name, f"no crop of {size} pixels is labelled", "Use a smaller crop"
            )
        return cls(image, index, np.array(free))

    def batches(self, fit: FitSettings) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
        """Endless batches: images (N, bands, crop, crop) and class indices int64 (N, crop, crop); the same for one seed."""
        rng = np.random.default_rng(fit.seed)
        while True:
            picks = self.origins[rng.integers(len(self.origins), size=fit.batch_size)]
            pairs = [self._one(rng, int(row), int(col), fit) for row, col in picks]
            yield np.stack([image for image, _ in pairs]), np.stack([index for _, index in pairs]).astype(np.int64)

    def _one(self, rng: np.random.Generator, row: int, col: int, fit: FitSettings) -> tuple[Floats, Bytes]:
        where = slice(row, row + fit.crop), slice(col, col + fit.crop)
        image, index = self.image[:, *where], self.index[where]
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        image, index = np.rot90(image, turns, (1, 2)), np.rot90(index, turns)
        if flip:
            image, index = image[:, :, ::-1], index[:, ::-1]
        return disturbed(image, rng, fit), index


def disturbed(image: Floats, rng: np.random.Generator, fit: FitSettings) -> Floats:
    """Multiply and shift each band by its own amount and add noise; nodata (0 in every band) stays 0."""
    bands = (len(image), 1, 1)
    gain = rng.uniform(1 - fit.gain, 1 + fit.gain, bands).astype(np.float32)
    offset = rng.standard_normal(bands, np.float32) * np.float32(fit.offset)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(fit.noise)
    changed: Floats = image * gain + offset + noise
    return np.where((image != 0).any(axis=0), changed, np.float32(0))


def _sums(known: Bools, size: int) -> npt.NDArray[np.int64]:
    """Number of True pixels in the square of ``size`` at each origin where it lies inside; no origin where none does."""
    table = np.pad(known.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    sums: npt.NDArray[np.int64] = (
        table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]
    )
    return sums
