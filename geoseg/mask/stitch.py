"""Stitch: predict the chips of a block and lay their cores side by side into one mask.

Every mask pixel comes from the chip whose core holds it (``blend="none"``), or from the weighted mean of all chips that
see it, summed in one global order. So the mask does not depend on how the scene was cut into blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError, GeosegError, InputRefused, ResourceError
from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.mask.answer import Answer, answer, mean_probabilities, percent
from geoseg.mask.blend import Blend, taper
from geoseg.mask.lanes import Lanes
from geoseg.mask.readings import Batches, Pixels, Reading, readings_of

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor
    from geoseg.raster.normalize import Normalization

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StitchSettings:
    """How chips become a mask.

    ``blend``: ``"none"`` crops cores; else the shape of the weights of overlapping chips. ``tta``: mean over the eight
    symmetries of a chip. ``confidence``, ``probabilities``: what is wanted beside the mask. ``on_bad``: whether a chip
    with non-finite logits stops the run, or is left out, so that what no other chip sees becomes nodata.
    """

    blend: Literal["none", "hann", "linear"] = "none"
    tta: bool = False
    confidence: bool = False
    probabilities: bool = False
    on_bad: Literal["stop", "nodata"] = "stop"


@dataclass(slots=True)
class BlockMask:
    """The predicted pixels of a block's core.

    ``mask``: class values, uint8 (rows, cols); nodata where the scene is invalid. ``confidence``: largest probability
    in percent, uint8, 0 where nodata. ``probabilities``: float32 (classes, rows, cols), 0 where nodata. ``chips`` were
    run through the network (of those that read the same pixels only one), ``skipped`` had no valid pixel to predict,
    ``bad`` had non-finite logits and are named.
    """

    mask: Bytes
    confidence: Bytes | None
    probabilities: Floats | None
    chips: int
    skipped: int
    bad: tuple[str, ...]


def window_of(grid: BlockGrid, block: Block, settings: StitchSettings) -> Window:
    """The window of the scene that must be read to predict ``block``; blending also needs what its neighbours see."""
    chips = list(grid.chips_of(block) if settings.blend == "none" else grid.chips_over(block))
    return grid.read_of([chips[0], chips[-1]])


def predict_block(  # noqa: PLR0913 - what a block is made of
    predictor: Predictor,
    grid: BlockGrid,
    block: Block,
    image: npt.NDArray[np.generic],
    valid: Bools,
    *,
    normalization: Normalization,
    legend: Legend,
    settings: StitchSettings,
    lanes: Lanes | None = None,
    wanted: Bools | None = None,
) -> BlockMask:
    """Predict one block.

    Beside the image and the result it holds for each lane one batch in float32 and the network's answer to it;
    blending adds what :class:`~geoseg.mask.blend.Blend` says.

    Parameters
    ----------
    image, valid
        (bands, rows, cols) in file values, and bool (rows, cols): the pixels of ``window_of(grid, block, settings)``.
    wanted
        Bool, as ``valid``: False where the mask is to be nodata although the network may look at the pixel.
    lanes
        Threads for the chips, shared by the blocks that are at work; the predictor's own when not given.

    Raises
    ------
    InputRefused, ResourceError
        ``NONFINITE``, naming the chip: its logits hold NaN or infinity, because its pixels do, or although they don't.
    BundleError
        ``CLASSES``: the network's number of classes is not the legend's.
    """
    _check_classes(predictor, legend)
    pixels = Pixels(image, valid, window_of(grid, block, settings), wanted)
    batches = Batches.sized(pixels, normalization, predictor.batch_size, grid.chips.input_of(grid.chips.chip_size))
    canvas = _Canvas.blank(block.core, legend, settings)
    run = _Run(predictor, lanes or Lanes.of(predictor), batches, canvas)
    if settings.blend == "none":
        return _crop(run, readings_of(grid.chips_of(block)))
    weights = taper(grid.chips.chip_size, grid.chips.halo, settings.blend)
    blend = Blend(block.core, predictor.classes, weights)
    return _blend(run, readings_of(grid.chips_over(block)), blend)


@dataclass(frozen=True, slots=True)
class _Run:
    """What the chips of a block share."""

    predictor: Predictor
    lanes: Lanes
    batches: Batches
    canvas: _Canvas


def _crop(run: _Run, readings: list[Reading]) -> BlockMask:
    canvas, pixels, settings = run.canvas, run.batches.pixels, run.canvas.settings
    wanted = [r for r in readings if any(pixels.wanted_in(core).any() for core in r.cores)]
    layers = {"confidence": settings.confidence, "probabilities": settings.probabilities}

    def lay(part: Sequence[Reading]) -> list[str]:
        with run.batches.images(part) as images:
            found = answer(run.predictor, images, tta=settings.tta, **layers)
            bad = canvas.bad_of(part, found.finite, images)
        for n, reading in enumerate(part):
            if found.finite[n]:
                for core in reading.cores:
                    canvas.lay(found, n, core.within(reading.read), core, pixels.wanted_in(core))
        return bad

    for bad in run.lanes.map(lay, run.batches.parts(wanted)):
        canvas.bad += bad
    return canvas.done(len(wanted), len(readings) - len(wanted))


def _blend(run: _Run, readings: list[Reading], blend: Blend) -> BlockMask:
    canvas, pixels, settings = run.canvas, run.batches.pixels, run.canvas.settings
    wanted = [r for r in readings if pixels.wanted_in(r.read.intersect(canvas.core)).any()]

    def predict(part: Sequence[Reading]) -> tuple[Sequence[Reading], Floats, Bools, list[str]]:
        with run.batches.images(part) as images:
            means, finite = mean_probabilities(run.predictor, images, tta=settings.tta)
            return part, means, finite, canvas.bad_of(part, finite, images)

    parts = run.batches.parts(wanted)
    for part, means, finite, bad in run.lanes.map(predict, parts, ahead=run.lanes.count):
        canvas.bad += bad
        for n, reading in enumerate(part):
            if finite[n]:
                _lay_finished(blend, reading.read.row, canvas, pixels)
                blend.add(reading.read, means[n])
    _lay_finished(blend, canvas.core.row + canvas.core.height, canvas, pixels)
    return canvas.done(len(wanted), len(readings) - len(wanted))


def _lay_finished(blend: Blend, row: int, canvas: _Canvas, pixels: Pixels) -> None:
    for strip in blend.finish(row):
        found = Answer(strip.index[None], percent(strip.best)[None], strip.means[None], np.ones(1, bool))
        inner = strip.window.within(strip.window)
        canvas.lay(found, 0, inner, strip.window, pixels.wanted_in(strip.window) & strip.seen)


@dataclass(slots=True)
class _Canvas:
    """The block's arrays while they fill up."""

    core: Window
    settings: StitchSettings
    values: Bytes
    mask: Bytes
    confidence: Bytes | None
    probabilities: Floats | None
    bad: list[str] = field(default_factory=list)

    @classmethod
    def blank(cls, core: Window, legend: Legend, settings: StitchSettings) -> _Canvas:
        values = np.array(legend.values, dtype=np.uint8)
        mask = np.full(core.shape, legend.nodata, np.uint8)
        confidence = np.zeros(core.shape, np.uint8) if settings.confidence else None
        probabilities = np.zeros((len(values), *core.shape), np.float32) if settings.probabilities else None
        return cls(core, settings, values, mask, confidence, probabilities)

    def bad_of(self, part: Sequence[Reading], finite: Bools, images: Floats) -> list[str]:
        """Names of the readings of a batch whose answer is not finite; refused unless they may be left out."""
        bad = [n for n in range(len(part)) if not finite[n]]
        if bad and self.settings.on_bad == "stop":
            raise _nonfinite(part[bad[0]], images[bad[0]])
        return [part[n].name for n in bad]

    def lay(self, found: Answer, n: int, inner: Window, window: Window, keep: Bools) -> None:
        """Write the pixels ``inner`` of answer ``n`` to ``window`` of the scene where ``keep``."""
        rows, cols = inner.slices
        out = window.within(self.core).slices
        values = np.take(self.values, found.index[n, rows, cols], mode="clip")  # twice as fast as indexing
        np.copyto(self.mask[out], values, where=keep)
        if self.confidence is not None and found.confidence is not None:
            np.copyto(self.confidence[out], found.confidence[n, rows, cols], where=keep)
        if self.probabilities is not None and found.probabilities is not None:
            np.copyto(self.probabilities[:, *out], found.probabilities[n, :, rows, cols], where=keep)

    def done(self, chips: int, skipped: int) -> BlockMask:
        return BlockMask(self.mask, self.confidence, self.probabilities, chips, skipped, tuple(self.bad))


def _check_classes(predictor: Predictor, legend: Legend) -> None:
    if predictor.classes != len(legend.classes):
        what = f"the network has {predictor.classes} classes, the legend {len(legend.classes)}"
        raise BundleError.of("CLASSES", "legend", what, "Use the bundle's own legend")


def _nonfinite(reading: Reading, image: Floats) -> GeosegError:
    remedy = "--on-bad-block nodata leaves such chips out"
    if not np.isfinite(image).all():
        what, remedy = "valid pixels are not finite once normalized", f"Check the scene's nodata and scale; {remedy}"
        return InputRefused.of("NONFINITE", reading.name, what, remedy)
    what, remedy = "the network's answer is not finite", f"Try --precision fp32; {remedy}"
    return ResourceError.of("NONFINITE", reading.name, what, remedy)
