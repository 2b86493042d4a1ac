"""Stitch: predict the chips of a block and lay their cores side by side into one mask.

Every mask pixel has one source: the chip whose core holds it (``blend="none"``), or the weighted mean of all chips that
see it, summed in one global order. So the mask does not depend on how the scene was cut into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from geoseg.errors import BundleError, InputRefused, ResourceError
from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.geobox import Window
from geoseg.legend import Legend

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor
    from geoseg.raster.normalize import Normalization

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class StitchSettings:
    """How chips become a mask.

    ``blend`` is ``"none"`` (cores are cropped) or the shape of the weights of overlapping chips; ``tta`` averages
    the eight symmetries of a chip; ``confidence`` and ``probabilities`` ask for these outputs; ``on_bad`` says
    whether a chip with non-finite logits stops the run or becomes nodata.
    """

    blend: Literal["none", "hann", "linear"] = "none"
    tta: bool = False
    confidence: bool = False
    probabilities: bool = False
    on_bad: Literal["stop", "nodata"] = "stop"


@dataclass
class BlockMask:
    """The predicted pixels of one block's core.

    ``mask`` is uint8 (rows, cols) of class values, nodata where the scene is invalid; ``confidence`` uint8 0-100, 0
    where nodata; ``probabilities`` float32 (classes, rows, cols), 0 where nodata. ``chips`` were run through the
    network, ``skipped`` had nothing to predict, ``bad`` names those with non-finite logits.
    """

    mask: Array
    confidence: Array | None
    probabilities: Array | None
    chips: int
    skipped: int
    bad: tuple[str, ...]


class Reading(NamedTuple):
    """One run of the network: the window it reads and the cores that are kept of it."""

    read: Window
    cores: list[Window]

    @property
    def name(self) -> str:
        """Where the chip is, for messages."""
        return f"chip at row {self.read.row}, column {self.read.col}"


@dataclass
class Batches:
    """Cuts readings out of a block's image, normalizes them and hands them on in batches of fixed size.

    The one float32 buffer of (batch_size, bands, chip_size, chip_size) is used again for every batch.
    """

    image: Array
    valid: Array
    outer: Window
    normalization: Normalization
    batch_size: int
    chip_size: int
    _buffer: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the buffer once."""
        shape = (self.batch_size, self.image.shape[0], self.chip_size, self.chip_size)
        self._buffer = np.zeros(shape, dtype=np.float32)

    def of(self, readings: list[Reading]) -> Iterator[tuple[list[Reading], Array]]:
        """Readings of a batch with their images, float32 (batch_size, bands, chip_size, chip_size); the rest is 0."""
        for start in range(0, len(readings), self.batch_size):
            part = readings[start : start + self.batch_size]
            for place, reading in zip(self._buffer, part, strict=False):
                self._fill(place, reading.read)
            self._buffer[len(part) :] = 0.0
            yield part, self._buffer

    def _fill(self, place: Array, read: Window) -> None:
        rows, cols = read.within(self.outer).slices
        height, width = read.shape
        if read.shape != place.shape[1:]:
            place[:] = 0.0
        _normalize(self.image[:, rows, cols], self.valid[rows, cols], self.normalization, place[:, :height, :width])


def window_of(grid: BlockGrid, block: Block, settings: StitchSettings) -> Window:
    """The window of the scene that must be read to predict ``block``."""
    chips = list(grid.chips_of(block) if settings.blend == "none" else grid.chips_over(block))
    return grid.read_of(chips)


def predict_block(  # noqa: PLR0913
    predictor: Predictor,
    grid: BlockGrid,
    block: Block,
    image: Array,
    valid: Array,
    *,
    normalization: Normalization,
    legend: Legend,
    settings: StitchSettings,
) -> BlockMask:
    """Predict one block.

    Parameters
    ----------
    image, valid
        (bands, rows, cols) in file values and bool (rows, cols); they cover ``window_of(grid, block, settings)``.

    Raises
    ------
    InputRefused, ResourceError
        ``NONFINITE``: a chip's logits hold NaN or infinity, because its normalized pixels do, or although they don't.
    BundleError
        The network's number of classes is not the legend's.
    """
    if predictor.classes != len(legend.classes):
        what = f"the network has {predictor.classes} classes, the legend {len(legend.classes)}"
        raise BundleError.of("CLASSES", "legend", what, "Use the bundle's own legend")
    outer = window_of(grid, block, settings)
    readings = [Reading(c.read, [c.core]) for c in grid.chips_of(block)]
    wanted = [r for r in readings if _any_valid(valid, r, outer)]
    batches = Batches(image, valid, outer, normalization, predictor.batch_size, grid.chips.chip_size)
    lut = np.array(legend.values, dtype=np.uint8)
    mask = np.full(block.core.shape, legend.nodata, dtype=np.uint8)
    confidence = np.zeros(block.core.shape, dtype=np.uint8) if settings.confidence else None
    bad: list[str] = []
    for part, images in batches.of(wanted):
        classified = predictor.classify(images, confidence=settings.confidence)
        for n, reading in enumerate(part):
            if not classified.finite[n]:
                bad.append(_refuse(reading, images[n], settings))
                continue
            for core in reading.cores:
                inner = core.within(reading.read).slices
                keep = valid[core.within(outer).slices]
                out = core.within(block.core).slices
                np.copyto(mask[out], lut[classified.index[n][inner]], where=keep)
                if confidence is not None and classified.confidence is not None:
                    np.copyto(confidence[out], classified.confidence[n][inner], where=keep)
    return BlockMask(mask, confidence, None, len(wanted), len(readings) - len(wanted), tuple(bad))


def _any_valid(valid: Array, reading: Reading, outer: Window) -> bool:
    return any(bool(valid[core.within(outer).slices].any()) for core in reading.cores)


def _refuse(reading: Reading, image: Array, settings: StitchSettings) -> str:
    """Raise for a chip with non-finite logits, or return its name where such chips become nodata."""
    if settings.on_bad == "nodata":
        return reading.name
    remedy = "Use --precision fp32, or --on-bad-block nodata to leave such chips out"
    if not np.isfinite(image).all():
        raise InputRefused.of("NONFINITE", reading.name, "the scene has non-finite values that are not nodata", remedy)
    raise ResourceError.of("NONFINITE", reading.name, "the network's answer is not finite", remedy)


def _normalize(image: Array, valid: Array, norm: Normalization, out: Array) -> None:
    for band, gain, bias, place in zip(image, norm.gain, norm.bias, out, strict=True):
        np.multiply(band, np.float32(gain), out=place, casting="unsafe")
        place += np.float32(bias)
    out[:, ~valid] = 0.0
