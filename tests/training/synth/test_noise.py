"""Noise: a function of seed and place; rows of it are what single points are; its numbers lie where they are said to."""

import numpy as np
import pytest

from geoseg.raster.jit import jit
from geoseg.training.synth.noise import gauss, hashed, noise, noise_row, share

SEED = np.uint64(77)


@jit
def slow_row(out, seed, x0, dx, y):
    for k in range(len(out)):
        out[k] = noise(seed, x0 + k * dx, y)


@jit
def drawn(out, seed, kind):
    for k in range(len(out)):
        bits = hashed(seed, k, -3)
        out[k] = gauss(bits) if kind else share(bits, k % 4)


@pytest.mark.parametrize(("x0", "dx"), [(0.0, 0.013), (-7.3, 0.11), (5.4e5, 1 / 3), (2.0, 0.9), (-3.0, 1.7)])
def test_a_row_is_what_its_points_are(x0: float, dx: float) -> None:
    fast, slow = np.empty(700), np.empty(700)
    noise_row(fast, SEED, x0, dx, -11.37)
    slow_row(slow, SEED, x0, dx, -11.37)
    np.testing.assert_allclose(fast, slow, atol=1e-9)


def test_noise_is_smooth_bounded_and_without_bias() -> None:
    row = np.empty(200_000)
    noise_row(row, SEED, 0.0, 0.01, 0.5)
    assert abs(row.mean()) < 0.03 and 0.15 < row.std() < 0.35 and np.abs(row).max() < 0.75
    assert np.abs(np.diff(row)).max() < 0.05


def test_hashes_are_evenly_spread_and_nearly_normal() -> None:
    shares, normal = np.empty(200_000), np.empty(200_000)
    drawn(shares, SEED, 0)
    drawn(normal, SEED, 1)
    assert shares.min() >= 0 and shares.max() < 1
    assert np.ptp(np.histogram(shares, 16, (0, 1))[0]) < 1000
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert 0.31 < (np.abs(normal) > 1).mean() < 0.33
