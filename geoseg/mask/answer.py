"""Answer: what is kept of the network's output for a batch, with or without probabilities and the eight symmetries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

SYMMETRIES = tuple((turns, flip) for flip in (False, True) for turns in range(4))
"""The dihedral group D4 as (quarter turns, then flipped left to right)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a batch: class index and percent confidence, uint8 (N, rows, cols); probabilities; which chips are finite."""

    index: Bytes
    confidence: Bytes | None
    probabilities: Floats | None
    finite: Bools


def answer(predictor: Predictor, images: Floats, *, tta: bool, confidence: bool, probabilities: bool) -> Answer:
    """Run the network once, or eight times, on a batch.

    Without ``tta`` the class is the argmax of the logits, on the device where probabilities aren't asked for; with
    it, the argmax of the mean probability.
    """
    if tta:
        means, finite = mean_probabilities(predictor, images, tta=True)
        index, best = argmax_of_stack(np.moveaxis(means, 1, 0))
    elif probabilities:
        logits = predictor.predict(images)
        finite = finite_chips(logits)
        means = softmax(logits)
        index, _ = argmax_of_stack(np.moveaxis(logits, 1, 0))
        best = means.max(axis=1)
    else:
        classified = predictor.classify(images, confidence=confidence)
        return Answer(classified.index, classified.confidence, None, classified.finite)
    return Answer(index, percent(best) if confidence else None, means if probabilities else None, finite)


def mean_probabilities(predictor: Predictor, images: Floats, *, tta: bool) -> tuple[Floats, Bools]:
    """Softmax of the logits, float32 (N, classes, rows, cols), and which chips are finite; ``tta``: mean over D4.

    The symmetries are summed in one fixed order, so the mean has the same bits wherever it is computed.
    """
    total: Floats | None = None
    finite: Bools = np.ones(len(images), dtype=bool)
    for turns, flip in SYMMETRIES if tta else SYMMETRIES[:1]:
        logits = predictor.predict(_transform(images, turns, flip))
        finite &= finite_chips(logits)
        part = _inverse(softmax(logits), turns, flip)
        if total is None:
            total = part
        else:
            total += part
    assert total is not None
    if tta:
        total *= np.float32(1 / len(SYMMETRIES))
    return total, finite


def finite_chips(logits: Floats) -> Bools:
    """Which chips of a batch have finite logits only, bool (N,)."""
    return np.array([bool(np.isfinite(chip).all()) for chip in logits], dtype=bool)


def softmax(logits: Floats) -> Floats:
    """Softmax over axis 1, in a fresh C-contiguous array; non-finite logits give what they give, silently."""
    with np.errstate(all="ignore"):
        out: Floats = np.subtract(logits, logits.max(axis=1, keepdims=True), order="C")
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
    return out


def percent(best: Floats) -> Bytes:
    """Probability 0-1 as whole percent."""
    with np.errstate(invalid="ignore"):
        rounded: Floats = np.rint(best * np.float32(100))
        return rounded.astype(np.uint8)


def argmax_of_stack(stack: Floats) -> tuple[Bytes, Floats]:
    """Argmax and maximum along axis 0, faster there than NumPy's; of equals the lowest index wins."""
    best = np.array(stack[0], order="C")
    index = np.zeros(best.shape, dtype=np.uint8)
    for i in range(1, len(stack)):
        better = stack[i] > best
        np.copyto(index, np.uint8(i), where=better)
        np.copyto(best, stack[i], where=better)
    return index, best


def _transform(images: Floats, turns: int, flip: bool) -> Floats:
    turned = np.rot90(images, turns, axes=(2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if flip else turned)


def _inverse(images: Floats, turns: int, flip: bool) -> Floats:
    return np.ascontiguousarray(np.rot90(images[..., ::-1] if flip else images, -turns, axes=(2, 3)))
