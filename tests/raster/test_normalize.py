import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoseg.errors import BundleError
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.scene import open_scene
from tests.helpers.rasters import numbers, write_raster

NORM = Normalization((0.5, 2.0, -1.0), (0.25, -3.0, 100.0))


def reference(image: NDArray[np.generic], valid: NDArray[np.bool_], norm: Normalization) -> NDArray[np.float64]:
    gain, bias = (np.array(values)[:, None, None] for values in (norm.gain, norm.bias))
    return np.where(valid, image.astype(float) * gain + bias, 0.0)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64", ">u2"]
)
@pytest.mark.parametrize("layout", ["planes", "pixels", "views"])
def test_values_are_gain_and_bias_and_0_where_invalid(dtype: str, layout: str) -> None:
    image = numbers((3, 37, 29), "uint8").astype(dtype)
    valid = np.random.default_rng(1).random((37, 29)) > 0.3
    out = np.full((3, 37, 29), 7, np.float32)
    if layout == "pixels":
        out = np.full((37, 29, 3), 7, np.float32).transpose(2, 0, 1)
    if layout == "views":
        image = np.pad(image, ((0, 0), (3, 2), (1, 4)))[:, 3:-2, 1:-4]
        valid = np.pad(valid, ((3, 2), (1, 4)))[3:-2, 1:-4]
        out = np.zeros((3, 40, 40), np.float32)[:, 1:38, 2:31]
    assert normalize(image, valid, NORM, out) is out
    np.testing.assert_allclose(out, reference(image, valid, NORM), rtol=1e-6, atol=1e-5)


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 70)),
    start=st.tuples(st.integers(0, 19), st.integers(0, 69)),
    seed=st.integers(0, 99),
)
def test_a_part_is_normalized_as_it_is_in_the_whole(shape: tuple[int, int], start: tuple[int, int], seed: int) -> None:
    image = numbers((3, *shape), "uint16", seed=seed)
    valid = np.random.default_rng(seed).random(shape) > 0.2
    part = (slice(min(start[0], shape[0] - 1), None), slice(min(start[1], shape[1] - 1), None))
    whole = normalize(image, valid, NORM)
    np.testing.assert_array_equal(
        normalize(image[(slice(None), *part)], valid[part], NORM), whole[(slice(None), *part)]
    )


def test_invalid_pixels_are_0_even_where_the_value_is_not_finite() -> None:
    image = np.array([[[np.nan, np.inf, 2.0]]], np.float32)
    valid = np.array([[False, False, True]])
    np.testing.assert_array_equal(normalize(image, valid, Normalization((1.0,), (0.0,))), [[[0.0, 0.0, 2.0]]])


def test_the_same_value_gives_the_same_whatever_surrounds_it() -> None:
    alone = normalize(np.full((1, 1, 1), 1400, "uint16"), np.ones((1, 1), bool), Normalization((0.001,), (0.0,)))
    image = numbers((1, 64, 64))
    image[0, 5, 5] = 1400
    assert normalize(image, np.ones((64, 64), bool), Normalization((0.001,), (0.0,)))[0, 5, 5] == alone[0, 0, 0]


def test_scale_and_offset_of_the_scene_fold_with_mean_and_deviation_of_the_bundle(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((2, 4, 4)), names=["red", "nir"])
    scene = open_scene([path], scale=0.0001, offset=-0.1)
    norm = Normalization.of(scene, [0.1, 0.2], [0.05, 0.5])
    raw = np.array([3000.0, 5000.0])
    expected = ((raw * 0.0001 - 0.1) - [0.1, 0.2]) / [0.05, 0.5]
    np.testing.assert_allclose(raw * norm.gain + norm.bias, expected)


@pytest.mark.parametrize(("mean", "std"), [([0.0], [1.0]), ([0.0, 0.0], [1.0, 0.0]), ([0.0, float("nan")], [1.0, 1.0])])
def test_constants_that_do_not_fit_are_the_bundles_fault(tmp_path: Path, mean: list[float], std: list[float]) -> None:
    scene = open_scene([write_raster(tmp_path / "a.tif", numbers((2, 4, 4)), names=["red", "nir"])])
    with pytest.raises(BundleError, match=r"^NORMALIZATION: "):
        Normalization.of(scene, mean, std)


def test_the_compiler_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, geoseg.raster.normalize, geoseg.raster.read; assert not {'numba', 'scipy', 'xarray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_that_float32_cannot_hold_become_infinite_without_a_word() -> None:
    image = np.array([[[1e300, 2.0]]])
    found = normalize(image, np.ones((1, 2), bool), Normalization((1.0,), (0.0,)))
    assert np.isposinf(found[0, 0, 0]) and found[0, 0, 1] == 2
