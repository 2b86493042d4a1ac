"""Terrain: light multiplies the scene's values, alike in all bands that the sun lights."""

import numpy as np
import pytest

from geoseg.model.card import BandSpec
from geoseg.training.augment.surface import knots, slopes, surface
from geoseg.training.augment.terrain import cloud_shadow, dark_of, draw_light, hillshade, lit
from geoseg.training.settings.augment import AugmentSettings

BANDS = (BandSpec("red", 0.1, 0.05), BandSpec("nir", 0.2, 0.1), BandSpec("VV", -12.0, 3.0), BandSpec("dem", 400, 90))


def test_light_multiplies_the_values_of_the_scene_in_bands_that_the_sun_lights() -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((4, 16, 16), np.float32)
    light = rng.uniform(0.3, 1.5, (16, 16))
    changed = image.copy()
    lit(changed, light, dark_of(BANDS))
    for band, before, after in zip(BANDS[:2], image[:2], changed[:2], strict=True):
        np.testing.assert_allclose(after * band.std + band.mean, (before * band.std + band.mean) * light, atol=1e-5)
    assert (changed[2:] == image[2:]).all()


def test_without_light_a_hazy_band_is_as_dark_as_its_darkest_pixels_not_black() -> None:
    image = np.zeros((1, 2, 2), np.float32)
    lit(image, np.zeros((2, 2)), dark_of([BandSpec("blue", 90.0, 6.0)]))
    assert (image == -2.5).all()


@pytest.mark.parametrize(
    ("name", "sunlit"),
    [("blue", True), ("swir2", True), ("rededge1", True), ("nir08", True), ("B4", True), ("pan", True), ("cirrus", True),
     ("lwir1", False), ("vv", False), ("VH", False), ("S1_VV", False), ("dem", False), ("slope", False),
     ("ndvi", False), ("mndwi", False)],
)  # fmt: skip
def test_heat_radar_heights_and_indices_are_not_lit_by_the_sun(name: str, sunlit: bool) -> None:
    assert np.isnan(dark_of([BandSpec(name, 1.0, 1.0)]))[0] != sunlit


@pytest.mark.parametrize("seed", range(20))
def test_a_hillshade_is_smooth_and_about_1(seed: int) -> None:
    shade = hillshade(64, np.random.default_rng(seed))
    assert shade.shape == (64, 64) and shade.min() >= 0 and shade.max() <= 2
    assert shade.mean() == pytest.approx(1, abs=0.2) and shade.std() > 0.05
    assert max(np.abs(np.diff(shade, axis=axis)).max() for axis in (0, 1)) < 0.5


def test_no_strength_means_no_light_is_drawn() -> None:
    assert draw_light(AugmentSettings.of(), 8, np.random.default_rng(0)) is None


def test_shading_is_as_strong_as_it_says() -> None:
    rng = np.random.default_rng(0)
    weak = [draw_light(AugmentSettings.of(shading=0.1), 32, rng) for _ in range(20)]
    assert all(one is not None and np.abs(one - 1).max() <= 0.1 for one in weak)


@pytest.mark.parametrize("seed", range(20))
def test_a_shadow_darkens_softly_and_only_darkens(seed: int) -> None:
    light = cloud_shadow(64, np.random.default_rng(seed))
    assert 0.4 <= light.min() < 0.95 and light.max() <= 1
    assert (light == 1).mean() > 0.1
    assert max(np.abs(np.diff(light, axis=axis)).max() for axis in (0, 1)) < 0.4


def test_shadows_fall_as_often_as_their_chance() -> None:
    rng = np.random.default_rng(0)
    fallen = [draw_light(AugmentSettings.of(shadow=0.3), 8, rng) is not None for _ in range(1000)]
    assert np.mean(fallen) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(("size", "spacing"), [(8, 2.0), (33, 7.5), (64, 80.0)])
def test_a_surface_stays_within_its_control_points_and_its_slopes_are_its_differences(
    size: int, spacing: float
) -> None:
    count = knots(size, spacing)
    assert np.allclose(surface(np.ones((count, count)), size, spacing), 1)
    control = np.random.default_rng(0).uniform(-1, 1, (count, count))
    heights = surface(control, size, spacing)
    assert np.abs(heights).max() <= 1
    down, right = slopes(control, size, spacing)
    bend = 2 / spacing**2  # no more than the second derivative
    assert np.abs(np.diff(heights, axis=0) - (down[1:] + down[:-1]) / 2).max() < bend
    assert np.abs(np.diff(heights, axis=1) - (right[:, 1:] + right[:, :-1]) / 2).max() < bend
