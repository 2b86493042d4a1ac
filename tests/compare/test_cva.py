"""Change vectors: gain and offset found, noise measured, false alarms as stated, directions."""

import numpy as np
import pytest

from geoseg.compare.cva import fit_cva, grouped_median, sectors
from geoseg.compare.threshold import Null
from geoseg.errors import InputRefused
from tests.helpers.imagepairs import Floats, two_dates


def correlated(n: int, seed: int, changed: float = 0.0) -> tuple[Floats, np.ndarray]:
    """Three bands whose noise goes together."""
    draw = np.random.default_rng(seed)
    land = draw.gamma(4, 30, (n, 3))
    other = draw.gamma(4, 30, (n, 3)) + 200
    where = draw.random(n) < changed
    noise = draw.standard_normal((n, 1)) + 0.5 * draw.standard_normal((n, 3))
    return np.concatenate(
        [land, np.where(where[:, None], other, land) * [2, 1, 0.5] + [5, -9, 0] + noise], axis=1
    ), where


def test_gain_offset_and_noise_are_found_whatever_has_changed() -> None:
    found = fit_cva(correlated(50_000, 1, changed=0.2)[0])
    np.testing.assert_allclose(found.gain, [2, 1, 0.5], rtol=0.002)
    np.testing.assert_allclose(found.offset, [5, -9, 0], atol=0.3)
    np.testing.assert_allclose(found.noise, np.sqrt(1.25), rtol=0.1)


@pytest.mark.parametrize("changed", [0.0, 0.1])
def test_false_alarms_stay_below_the_stated_rate_also_where_noise_is_correlated(changed: float) -> None:
    pixels, where = correlated(200_000, 2, changed)
    found = fit_cva(pixels)
    assert found.difference.spectrum.max() > 2  # a plain chi-square would be wrong
    null, magnitude = Null.of(found.difference.spectrum), np.sqrt(found.difference.squares(pixels))
    for rate in (0.1, 0.01, 0.001):
        expected = rate * (~where).sum()
        tolerance = 0.1 * expected + 3.5 * np.sqrt(expected)
        least = 0.5 if changed else 1.0  # what has changed makes it careful
        assert least * expected - tolerance < (magnitude[~where] > null.magnitude(rate)).sum() < expected + tolerance
    assert not changed or (magnitude[where] > null.magnitude(0.001)).mean() > 0.99


def test_gain_and_offset_of_either_band_do_not_matter() -> None:
    pixels, _ = two_dates(5000, 3, seed=3, changed=0.1)
    other = pixels * [3, 1e-4, 1, 1, 50, 2] + [0, 1, -100, 9, 9, 0]
    one, two = fit_cva(pixels), fit_cva(other)
    np.testing.assert_allclose(two.difference.squares(other), one.difference.squares(pixels), rtol=1e-6)


def test_swapping_the_dates_turns_the_vectors() -> None:
    pixels, _ = two_dates(3000, 3, seed=8, changed=0.1)
    swapped = np.concatenate([pixels[:, 3:], pixels[:, :3]], axis=1)
    found, again = fit_cva(pixels).difference.values(pixels), fit_cva(swapped).difference.values(swapped)
    np.testing.assert_allclose(again, -found, rtol=1e-5, atol=1e-5)


def test_equal_images_have_no_change() -> None:
    pixels = np.random.default_rng(4).integers(0, 200, (3000, 2)).astype(float)
    same = np.concatenate([pixels, pixels], axis=1)
    found = fit_cva(same)
    assert found.difference.squares(same).max() < 1e-6
    same[:30, 2] += 1  # the smallest step there is, where all else is the same
    assert fit_cva(same).difference.squares(same)[:30].min() > 1


def test_sectors_say_which_bands_have_grown() -> None:
    assert sectors(np.array([[-1.0, -1, -1], [1, -1, -1], [-1, 2, 3], [1, 1, 1]])).tolist() == [0, 1, 6, 7]


def test_after_that_is_brighter_has_positive_components() -> None:
    pixels, _ = two_dates(2000, 2, seed=5)
    found = fit_cva(pixels)
    pixels[0] = pixels[1]
    pixels[0, 2:] += [1000, -1000]
    assert np.sign(found.difference.values(pixels[:1]) - found.difference.values(pixels[1:2])).tolist() == [[1, -1]]


def test_the_median_of_rounded_numbers_is_that_of_the_numbers() -> None:
    numbers = np.random.default_rng(6).normal(3.3, 0.8, 200_000)
    assert grouped_median(np.rint(numbers)) == pytest.approx(3.3, abs=0.03)  # the plain one is 3
    assert grouped_median(np.array([4.0, 4.0])) == 4
    assert grouped_median(np.array([1.0, 2.0, 4.0])) == pytest.approx(2.25, abs=0.3)
    assert 1.4826 * grouped_median(np.abs(np.rint(numbers) - 3.3)) == pytest.approx(0.8, abs=0.1)


def test_a_band_of_one_value_and_too_few_pixels_are_refused() -> None:
    pixels, _ = two_dates(500, 2, seed=7)
    pixels[:, 3] = 0
    with pytest.raises(InputRefused, match=r"FLAT: images: .*band 2"):
        fit_cva(pixels)
    with pytest.raises(InputRefused, match="PIXELS"):
        fit_cva(pixels[:10])
