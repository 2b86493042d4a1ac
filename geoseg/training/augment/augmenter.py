"""Augmenter: what is done to each crop and to each batch, drawn from a generator, by a job's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.model.card import BandSpec
from geoseg.raster.dated import undated
from geoseg.training.augment.geometry import Bools, Geometry, Image, Index, resample, side_of
from geoseg.training.augment.mixing import Crops, copy_paste, cutmix, rarity_of
from geoseg.training.augment.radiometry import disturb
from geoseg.training.augment.surface import Floats
from geoseg.training.augment.terrain import dark_of, draw_light, lit
from geoseg.training.settings.augment import AugmentSettings


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """What will be done to one crop: known before it is read, for it says how much to read.

    Parameters
    ----------
    geometry
        How its pixels are moved.
    source
        :meth:`Geometry.source`; None where pixels only change places.
    side
        Side of the square to read, with the crop in its middle, pixels: the smallest that holds all that is shown. No
        smaller than the crop, and as even or odd.
    seed
        Of all that is drawn for its values.
    """

    geometry: Geometry
    source: Floats | None
    side: int
    seed: int

    @classmethod
    def of(cls, geometry: Geometry, seed: int = 0) -> Self:
        """The draw of a geometry."""
        if geometry.exact:
            return cls(geometry, None, geometry.size, seed)
        source = geometry.source()
        return cls(geometry, source, side_of(source), seed)


@dataclass(frozen=True, slots=True, eq=False)
class Augmenter:
    """Turns, zooms, lights and disturbs crops, and mixes those of a batch; labels stay with their pixels.

    The same generator, in the same state, gives the same bytes; :meth:`apply` draws nothing, so crops may be made by any
    number of threads in any order.

    Parameters
    ----------
    settings
        What is on, and how strong.
    crop
        Side of a crop, pixels.
    dark
        (bands,): normalized value of no light, below the mean; NaN for bands that the sun does not light.
    rarity
        (classes,): how often a class is wanted for copy-paste.
    dates
        The bands are those of so many dates: geometry is the same for all, light falls on each by its own.
    redraw
        The same generator gives other draws for each number, as many as one likes for one crop.
    """

    settings: AugmentSettings
    crop: int
    dark: NDArray[np.float32]
    rarity: NDArray[np.float64]
    dates: int = 1
    redraw: int = 0

    @classmethod
    def of(cls, settings: AugmentSettings, *, bands: Sequence[BandSpec], crop: int, counts: Sequence[int] = ()) -> Self:
        """Make one; ``counts`` are labelled pixels by class index, which copy-paste needs to know what is rare."""
        assert len(counts) or not settings.copy_paste, "copy-paste without counts"
        dates = 1 if undated([band.name for band in bands]) is None else 2
        return cls(settings, crop, dark_of(bands), rarity_of(np.asarray(counts, np.int64)), dates)

    def described(self) -> str:
        """What is on, in the words of the settings: ``d4, gain 0.3, noise 0.1``; ``no augmentation``."""
        on = [(name, value) for name, value in self.settings if value]
        return ", ".join(name if value is True else f"{name} {value:g}" for name, value in on) or "no augmentation"

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw what will be done to one crop."""
        rng = self._redrawn(rng)
        return Draw.of(Geometry.draw(self.settings, self.crop, rng), int(rng.integers(1 << 63)))

    def apply(self, draw: Draw, image: Image, valid: Bools, index: Index) -> tuple[Image, Bools, Index]:
        """Do it.

        Parameters
        ----------
        draw
            From :meth:`draw`.
        image
            float32 (bands, side, side), normalized, 0 where invalid. ``side`` is the draw's; of a smaller square, as even
            or odd, what it lacks becomes invalid.
        valid, index
            (side, side): bool, and class indices with ``IGNORE``.

        Returns
        -------
        tuple
            The crop, (bands, crop, crop), (crop, crop) and (crop, crop): image float32 with 0 where invalid, valid, and
            index with ``IGNORE`` where the map shows a place outside of what was read. All are contiguous and new.
        """
        if draw.source is None and valid.shape[-1] == self.crop:
            image, valid, index = (
                np.array(draw.geometry.arranged(array), order="C") for array in (image, valid, index)
            )
        else:
            source = draw.geometry.source() if draw.source is None else draw.source
            image, valid, index = resample(source, image, valid, index)
        rng = np.random.default_rng(draw.seed)
        for seen, dark in zip(np.split(image, self.dates), np.split(self.dark, self.dates), strict=True):  # views
            light = draw_light(self.settings, self.crop, rng)
            if light is not None:
                lit(seen, light, dark)
        disturb(image, self.settings, rng, dates=self.dates)
        if not valid.all():
            np.copyto(image, np.float32(0), where=~valid)
        return image, valid, index

    def mix(self, rng: np.random.Generator, images: Image, valid: Bools, index: Index) -> tuple[Image, Bools, Index]:
        """Copy-paste, then CutMix, between the crops of a batch.

        Parameters
        ----------
        rng
            All randomness.
        images, valid, index
            (N, bands, crop, crop), (N, crop, crop) and (N, crop, crop), as :meth:`apply` gives them. They stay as they are.

        Returns
        -------
        tuple
            The same shapes; the arrays given where nothing is on.
        """
        rng = self._redrawn(rng)
        crops = Crops(images, valid, index)
        if self.settings.copy_paste:
            crops = copy_paste(crops, self.settings.copy_paste, self.rarity, rng)
        if self.settings.cutmix:
            crops = cutmix(crops, self.settings.cutmix, rng)
        return crops.images, crops.valid, crops.index

    def _redrawn(self, rng: np.random.Generator) -> np.random.Generator:
        return rng.spawn(self.redraw)[-1] if self.redraw else rng
