"""Geometry: image and labels show the same place, quarter turns are exact, what is not known is ignored."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.augment.augmenter import Draw
from geoseg.training.augment.geometry import Geometry, resample, side_of
from geoseg.training.augment.surface import knots
from geoseg.training.data.labels import IGNORE
from geoseg.training.settings.augment import AugmentSettings

ALL = AugmentSettings.of(rotate=180, scale=1.0, elastic=4)
SEEDS = st.integers(0, 1 << 32)


def ramps(side: int) -> np.ndarray:
    """A float64 image (2, side, side) of each pixel's row and column: bilinear interpolation gives the place itself."""
    return np.array(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), np.float32)


def numbers(side: int) -> np.ndarray:
    """Labels (side, side), each pixel its own."""
    return np.arange(side * side).reshape(side, side)


def slow_resample(
    source: np.ndarray, image: np.ndarray, valid: np.ndarray, index: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The same as ``resample``, pixel by pixel."""
    bands, side, size = len(image), valid.shape[0], source.shape[-1]
    shown = np.zeros((bands, size, size))
    there, labels = np.zeros((size, size), bool), np.full((size, size), IGNORE)
    for r, c in itertools.product(range(size), repeat=2):
        row, col = source[:, r, c] + (side - 1) / 2
        near = math.floor(row + 0.5), math.floor(col + 0.5)
        if not (0 <= near[0] < side and 0 <= near[1] < side):
            continue
        labels[r, c], there[r, c] = index[near], valid[near]
        total = 0.0
        for i, k in itertools.product((math.floor(row), math.floor(row) + 1), (math.floor(col), math.floor(col) + 1)):
            if 0 <= i < side and 0 <= k < side and valid[i, k] and there[r, c]:
                weight = (1 - abs(row - i)) * (1 - abs(col - k))
                total += weight
                shown[:, r, c] += weight * image[:, i, k]
        if there[r, c]:
            shown[:, r, c] /= total
    return shown, there, labels


@given(seed=SEEDS, size=st.integers(2, 12), more=st.integers(-1, 3), holes=st.booleans())
def test_one_map_is_applied_as_pixel_by_pixel(seed: int, size: int, more: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    source = Geometry.draw(ALL, size, rng).source()
    side = max(size + 2 * more, 2 + size % 2)
    image = rng.standard_normal((3, side, side), np.float32)
    valid = rng.random((side, side)) < (0.6 if holes else 1.1)
    image[:, ~valid] = 0
    index = rng.integers(0, 4, (side, side)).astype(np.uint8)
    shown, there, labels = resample(source, image, valid, index)
    expected, there_expected, labels_expected = slow_resample(source, image, valid, index)
    assert (there == there_expected).all() and (labels == labels_expected).all()
    np.testing.assert_allclose(shown, expected, atol=2e-5)
    assert shown.dtype == np.float32 and labels.dtype == index.dtype


@given(seed=SEEDS, size=st.integers(4, 40))
def test_an_image_and_its_labels_show_the_same_place(seed: int, size: int) -> None:
    draw = Draw.of(Geometry.draw(ALL, size, np.random.default_rng(seed)))
    source = draw.geometry.source()
    side = draw.side
    shown, there, labels = resample(source, ramps(side), np.ones((side, side), bool), numbers(side))
    assert there.all()  # the square that was asked for holds all
    place = np.stack(np.divmod(labels, side))
    assert np.abs(place - shown).max() <= 0.5 + 1e-3


@given(seed=SEEDS, size=st.integers(2, 40))
def test_a_side_is_the_smallest_that_holds_the_map(seed: int, size: int) -> None:
    draw = Draw.of(Geometry.draw(ALL, size, np.random.default_rng(seed)))
    farthest = np.abs(draw.geometry.source()).max()
    assert draw.side >= size and (draw.side - size) % 2 == 0
    assert farthest <= (draw.side - 1) / 2 + 1e-4
    assert draw.side == size or farthest > (draw.side - 3) / 2


@pytest.mark.parametrize("size", [8, 9])
def test_the_eight_symmetries_form_a_group(size: int) -> None:
    plain = numbers(size)
    group = [Geometry(size, turns, mirrored) for turns in range(4) for mirrored in (False, True)]
    images = {one.arranged(plain).tobytes() for one in group}
    assert len(images) == 8 and plain.tobytes() in images
    for one, other in itertools.product(group, repeat=2):
        assert one.arranged(other.arranged(plain)).tobytes() in images
    assert all(plain.tobytes() in {other.arranged(one.arranged(plain)).tobytes() for other in group} for one in group)


@given(seed=SEEDS, size=st.integers(2, 20), turns=st.integers(0, 3), mirrored=st.booleans())
def test_quarter_turns_of_a_map_are_those_of_what_it_shows(seed: int, size: int, turns: int, mirrored: bool) -> None:
    rng = np.random.default_rng(seed)
    plain = Geometry.draw(AugmentSettings.of(d4=False, rotate=180, scale=0.5, elastic=2), size, rng)
    turned = Geometry(size, turns, mirrored, plain.angle, plain.zoom, plain.warp, plain.spacing)
    side = side_of(plain.source())
    assert side == side_of(turned.source())
    image, valid, index = (
        rng.standard_normal((2, side, side), np.float32),
        rng.random((side, side)) < 0.8,
        numbers(side),
    )
    for one, other in zip(
        resample(plain.source(), image, valid, index), resample(turned.source(), image, valid, index), strict=True
    ):
        assert (turned.arranged(one) == other).all()


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_an_angle_of_90_degrees_is_a_quarter_turn(size: int, turns: int) -> None:
    draw = Draw.of(Geometry(size, angle=90.0 * turns))
    assert draw.side == size
    image, valid, index = resample(draw.geometry.source(), ramps(size), np.ones((size, size), bool), numbers(size))
    assert valid.all() and (index == np.rot90(numbers(size), turns)).all()
    np.testing.assert_allclose(image, np.rot90(ramps(size), turns, (1, 2)), atol=1e-5)


@pytest.mark.parametrize("size", [16, 17])
def test_corners_of_a_rotation_beyond_the_read_are_ignored(size: int) -> None:
    source = Geometry(size, angle=45).source()
    image, valid, index = resample(source, ramps(size) + 1, np.ones((size, size), bool), numbers(size) * 0)
    for corner in itertools.product((0, -1), repeat=2):
        assert index[corner] == IGNORE and not valid[corner] and (image[:, *corner] == 0).all()
    assert ((index == IGNORE) == ~valid).all()
    inside = np.hypot(*source) < size / 2 - 1
    assert valid[inside].all() and (index[inside] == 0).all()


@pytest.mark.parametrize(("zoom", "side"), [(2.0, 16), (1.0, 16), (0.5, 32), (0.25, 62)])
def test_a_zoom_magnifies_by_its_factor(zoom: float, side: int) -> None:
    draw = Draw.of(Geometry(16, zoom=zoom))
    assert draw.side == side
    image, _, _ = resample(draw.geometry.source(), ramps(side), np.ones((side, side), bool), numbers(side))
    np.testing.assert_allclose(np.diff(image[0], axis=0), 1 / zoom, atol=1e-5)
    np.testing.assert_allclose(image.mean(axis=(1, 2)), (side - 1) / 2, atol=1e-5)  # the centre stays


def test_zooms_and_angles_are_drawn_from_their_whole_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [Geometry.draw(AugmentSettings.of(scale=1.0, rotate=30), 8, rng) for _ in range(2000)]
    zooms, angles = np.array([one.zoom for one in drawn]), np.array([one.angle for one in drawn])
    assert 0.5 <= zooms.min() < 0.51 and 1.96 < zooms.max() <= 2
    assert abs(np.log2(zooms).mean()) < 0.05  # larger as often as smaller
    assert -30 <= angles.min() < -29 and 29 < angles.max() <= 30
    assert {(one.turns, one.mirrored) for one in drawn} == set(itertools.product(range(4), (False, True)))


@given(seed=SEEDS, size=st.integers(8, 48), strength=st.sampled_from([0.5, 3.0, 32.0]))
def test_a_warp_moves_pixels_no_farther_than_its_strength_and_never_folds(
    seed: int, size: int, strength: float
) -> None:
    settings = AugmentSettings.of(d4=False, elastic=strength)
    geometry = Geometry.draw(settings, size, np.random.default_rng(seed))
    assert geometry.warp is not None and geometry.warp.shape[1] == knots(size, geometry.spacing)
    moved = geometry.source() - Geometry(size).source()
    assert np.abs(moved).max() <= strength
    down, right = np.diff(geometry.source(), axis=1)[:, :, :-1], np.diff(geometry.source(), axis=2)[:, :-1]
    assert (down[0] * right[1] - down[1] * right[0] > 0).all()


def test_settings_of_zero_leave_a_crop_as_it_is() -> None:
    geometry = Geometry.draw(AugmentSettings.of(d4=False), 9, np.random.default_rng(0))
    assert geometry.exact and (geometry.turns, geometry.mirrored) == (0, False)
    image, valid, index = resample(geometry.source(), ramps(9), numbers(9) > 3, numbers(9))
    assert (index == numbers(9)).all() and (valid == (numbers(9) > 3)).all()
    assert (image == np.where(valid, ramps(9), 0)).all()


def test_invalid_pixels_do_not_bleed_into_their_neighbours() -> None:
    image, valid = np.full((1, 8, 8), 5, np.float32), np.ones((8, 8), bool)
    valid[:, 4:] = False
    image[:, ~valid] = 0
    shown, there, _ = resample(Geometry(8, angle=10).source(), image, valid, numbers(8))
    np.testing.assert_allclose(shown[0][there], 5, rtol=1e-6)
    assert (shown[0][~there] == 0).all() and there.any() and not there.all()
