"""Samples: batches of crops, drawn on the fly from labelled scenes: by class, by what is hard, from anywhere.

A batch follows from the seed, its step and what was learned, and from nothing else: not from threads, nor from what was
drawn before. So a training that goes on from a checkpoint sees what it would have seen.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import Conflict, InputRefused
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.raster.normalize import Normalization, normalize
from geoseg.training.data.labels import IGNORE
from geoseg.training.sampling.centres import Centres
from geoseg.training.sampling.hardness import PERIOD, Hardness
from geoseg.training.sampling.prefetch import prefetch
from geoseg.training.sampling.sources import CropRule, Held, Source, Streamed, bytes_of
from geoseg.training.settings.fit import SampleSettings

if TYPE_CHECKING:
    from geoseg.model.card import BandSpec
    from geoseg.training.augment.augmenter import Augmenter
    from geoseg.training.data.labelled import LabelledScene
    from geoseg.training.splits.split import Split

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Index = npt.NDArray[np.integer[Any]]

_STRIP = 1024
_CROP, _MIX = 0, 1
"""What a generator is for, in its seed."""


@dataclass(slots=True)
class Batch:
    """What the network is shown in one step.

    Attributes
    ----------
    images
        float32 (N, bands, crop, crop), normalized and augmented, 0 where invalid.
    index
        int64 (N, crop, crop), class indices, ``IGNORE`` where there is nothing to learn.
    cells
        int64 (N,), which cell each crop's centre lies in, for :meth:`Samples.learned`.
    """

    images: Floats
    index: Ints
    cells: Ints


class Samples:
    """Batches of a split's training part; made by :func:`make_samples`."""

    def __init__(  # noqa: PLR0913 - what make_samples put together
        self,
        sources: Sequence[Source],
        norms: Sequence[Normalization],
        centres: Centres,
        *,
        settings: SampleSettings,
        augment: Augmenter | None,
        batch_size: int,
        seed: int,
        first: int = 0,
    ) -> None:
        """``first``: number of the first crop of a batch, where several processes share one."""
        self._sources, self._norms, self._centres = sources, norms, centres
        self._settings, self._augment = settings, augment
        self._size, self._seed, self._first = batch_size, seed, first
        self._by_class = np.cumsum(centres.counts, axis=0)
        self._all = np.cumsum(centres.counts.sum(axis=1))
        self._classes = np.flatnonzero(self._by_class[-1])
        self._hardness = Hardness(centres.counts.sum(axis=1))

    @property
    def counts(self) -> Ints:
        """Pixels at which a crop may be centred, by class: int64 (classes,)."""
        return np.asarray(self._by_class[-1])

    @property
    def augment(self) -> Augmenter | None:
        """What is done to crops."""
        return self._augment

    def redrawn(self, times: int) -> Samples:
        """The same crops, augmented as if drawn ``times`` times anew: for a look at what is drawn."""
        other = copy.copy(self)
        other._augment = None if self._augment is None else dataclasses.replace(self._augment, redraw=times)
        return other

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        crops = [self._crop(step, self._first + i) for i in range(self._size)]
        images = np.stack([image for image, _, _, _ in crops])
        index: Index = np.stack([index for _, _, index, _ in crops])
        if self._augment is not None:
            valid = np.stack([valid for _, valid, _, _ in crops])
            rng = np.random.default_rng([self._seed, step, self._first, _MIX])
            images, _, index = self._augment.mix(rng, images, valid, index)
        return Batch(images, index.astype(np.int64), np.array([cell for _, _, _, cell in crops], np.int64))

    def batches(self, start: int, stop: int, *, threads: int | None = None) -> Iterator[Batch]:
        """Batches of steps ``start`` to ``stop - 1``, in order, made ahead by threads that end with the iterator."""
        count = threads or max(1, min(_THREADS, len(os.sched_getaffinity(0)) // 2))
        return prefetch(self.batch, range(start, stop), threads=count, ahead=min(2 * count, PERIOD // 2))

    @property
    def learns(self) -> bool:
        """Whether crops are drawn by how hard they are."""
        return self._settings.hard > 0

    def learned(self, cells: Ints, losses: npt.NDArray[np.floating]) -> None:
        """Take the loss of each crop of a batch, for hard examples; once for each batch, in order."""
        self._hardness.learn(cells, losses)

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """What was learned of hard examples, for a checkpoint."""
        return self._hardness.state()

    def restore(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a checkpoint; ``CHECKPOINT`` when it is of other samples."""
        self._hardness.restore(state)

    def _crop(self, step: int, item: int) -> tuple[Floats, Bools, Index, int]:
        """Image, valid, index and the cell of one crop."""
        rng = np.random.default_rng([self._seed, step, item, _CROP])
        cell, of_class, number = self._draw(step, rng)
        source = self._sources[self._centres.scene[cell]]
        window = self._centres.window(cell, source.shape)
        found = source.centres(window)
        chosen = np.flatnonzero(found != IGNORE if of_class is None else found == of_class)
        if number >= len(chosen):
            raise Conflict.of("CHANGED", "labels", "have changed since the training began", "Start again")
        row, col = divmod(int(chosen[number]), window.width)
        draw = None if self._augment is None else self._augment.draw(rng)
        side = self._settings.crop if draw is None else draw.side
        norm = self._norms[self._centres.scene[cell]]
        index: Index
        image, valid, index = self._square(source, (window.row + row, window.col + col), side, norm)
        if self._augment is not None and draw is not None:
            image, valid, index = self._augment.apply(draw, image, valid, index)
        return image, valid, index, cell

    def _draw(self, step: int, rng: np.random.Generator) -> tuple[int, int | None, int]:
        """A cell, a class or None for any, and which of the cell's pixels of that class."""
        kind = rng.random()
        if kind < self._settings.hard:
            cell = self._hardness.draw(step, rng)
            return cell, None, int(rng.integers(self._centres.counts[cell].sum()))
        of_class = None
        if kind < self._settings.hard + (1 - self._settings.hard) * self._settings.balance:
            of_class = int(rng.choice(self._classes))
        sums = self._all if of_class is None else self._by_class[:, of_class]
        number = int(rng.integers(sums[-1]))
        cell = int(np.searchsorted(sums, number, side="right"))
        return cell, of_class, number - (int(sums[cell - 1]) if cell else 0)

    def _square(
        self, source: Source, centre: tuple[int, int], side: int, norm: Normalization
    ) -> tuple[Floats, Bools, Index]:
        """The square of ``side`` pixels around the crop at a centre; 0, invalid and ``IGNORE`` beyond the scene."""
        rule = CropRule(self._settings.crop, 0)
        margin = (side - rule.size) // 2
        top, left = (
            int(rule.start(np.asarray(at), length)) - margin for at, length in zip(centre, source.shape, strict=True)
        )
        inside = Window(top, left, side, side).intersect(Window(0, 0, *source.shape))
        pixels = source.read(inside)
        where = inside.within(Window(top, left, side, side)).slices
        image = np.zeros((len(pixels.image), side, side), np.float32)
        valid, index = np.zeros((side, side), bool), np.full((side, side), IGNORE, np.uint8)
        normalize(pixels.image, pixels.valid, norm, image[:, *where])
        valid[where], index[where] = pixels.valid, pixels.index
        return image, valid, index


_THREADS = 8
"""At most: a crop is many short steps of Python, and more threads wait for each other."""


def make_samples(  # noqa: PLR0913 - what a training has
    scenes: Sequence[LabelledScene],
    split: Split,
    bands: Sequence[BandSpec],
    legend: Legend,
    *,
    settings: SampleSettings,
    augment: Augmenter | None,
    batch_size: int,
    seed: int,
    first: int = 0,
) -> Samples:
    """Samples of the training part of a split.

    A crop holds no pixel of a validation or test part; what an augmentation reads beyond the crop is invalid there.
    Its labels in a buffer are ignored. Scenes are held in memory, first come first, as long as they fit ``settings.cache``.

    Parameters
    ----------
    bands
        Mean and standard deviation that normalize each band of the scenes, in their order.
    augment
        None: crops as they are.
    first
        Number of the first crop of a batch, where several processes share one.

    Raises
    ------
    InputRefused
        ``EMPTY``: there is no such crop. Else what reading the scenes raises.
    """
    rule = CropRule(settings.crop, settings.labelled)
    sources: list[Source] = []
    left = settings.cache
    for scene, parts in zip(scenes, split.scenes, strict=True):
        streamed = Streamed(scene, parts, rule)
        needed = bytes_of(scene)
        sources.append(Held.of(streamed, _STRIP) if needed <= left else streamed)
        left -= needed if needed <= left else 0
    centres = Centres.of(sources, len(legend.classes))
    if not len(centres.scene):
        what = f"no crop of {settings.crop} pixels has labels to train on for {settings.labelled:.0%} of it"
        remedy = "Use a smaller crop (samples.crop), fewer labels in it (samples.labelled) or a smaller buffer"
        raise InputRefused.of("EMPTY", scenes[0].name, what, remedy)
    norms = [
        Normalization.of(scene.scene, [band.mean for band in bands], [band.std for band in bands]) for scene in scenes
    ]
    return Samples(
        sources, norms, centres, settings=settings, augment=augment, batch_size=batch_size, seed=seed, first=first
    )
