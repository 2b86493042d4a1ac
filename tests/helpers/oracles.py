"""Predictors whose answer is known by an equation; they stand where a network would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geoseg.model.predict import Floats, LogitsPredictor


class PixelThresholdPredictor(LogitsPredictor):
    """Class index = how many of ``thresholds`` lie at or below the first band: every pixel for itself, no halo needed."""

    def __init__(self, thresholds: tuple[float, ...] = (-0.5, 0.0, 0.5), *, batch_size: int = 1) -> None:
        super().__init__(classes=len(thresholds) + 1, batch_size=batch_size)
        self.thresholds = thresholds

    def predict(self, images: Floats) -> Floats:
        index = np.digitize(images[:, 0], self.thresholds)
        return one_hot(index, self.classes)


class BoxMeanPredictor(LogitsPredictor):
    """Class index = thresholds below the mean of a box of ``2 * radius + 1`` pixels; beyond the chip are zeros.

    A network with a receptive field of exactly ``radius``. The sum is taken in an order that does not depend on the
    pixel's place, so that equal surroundings give equal bits.
    """

    def __init__(self, radius: int, thresholds: tuple[float, ...] = (-0.1, 0.0, 0.1), *, batch_size: int = 1) -> None:
        super().__init__(classes=len(thresholds) + 1, batch_size=batch_size)
        self.radius = radius
        self.thresholds = thresholds

    def predict(self, images: Floats) -> Floats:
        side = 2 * self.radius + 1
        rows, cols = images.shape[2:]
        padded = np.pad(images[:, 0], ((0, 0), (self.radius, self.radius), (self.radius, self.radius)))
        tall = sum((padded[:, i : i + rows] for i in range(side)), np.zeros_like(padded[:, :rows]))
        total = sum((tall[:, :, i : i + cols] for i in range(side)), np.zeros_like(tall[:, :, :cols]))
        return one_hot(np.digitize(total / side**2, self.thresholds), self.classes)


class StridePredictor(LogitsPredictor):
    """A network of stride 32: equal for shifts by multiples of it and by nothing else, so misaligned reads show.

    Class index from the sum over the pixel's block (blocks count from the chip's corner) and the pixel's place in it.
    """

    def __init__(self, stride: int = 32, classes: int = 5, *, batch_size: int = 1) -> None:
        super().__init__(classes=classes, batch_size=batch_size)
        self.stride = stride

    def predict(self, images: Floats) -> Floats:
        count, _, rows, cols = images.shape
        assert rows % self.stride == 0 and cols % self.stride == 0, "a chip's sides are multiples of the stride"
        shape = (count, rows // self.stride, self.stride, cols // self.stride, self.stride)
        blocks = np.ascontiguousarray(images[:, 0]).reshape(shape).sum(axis=4).sum(axis=2)
        level = np.floor(blocks * 8).astype(np.int64).repeat(self.stride, axis=1).repeat(self.stride, axis=2)
        place = np.arange(rows)[:, None] % self.stride // 8 + np.arange(cols) % self.stride // 8
        return one_hot((level + place) % self.classes, self.classes)


class NanPredictor(LogitsPredictor):
    """Another predictor whose logits have one NaN in the chips that ``is_bad`` names."""

    def __init__(
        self, inner: LogitsPredictor, is_bad: Callable[[Floats], bool] = lambda chip: bool(chip.max() > 5)
    ) -> None:
        super().__init__(classes=inner.classes, batch_size=inner.batch_size)
        self.inner = inner
        self.is_bad = is_bad

    def predict(self, images: Floats) -> Floats:
        logits = self.inner.predict(images)
        for chip, result in zip(images, logits, strict=True):
            if self.is_bad(chip):
                result[-1, result.shape[1] // 2, result.shape[2] // 2] = np.nan
        return logits


def one_hot(index: np.ndarray, classes: int) -> Floats:
    """Logits (N, classes, rows, cols): 4 for the class of ``index`` (N, rows, cols), 0 for the others."""
    return np.float32(4) * (index[:, None] == np.arange(classes)[:, None, None]).astype(np.float32)
