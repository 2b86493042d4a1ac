"""Baseline: gradient boosting on each pixel and its surroundings, trained and scored on the same split as the network.

What a network gives beyond it is what looking at shapes is worth; one that does not beat it is no better than a table of
pixels. The features are a pixel's bands, their means in 3 x 3 and 7 x 7 pixels, and their standard deviation in 7 x 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.raster.scene import Scene
from geoseg.training.data.labels import index_of
from geoseg.training.sampling.prefetch import prefetch
from geoseg.training.scoring.evaluate import Evaluation
from geoseg.training.scoring.intervals import Method, interval
from geoseg.training.scoring.mapper import Bools, Labelled, Piece, Where, labelled_where
from geoseg.training.scoring.report import JUDGES
from geoseg.training.scoring.scores import every_score, rounded, score_at
from geoseg.training.scoring.tally import paired

Floats = npt.NDArray[np.float64]

PIXELS = 40_000
"""Training pixels, at most."""

REACH = 3
"""Pixels to each side that the features of one look at."""

SIDE = 512


@dataclass(frozen=True, slots=True)
class BoostedMapper:
    """A fitted classifier of pixels that maps scenes; its column ``i`` is the class index ``columns[i]``."""

    classifier: Any
    columns: npt.NDArray[np.int64]
    legend: Legend

    def pieces(self, scene: Labelled, wanted: Where, *, confidence: bool) -> Iterator[Piece]:
        """Windows of the scene that hold a wanted pixel."""
        values = np.array(self.legend.values, np.uint8)
        for window, chosen, features, label in _windows(scene, wanted):
            mask = np.full(window.shape, self.legend.nodata, np.uint8)
            best = np.zeros(window.shape, np.float32)
            if chosen.any():
                found = self.classifier.predict_proba(features[:, chosen].T)
                mask[chosen] = values[self.columns[found.argmax(axis=1)]]
                best[chosen] = found.max(axis=1)
            yield Piece(window, label, mask, chosen, best if confidence else None)


def fit_baseline(
    scenes: Sequence[Labelled],
    legend: Legend,
    *,
    where: Sequence[Where] | None = None,
    seed: int = 0,
    pixels: int = PIXELS,
) -> BoostedMapper:
    """Fit scikit-learn's histogram gradient boosting, untuned, to pixels drawn from where ``where`` allows.

    Parameters
    ----------
    where
        For each scene which pixels may be drawn: the training part of a split; all that are labelled when not given.
    pixels
        At most; each valid labelled pixel is as likely as any other.

    Raises
    ------
    InputRefused
        ``EMPTY``: fewer than two classes are valid, labelled and allowed.
    UsageError
        ``EXTRA``: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        what = "scikit-learn is not installed"
        raise UsageError.of("EXTRA", "baseline", what, 'pip install "geoseg[train]"') from None
    features, index = draw(scenes, legend, where=where, seed=seed, pixels=pixels)
    if len(np.unique(index)) < 2:
        what = f"the training part has labels of {len(np.unique(index))} classes"
        raise InputRefused.of("EMPTY", scenes[0].name if scenes else "labels", what, "Check the labels and the split")
    classifier = HistGradientBoostingClassifier(random_state=seed).fit(features, index)
    return BoostedMapper(classifier, np.asarray(classifier.classes_, np.int64), legend)


def draw(
    scenes: Sequence[Labelled], legend: Legend, *, where: Sequence[Where] | None, seed: int, pixels: int
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Features (n, 4 bands) and class index (n,) of pixels drawn without replacement, in one pass.

    Each pixel gets a random number from its window's own generator, and the smallest numbers are kept: a pixel's fate does
    not depend on what was read before, and memory is that of a window.
    """
    table = index_of(legend)
    numbers, features, index = np.zeros(0), np.zeros((0, 0)), np.zeros(0, np.uint8)
    for i, scene in enumerate(scenes):
        wanted = labelled_where(scene, legend, where[i] if where else None)
        for window, chosen, made, label in _windows(scene, wanted):
            lot = np.random.default_rng([seed, i, window.row, window.col]).random(window.shape)
            if len(numbers) >= pixels:
                chosen = chosen & (lot < numbers.max())
            if not chosen.any():
                continue
            part = made[:, chosen].T
            features = np.concatenate([features, part]) if len(features) else part
            numbers, index = np.concatenate([numbers, lot[chosen]]), np.concatenate([index, table[label[chosen]]])
            if len(numbers) > pixels:
                kept = np.sort(np.argpartition(numbers, pixels)[:pixels])
                numbers, features, index = numbers[kept], features[kept], index[kept]
    return features, index


def features_of(image: npt.NDArray[np.generic], valid: Bools, scene: Scene) -> Floats:
    """Features of the pixels at least :data:`REACH` from the edge of what was read, float64 (4 bands, rows, cols).

    In the scene's units; means and deviations are of the valid pixels in the window around each, and sums run in one fixed
    order, so that they do not depend on where a read begins.
    """
    scale = np.array([band.scale for band in scene.bands])[:, None, None]
    offset = np.array([band.offset for band in scene.bands])[:, None, None]
    values = np.where(valid, image * scale + offset, 0.0)
    there = valid.astype(np.float64)
    centre = values[:, REACH:-REACH, REACH:-REACH]
    near = _sums(values, 1) / np.maximum(_sums(there, 1), 1)
    count = np.maximum(_sums(there, REACH), 1)
    mean = _sums(values, REACH) / count
    deviation = np.sqrt(np.maximum(_sums(values**2, REACH) / count - mean**2, 0))
    made: Floats = np.concatenate([centre, near, mean, deviation])
    return made


def compare(
    network: Evaluation, baseline: Evaluation, *, method: Method = "jackknife", seed: int = 0
) -> dict[str, Any]:
    """Whether a network beats the baseline on the same pixels: JSON with both, and their difference with its interval.

    The difference is computed on the same blocks, so what is hard for both does not widen its interval. ``better``: higher in
    kappa and in macro-F1.
    """
    values = network.legend.values
    rows = paired(network.tally, baseline.tally)
    half = rows.shape[1] // 2

    def score(flat: npt.NDArray[np.int64]) -> Floats:
        return np.stack([every_score(values, flat[..., :half]), every_score(values, flat[..., half:])])

    def difference(flat: npt.NDArray[np.int64]) -> Floats:
        both = score(flat)
        gained: Floats = both[0] - both[1]
        return gained

    sizes = rows[:, : len(values) * (len(values) + 1)].sum(axis=1)
    low, high = interval(rows, sizes, difference, method=method, seed=seed)
    one, other = score(rows.sum(axis=0))
    told: dict[str, Any] = {}
    for name in JUDGES:
        i = score_at(name)
        told[name] = {
            "network": rounded(one[i]),
            "baseline": rounded(other[i]),
            "difference": {"value": rounded(one[i] - other[i]), "low": rounded(low[i]), "high": rounded(high[i])},
        }
    better = all(one[score_at(name)] > other[score_at(name)] for name in JUDGES)
    return {"better": bool(better), **told}


_Read = tuple[Window, Bools, Floats, npt.NDArray[np.uint8]]


def _windows(scene: Labelled, wanted: Where) -> Iterator[_Read]:
    """Windows with a wanted pixel; which pixels are wanted and valid, features, labels."""

    def read(window: Window) -> _Read | None:
        inside = wanted(window)
        if not inside.any():
            return None
        around = window.buffer(REACH, scene.shape)
        image, valid, label = scene.read(around)
        inner = window.within(around).slices
        features = features_of(*_padded(image, valid, window, around), scene.scene)
        return window, inside & valid[inner], features, label[inner]

    rows, cols = scene.shape
    corners = ((row, col) for row in range(0, rows, SIDE) for col in range(0, cols, SIDE))
    squares = (Window(row, col, min(SIDE, rows - row), min(SIDE, cols - col)) for row, col in corners)
    return (found for found in prefetch(read, squares, threads=1, ahead=1) if found is not None)


def _padded(
    image: npt.NDArray[np.generic], valid: Bools, window: Window, around: Window
) -> tuple[npt.NDArray[np.generic], Bools]:
    """Image and valid with REACH pixels on each side of ``window``; beyond the scene they are not valid."""
    inner = window.within(around)
    before = REACH - inner.row, REACH - inner.col
    after = (
        REACH - (around.height - inner.row - inner.height),
        REACH - (around.width - inner.col - inner.width),
    )
    pad = tuple(zip(before, after, strict=True))
    return np.pad(image, ((0, 0), *pad)), np.pad(valid, pad)


def _sums(values: Floats, reach: int) -> Floats:
    """Sums over squares of ``2 reach + 1``, of the pixels REACH from the edge of the last two axes."""
    rows, cols = values.shape[-2] - 2 * REACH, values.shape[-1] - 2 * REACH
    tall = values[..., REACH - reach : REACH - reach + rows, :].copy()
    for dy in range(1 - reach, reach + 1):
        tall += values[..., REACH + dy : REACH + dy + rows, :]
    out = tall[..., REACH - reach : REACH - reach + cols].copy()
    for dx in range(1 - reach, reach + 1):
        out += tall[..., REACH + dx : REACH + dx + cols]
    return out
