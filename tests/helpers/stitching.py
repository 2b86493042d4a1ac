"""Predictors with a known reach, and the whole scene predicted in one piece: what stitched blocks must equal."""

from __future__ import annotations

import random

import numpy as np

from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.legend import Legend
from geoseg.mask.stitch import BlockMask, StitchSettings, predict_block, window_of
from geoseg.model.predict import LogitsPredictor
from geoseg.raster.normalize import Normalization

LEGEND = Legend.of({3: "low", 7: "middle", 9: "high"})
CROP = StitchSettings()
UNCHANGED = Normalization((1.0,), (0.0,))


def three_classes(total):
    """Logits (N, 3, rows, cols) that change with every change of ``total``, whole numbers."""
    with np.errstate(invalid="ignore"):
        phase = total % 7
    return np.stack([phase, np.full_like(phase, 3.25), 6 - phase], axis=1).astype(np.float32)


class BoxSum(LogitsPredictor):
    """Class by the sum over (2 * radius + 1) squared pixels, zeros outside the chip; whole numbers, so exact."""

    def __init__(self, radius: int, batch_size: int = 2) -> None:
        super().__init__(classes=3, batch_size=batch_size)
        self.radius = radius
        self.calls = 0

    def predict(self, images):
        assert len(images) == self.batch_size
        self.calls += 1
        r = self.radius
        padded = np.pad(images[:, 0], ((0, 0), (r, r), (r, r)))
        total = np.lib.stride_tricks.sliding_window_view(padded, (2 * r + 1, 2 * r + 1), axis=(1, 2)).sum(axis=(3, 4))
        return three_classes(total)


class Strided(LogitsPredictor):
    """Class by the sum over cells of ``stride`` squared pixels from the chip's corner on: wrong where misaligned."""

    def __init__(self, stride: int, batch_size: int = 2) -> None:
        super().__init__(classes=3, batch_size=batch_size)
        self.stride = stride

    def predict(self, images):
        n, _, rows, cols = images.shape
        s = self.stride
        cells = images[:, 0].reshape(n, rows // s, s, cols // s, s).sum(axis=(2, 4))
        return three_classes(cells.repeat(s, 1).repeat(s, 2))


def a_scene(shape, seed=0, holes=0.1):
    """Whole numbers 0-8 as uint16 (1, rows, cols), and valid with ``holes`` of the pixels False, in patches too."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 9, (1, *shape), dtype=np.uint16)
    valid = rng.random(shape) >= holes
    if holes:
        valid[: shape[0] // 3, : shape[1] // 3] = False
    return image, valid


def stitched(predictor, chips, image, valid, *, block_size=10**6, settings=CROP, order=None, **more) -> BlockMask:
    """Predict every block, in any ``order`` (a seed), and lay the blocks together."""
    grid = BlockGrid.sized(chips, block_size)
    blocks = list(grid)
    if order is not None:
        random.Random(order).shuffle(blocks)
    shape = chips.shape
    mask = np.full(shape, 111, np.uint8)
    confidence = np.full(shape, 111, np.uint8)
    probabilities = np.full((predictor.classes, *shape), np.nan, np.float32)
    ran, skipped, bad = 0, 0, set()
    for block in blocks:
        outer = window_of(grid, block, settings).slices
        settled = {"normalization": UNCHANGED, "legend": LEGEND, "settings": settings} | more
        part = predict_block(predictor, grid, block, image[:, *outer], valid[outer], **settled)
        mask[block.core.slices] = part.mask
        if part.confidence is not None:
            confidence[block.core.slices] = part.confidence
        if part.probabilities is not None:
            probabilities[:, *block.core.slices] = part.probabilities
        ran, skipped, bad = ran + part.chips, skipped + part.skipped, bad | set(part.bad)
    return BlockMask(mask, confidence, probabilities, ran, skipped, tuple(sorted(bad)))


def whole(predictor, image, valid, align=8):
    """The mask of the whole scene in one chip."""
    side = -(-max(image.shape[1:]) // align) * align
    return stitched(predictor, ChipGrid(image.shape[1:], side, 0, align), image, valid).mask
