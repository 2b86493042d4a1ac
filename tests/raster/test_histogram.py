"""Counting values."""

import numpy as np
import pytest

from geoseg.raster.histogram import histogram


@pytest.mark.parametrize("length", [0, 1, 3, 4, 1003])
def test_counts_equal_bincount(length):
    values = np.random.default_rng(length).integers(0, 256, length).astype(np.uint8)
    np.testing.assert_array_equal(histogram(values), np.bincount(values, minlength=256))
