"""IR-MAD against the textbook, what it must not depend on, and whether its p-values hold."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy import integrate, stats

from geoseg.compare.difference import Difference, Moments
from geoseg.compare.difference_kernels import chances
from geoseg.compare.irmad import MadFit, canonical, fit_irmad, weighted_share
from geoseg.errors import InputRefused
from tests.helpers.imagepairs import Floats, slow_irmad, two_dates


def fitted(pixels: Floats) -> MadFit:
    return fit_irmad(lambda difference: Moments.of(pixels, difference))


@pytest.mark.parametrize("bands", [1, 2, 3, 6, 7, 20])
def test_chances_are_those_of_chi_square(bands: int) -> None:
    z = np.linspace(0, 80, 300)
    np.testing.assert_allclose(chances(z, bands), stats.chi2.sf(z, bands), rtol=1e-9)
    assert chances(np.array([1e300, np.inf]), bands).tolist() == [0, 0]


@pytest.mark.parametrize("bands", [1, 2, 6])
def test_what_weights_leave_of_the_variance_is_its_integral(bands: int) -> None:
    law = stats.chi2(bands)
    above = integrate.quad(lambda z: law.sf(z) * z * law.pdf(z), 0, np.inf)[0]
    below = integrate.quad(lambda z: law.sf(z) * law.pdf(z), 0, np.inf)[0]
    assert weighted_share(bands) == pytest.approx(above / (bands * below), rel=1e-6)


def test_one_weighting_equals_numpy() -> None:
    pixels, _ = two_dates(500, 3, seed=1)
    start = Difference(np.ones((6, 2)) / 900, np.array([1.0, 1.3]), np.ones(2))
    weights = stats.chi2.sf((start.values(pixels) ** 2).sum(axis=1), 2)
    found = Moments.of(pixels, start)
    np.testing.assert_allclose(found.mean, np.average(pixels, axis=0, weights=weights))
    np.testing.assert_allclose(found.covariance, np.cov(pixels.T, aweights=weights, ddof=0))


def test_moments_of_parts_add_up_in_any_order_to_rounding() -> None:
    pixels, _ = two_dates(3000, 4, seed=2)
    pixels += 1e6  # a level that plain sums of squares would not survive
    whole = Moments.of(pixels)
    parts = [Moments.of(part) for part in np.array_split(pixels, [1, 2, 700, 700, 2999]) if len(part)]
    for order in (parts, parts[::-1]):
        total = reduce(add, order)
        assert (total.n, total.weight) == (3000, 3000)
        np.testing.assert_allclose(total.mean, whole.mean, rtol=1e-13)
        scale = np.sqrt(np.outer(np.diag(whole.scatter), np.diag(whole.scatter)))
        assert np.abs((total.scatter - whole.scatter) / scale).max() < 1e-12


@pytest.mark.parametrize(("bands", "changed"), [(4, 0.0), (4, 0.2), (1, 0.1)])
def test_rounds_are_those_of_the_textbook(bands: int, changed: float) -> None:
    pixels, _ = two_dates(4000, bands, seed=3, changed=changed)
    found = fitted(pixels)
    z, rho = slow_irmad(pixels, found.rounds)
    np.testing.assert_allclose(found.correlations, rho, atol=1e-7)
    np.testing.assert_allclose(found.difference.squares(pixels), z, rtol=1e-5)


def test_no_linear_transformation_of_either_date_matters() -> None:
    pixels, _ = two_dates(3000, 4, seed=4, changed=0.1)
    draw = np.random.default_rng(5)
    one, two = draw.uniform(-3, 3, (2, 4, 4))
    turned = np.concatenate([pixels[:, :4] @ one + 1000, pixels[:, 4:] @ two * 1e-4 - 5], axis=1)
    z, again = fitted(pixels).difference.squares(pixels), fitted(turned).difference.squares(turned)
    np.testing.assert_allclose(again, z, rtol=1e-6)


def test_swapping_the_dates_changes_nothing() -> None:
    pixels, _ = two_dates(3000, 3, seed=12, changed=0.1)
    swapped = np.concatenate([pixels[:, 3:], pixels[:, :3]], axis=1)
    z, again = fitted(pixels).difference.squares(pixels), fitted(swapped).difference.squares(swapped)
    np.testing.assert_allclose(again, z, rtol=1e-6)


@pytest.mark.parametrize("bands", [1, 2, 4, 7])
@pytest.mark.parametrize("changed", [0.0, 0.2])
def test_pixels_without_change_are_alarmed_at_the_stated_rate(bands: int, changed: float) -> None:
    n = 200_000
    pixels, where = two_dates(n, bands, seed=6, changed=changed)
    p = chances(fitted(pixels).difference.squares(pixels), bands)
    for rate in (0.1, 0.01, 0.001):
        expected = rate * (~where).sum()
        tolerance = 0.06 * expected + 3.5 * np.sqrt(expected)  # of the fit, and of the draw
        low = 0.75 * expected if changed and bands < 3 else expected  # one band: changed pixels pass for unchanged
        assert low - tolerance < (p[~where] < rate).sum() < expected + tolerance, rate


def test_without_the_correction_false_alarms_are_many_times_as_many() -> None:
    pixels, _ = two_dates(100_000, 4, seed=6)
    difference = fitted(pixels).difference
    z = difference.squares(pixels)
    for _ in range(30):  # Nielsen's weighted variances, as they are
        moments = Moments.of(pixels, difference)
        found = canonical(moments).difference
        difference = found
    plain = difference.squares(pixels)
    assert (chances(z, 4) < 0.01).mean() < 0.011
    assert (chances(plain, 4) < 0.01).mean() > 0.05


def test_change_is_found() -> None:
    pixels, where = two_dates(50_000, 4, seed=7, changed=0.1)
    p = chances(fitted(pixels).difference.squares(pixels), 4)
    assert (p[where] < 0.001).mean() > 0.999


def test_equal_images_have_no_change() -> None:
    pixels, _ = two_dates(2000, 3, seed=8)
    same = np.concatenate([pixels[:, :3], pixels[:, :3] * 2 + 5], axis=1)
    assert fitted(same).difference.squares(same).max() < 1e-6


def test_images_without_noise_show_their_change_alone() -> None:
    pixels, _ = two_dates(5000, 3, seed=9)
    same = np.concatenate([pixels[:, :3], pixels[:, :3] * 2 + 5], axis=1)
    same[:500, 3:] += 40
    z = fitted(same).difference.squares(same)
    assert z[:500].min() > 100 > 1 > z[500:].max()


def test_bands_that_repeat_others_do_not_count_twice() -> None:
    pixels, _ = two_dates(3000, 3, seed=10)
    more = np.concatenate(
        [
            pixels[:, :3],
            pixels[:, :1] + pixels[:, 1:2],
            np.full((3000, 1), 4.0),
            pixels[:, 3:],
            pixels[:, 3:4],
            pixels[:, 4:5],
        ],
        axis=1,
    )
    found = fitted(more)
    assert len(found.correlations) == 3
    np.testing.assert_allclose(found.difference.squares(more), fitted(pixels).difference.squares(pixels), rtol=1e-6)


def test_too_few_pixels_and_flat_images_are_refused() -> None:
    pixels, _ = two_dates(59, 3, seed=11)
    with pytest.raises(InputRefused, match="PIXELS"):
        fitted(pixels)
    flat = two_dates(500, 3, seed=11)[0]
    flat[:, 3:] = 7
    with pytest.raises(InputRefused, match="FLAT"):
        fitted(flat)
