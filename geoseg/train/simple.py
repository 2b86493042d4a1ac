"""Simple: the first trainer, one scene in memory; kept until the parts beside it take over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from geoseg.config import Settings
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.mask.stitch import StitchSettings, predict_block
from geoseg.model.bundle import BandSpec, BundleFacts, NetworkSpec
from geoseg.model.network import build, divisor, load_weights
from geoseg.model.torch_backend import CpuPredictor
from geoseg.raster.admit import admit, open_admitted
from geoseg.raster.align import same_grid
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene
from geoseg.train.confusion import Confusion


class HeldOut(Settings):
    """The area that is kept from training: ``[start, stop)`` in pixels, and the buffer of ignored labels around it."""

    rows: tuple[int, int] | None = Field(None, description="start and stop; None: all rows")
    cols: tuple[int, int] | None = Field(None, description="start and stop; None: all columns")
    buffer: int = Field(32, ge=0, description="pixels around it whose labels are ignored")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.rows is None and self.cols is None:
            raise ValueError("name rows or cols, or nothing is left to train on")
        return self


class NetworkChoice(Settings):
    """The network: an architecture and an encoder of segmentation-models-pytorch, and further arguments of the architecture."""

    architecture: str = "Unet"
    encoder: str = "resnet18"
    params: dict[str, int | float | str | bool | tuple[int, ...]] = Field(default_factory=dict)


class FitSettings(Settings):
    """How the network is fitted. ``gain``, ``offset`` and ``noise`` are in standard deviations of a band, drawn for each crop."""

    steps: int = Field(1000, ge=1)
    batch_size: int = Field(16, ge=1)
    crop: int = Field(64, ge=8, description="side of a training crop, pixels")
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema: float = Field(
        0.99, ge=0, lt=1, description="decay of the moving average of weights that is kept; 0: the last weights"
    )
    gain: float = Field(0.3, ge=0, lt=1, description="bands are multiplied by 1 - gain to 1 + gain, each by its own")
    offset: float = Field(0.3, ge=0, description="added to each band, normal")
    noise: float = Field(0.1, ge=0, description="added to each pixel, normal")
    seed: int = 0
    threads: int = Field(1, ge=1, description="of the fit: the weights depend on it")


class TrainSettings(Settings):
    """A labelled scene, the split, the network and the fit: all that makes a bundle.

    ``scene`` and ``labels`` are relative to the YAML file. ``recode`` maps codes of the label file to class values; other
    codes are ignored. ``classes`` names the values of the legend.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    description: str
    licence: str = "other"
    scene: str
    labels: str
    bands: tuple[str, ...] = Field(min_length=1)
    recode: dict[int, int] = Field(min_length=1)
    held_out: HeldOut
    caveat: str = Field("", description="what the card says beside the scores")
    chip_size: int = Field(256, ge=8)
    halo: int = Field(64, ge=0)
    network: NetworkChoice = NetworkChoice()
    fit: FitSettings = FitSettings()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a job file (YAML 1.2).

        Raises
        ------
        InputRefused
            ``NOT_FOUND``: the file cannot be read. ``YAML``: it is not YAML, or not a table.
        UsageError
            ``SETTING``: an unknown or wrong key.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        path = Path(path)
        try:
            table = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        except OSError as error:
            raise InputRefused.of("NOT_FOUND", path, f"cannot be read: {error.strerror}", "Check the path") from None
        except (YAMLError, UnicodeDecodeError) as error:
            raise InputRefused.of("YAML", path, f"is not YAML: {error}", "Correct the file") from None
        if not isinstance(table, dict):
            raise InputRefused.of("YAML", path, "is not a table of settings", "See samples/north_carolina/train.yaml")
        settings = cls.of(**table)
        beside = {key: str(path.parent / getattr(settings, key)) for key in ("scene", "labels")}
        return settings.model_copy(update=beside)

    def check(self) -> None:
        """Refuse (``SETTING``) sizes that do not go together."""
        if self.chip_size <= 2 * self.halo:
            raise UsageError.of(
                "SETTING", "halo", f"two halos of {self.halo} fill a chip of {self.chip_size}", "Use a smaller one"
            )


Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """A held-out window of a scene of ``shape``; pixels at most ``buffer`` away from it belong to neither part."""

    shape: tuple[int, int]
    held_out: Window
    buffer: int

    @classmethod
    def of(
        cls, shape: tuple[int, int], rows: tuple[int, int] | None, cols: tuple[int, int] | None, *, buffer: int
    ) -> Split:
        """Split by ``[start, stop)`` in rows and columns; None takes all of an axis. ``SPLIT`` when a part is empty."""
        (top, bottom), (left, right) = rows or (0, shape[0]), cols or (0, shape[1])
        inside = 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]
        if not inside:
            what = f"rows {top}-{bottom}, columns {left}-{right} do not lie in a scene of {shape[0]} x {shape[1]}"
            raise UsageError.of("SPLIT", "held_out", what, "Correct the job")
        split = cls(shape, Window(top, left, bottom - top, right - left), buffer)
        if not split.train.any():
            raise UsageError.of(
                "SPLIT", "held_out", "nothing is left to train on", "Hold out less, or use a smaller buffer"
            )
        return split

    @property
    def train(self) -> Bools:
        """(rows, cols), True where labels may be trained on."""
        near = np.zeros(self.shape, bool)
        near[self.held_out.buffer(self.buffer, self.shape).slices] = True
        return ~near

    @property
    def held(self) -> Bools:
        """(rows, cols), True in the held-out window."""
        mask = np.zeros(self.shape, bool)
        mask[self.held_out.slices] = True
        return mask

    def touches(self, row: int, col: int, size: int) -> bool:
        """Whether a square crop at (row, col) sees a pixel of the held-out window."""
        w = self.held_out
        return row < w.row + w.height and w.row < row + size and col < w.col + w.width and w.col < col + size


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


Report = Callable[[int, int, float], None]
"""Called after each step with the number of steps done, of all, and the loss."""


def fit(spec: NetworkSpec, crops: Crops, settings: FitSettings, on_step: Report) -> dict[str, npt.NDArray[np.generic]]:
    """Fit a network from random weights and return its state dict: the moving average of the weights.

    Adam with decoupled weight decay under a one-cycle schedule, cross-entropy with label smoothing. The same seed, data,
    threads and machine give the same weights.
    """
    with _reproducible(settings):
        network = build(spec).to(memory_format=torch.channels_last).train()
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=True)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
        loss_of = nn.CrossEntropyLoss(ignore_index=IGNORE, label_smoothing=settings.label_smoothing)
        for step, (images, index) in zip(range(settings.steps), crops.batches(settings), strict=False):
            logits = network(torch.from_numpy(images).to(memory_format=torch.channels_last))
            loss = loss_of(logits, torch.from_numpy(index))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            on_step(step + 1, settings.steps, loss.item())
        return {name: tensor.detach().contiguous().numpy() for name, tensor in average.module.state_dict().items()}


@contextmanager
def _reproducible(settings: FitSettings) -> Iterator[None]:
    """Seed torch and hold its number of threads, both only inside."""
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(exact)
            torch.set_num_threads(threads)


Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def predict_scene(labelled: Labelled, facts: BundleFacts, weights: Mapping[str, npt.NDArray[np.generic]]) -> Bytes:
    """Class values uint8 (rows, cols) at the bundle's own chip and halo, in fp32; the legend's nodata where invalid."""
    assert facts.network is not None
    network = build(facts.network)
    load_weights(network, dict(weights), facts.name)
    predictor = CpuPredictor(network, classes=facts.network.classes)
    shape = labelled.label.shape
    grid = BlockGrid.sized(
        ChipGrid(shape, facts.chip_size, facts.halo, divisor(facts.network)), max(shape) + facts.chip_size
    )
    norm = Normalization.of(labelled.scene, [band.mean for band in facts.bands], [band.std for band in facts.bands])
    done = predict_block(
        predictor, grid, grid.block(0, 0), labelled.image, labelled.valid,
        normalization=norm, legend=facts.legend, settings=StitchSettings(),
    )  # fmt: skip
    return done.mask


def confusion_in(area: Bools, labelled: Labelled, mask: Bytes, facts: BundleFacts) -> Confusion:
    """Labels against ``mask`` over the valid pixels of ``area``."""
    where = area & labelled.valid
    return Confusion.count(labelled.label[where], mask[where], facts.legend.values)
