"""Radiometry: what is drawn has the statistics that its settings say; a band is missing at times, never all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.augment.radiometry import bend, disturb, kept_bands, normals
from geoseg.training.settings.augment import AugmentSettings

OFF = {"gain": 0.0, "offset": 0.0, "noise": 0.0}


def disturbed(image: np.ndarray, rng: np.random.Generator, **settings: float) -> np.ndarray:
    changed = image.astype(np.float32)
    disturb(changed, AugmentSettings.of(**{**OFF, **settings}), rng)
    return changed


def test_nothing_on_changes_nothing() -> None:
    image = np.random.default_rng(0).standard_normal((3, 8, 8), np.float32)
    assert (disturbed(image, np.random.default_rng(1)) == image).all()


def test_a_gain_is_one_factor_for_each_band_within_its_range() -> None:
    rng = np.random.default_rng(0)
    image = np.ones((2000, 2, 2), np.float32) * 3
    gains = disturbed(image, rng, gain=0.4) / 3
    assert (gains == gains[:, :1, :1]).all()
    assert 0.6 <= gains.min() < 0.61 and 1.39 < gains.max() <= 1.4
    assert gains.mean() == pytest.approx(1, abs=0.02)


def test_an_offset_is_one_normal_number_for_each_band() -> None:
    offsets = disturbed(np.zeros((5000, 2, 2)), np.random.default_rng(0), offset=0.3)
    assert (offsets == offsets[:, :1, :1]).all()
    assert offsets.std() == pytest.approx(0.3, rel=0.05) and abs(offsets.mean()) < 0.02


def test_noise_is_normal_and_each_pixels_own() -> None:
    noise = disturbed(np.zeros((4, 100, 100)), np.random.default_rng(0), noise=0.2)
    assert noise.std() == pytest.approx(0.2, rel=0.02) and abs(noise.mean()) < 0.005
    assert (np.abs(noise) < 0.2).mean() == pytest.approx(0.6827, abs=0.01)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[0, :, :-1].ravel(), noise[0, :, 1:].ravel())[0, 1]) < 0.03


def test_quick_normal_numbers_are_normal() -> None:
    numbers = np.sort(normals((200_000,), np.random.default_rng(0)))
    exact = np.sort(np.random.default_rng(1).standard_normal(200_000))
    np.testing.assert_allclose(numbers[1000:-1000:1000], exact[1000:-1000:1000], atol=0.05)


@given(exponent=st.floats(0.2, 5))
def test_gamma_keeps_order_and_the_ends_of_the_range(exponent: float) -> None:
    values = np.linspace(-4, 4, 801, dtype=np.float32).reshape(1, 1, -1)
    bent = values.copy()
    bend(bent, np.full((1, 1, 1), exponent, np.float32))
    beyond = np.abs(values) >= 3
    np.testing.assert_allclose(bent[beyond], values[beyond], atol=1e-5)
    assert (np.diff(bent) > -1e-6).all()
    if abs(exponent - 1) > 1e-3:
        assert (np.sign(bent - values)[np.abs(values) < 2.5] == np.sign(1 - exponent)).all()


def test_gamma_gives_a_value_the_same_value_wherever_it_stands() -> None:
    image = np.random.default_rng(0).standard_normal((1, 32, 32), np.float32)
    whole = disturbed(image, np.random.default_rng(5), gamma=0.5)
    part = disturbed(image[:, :8, :8], np.random.default_rng(5), gamma=0.5)
    assert (whole[:, :8, :8] == part).all() and (whole != image).any()


@given(seed=st.integers(0, 1000), count=st.integers(1, 13), chance=st.floats(0, 1))
def test_some_bands_are_kept(seed: int, count: int, chance: float) -> None:
    kept = kept_bands(np.random.default_rng(seed), count, chance)
    assert kept.shape == (count,) and kept.any()
    assert kept.all() or chance > 0


def test_bands_are_dropped_as_often_as_their_chance_and_any_of_them_is_spared() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([kept_bands(rng, 8, 0.3) for _ in range(2000)]) == pytest.approx(0.7, abs=0.02)
    assert {int(np.flatnonzero(kept_bands(rng, 4, 1.0))[0]) for _ in range(100)} == {0, 1, 2, 3}


def test_a_dropped_band_is_0_and_the_others_are_as_they_were() -> None:
    image = np.random.default_rng(0).standard_normal((5, 8, 8), np.float32)
    changed = disturbed(image, np.random.default_rng(0), drop_bands=0.5)
    gone = (changed == 0).all(axis=(1, 2))
    assert 0 < gone.sum() < 5 and (changed[~gone] == image[~gone]).all()
