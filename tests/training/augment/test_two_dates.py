"""Augmentations of a pair of dates: moved together, lit each by its own, missing together."""

import numpy as np

from geoseg.model.card import BandSpec
from geoseg.raster.dated import dated
from geoseg.training.augment.augmenter import Augmenter
from geoseg.training.settings.augment import AugmentSettings

SIDE = 32
BANDS = tuple(BandSpec(name, 0.2, 0.1) for name in dated(("red", "nir")))
ALL_OFF = {"d4": False, "gain": 0.0, "offset": 0.0, "noise": 0.0}


def augmented(bands: tuple[BandSpec, ...] = BANDS, seed: int = 0, **settings: object) -> np.ndarray:
    """A crop whose two dates are the same, augmented."""
    augmenter = Augmenter.of(AugmentSettings.of(**{**ALL_OFF, **settings}), bands=bands, crop=SIDE)
    draw = augmenter.draw(np.random.default_rng(seed))
    one = np.random.default_rng(9).normal(size=(2, draw.side, draw.side)).astype(np.float32)
    valid, index = np.ones((draw.side, draw.side), bool), np.zeros((draw.side, draw.side), np.uint8)
    image, _, _ = augmenter.apply(draw, np.concatenate([one, one]), valid, index)
    return image


def test_geometry_moves_both_dates_alike() -> None:
    for seed in range(4):
        image = augmented(seed=seed, d4=True, rotate=40.0, scale=0.3, elastic=3.0)
        assert np.array_equal(image[:2], image[2:])


def test_each_date_has_its_own_light_and_contrast() -> None:
    for settings in ({"gain": 0.2}, {"offset": 0.2}, {"noise": 0.2}, {"gamma": 0.3}, {"shading": 0.8}):
        image = augmented(**settings)
        assert not np.allclose(image[:2], image[2:]), settings


def test_light_at_a_date_falls_on_its_bands_alone() -> None:
    plain = augmented()
    found = [augmented(seed=seed, shadow=0.5) for seed in range(16)]
    lit = {tuple(bool((image[k : k + 2] != plain[k : k + 2]).any()) for k in (0, 2)) for image in found}
    assert lit == {(False, False), (True, False), (False, True), (True, True)}


def test_a_band_is_missing_at_both_dates_or_none() -> None:
    seen = set()
    for seed in range(12):
        missing = (augmented(seed=seed, drop_bands=0.5) == 0).all(axis=(1, 2))
        assert np.array_equal(missing[:2], missing[2:])
        seen.add(tuple(missing[:2]))
    assert len(seen) > 1 and (True, True) not in seen
