"""Landscape: any strips give the same pixels, any window the same land; classes are what most of a pixel's spots are."""

import itertools

import numpy as np
import pytest

from geoseg.grid.geobox import GeoBox
from geoseg.training.synth import fields, picture
from geoseg.training.synth.change import dates
from geoseg.training.synth.farms import strip
from geoseg.training.synth.land import SPOTS, Date, Spots, paint
from geoseg.training.synth.scene import Landscape
from geoseg.training.synth.spectra import BANDS, CLASS, GREENING, MATERIALS, REFLECTANCE, legend

NOW = Date(0, 0.0)
LATER = Date(1, 0.3)


def landscape(rows: int, cols: int, *, seed: int = 1, res: float = 10.0, at: tuple[int, int] = (0, 0), **more):
    transform = (res, 0.0, 500_000.0 + at[1] * res, 0.0, -res, 5_400_000.0 - at[0] * res)
    return Landscape(GeoBox((rows, cols), transform, ""), seed, **more)


def whole(land: Landscape, date: Date, height: int, **more):
    rows = land.geobox.shape[0]
    strips = [land.strip(date, row, min(height, rows - row), **more) for row in range(0, rows, height)]
    return tuple(np.concatenate(parts) for parts in zip(*strips, strict=True))


@pytest.mark.parametrize("res", [10.0, 7.0, 30.0, 100.0])
def test_any_height_of_strips_gives_the_same_pixels(res: float) -> None:
    land = landscape(61, 70, res=res, cloudy=0.3, collar=True)
    level = land.cloud_level(LATER)
    pixels, truth = whole(land, LATER, 61, shift=0.4, level=level)
    assert pixels.shape == (61, 70, len(BANDS)) and pixels.dtype == np.uint16 and truth.dtype == np.uint8
    for height in (1, 7, 32):
        again, same = whole(land, LATER, height, shift=0.4, level=level)
        np.testing.assert_array_equal(again, pixels)
        np.testing.assert_array_equal(same, truth)


def test_the_truth_alone_is_that_of_the_strip() -> None:
    land = landscape(40, 90)
    np.testing.assert_array_equal(land.truth(LATER, 3, 30), land.strip(LATER, 3, 30)[1])


def test_another_window_shows_the_same_land() -> None:
    """Where the window begins at a point of the lattice of the fields, pixel by pixel; the sensor's noise differs."""
    pixels, truth = whole(landscape(120, 120), NOW, 120)
    other, same = whole(landscape(60, 72, at=(60, 48)), NOW, 60)
    assert (truth[60:, 48:] == same).mean() > 0.9999
    assert np.median(np.abs(pixels[60:, 48:].astype(int) - other)) < 60


def test_seeds_make_different_lands() -> None:
    assert (whole(landscape(60, 60), NOW, 60)[1] != whole(landscape(60, 60, seed=2), NOW, 60)[1]).mean() > 0.3


def test_dates_without_change_differ_in_crops_and_light_alone() -> None:
    land = landscape(80, 80)
    before, truth = land.strip(NOW, 0, 80)
    after, same = land.strip(Date(1, 0.0), 0, 80)
    np.testing.assert_array_equal(truth, same)
    assert (before != after).mean() > 0.9


def test_the_shift_moves_the_picture_and_not_the_truth() -> None:
    land = landscape(40, 120)
    still, truth = land.strip(NOW, 0, 40)
    moved, same = land.strip(NOW, 0, 40, shift=1.0)
    np.testing.assert_array_equal(truth, same)
    ahead = np.abs(moved[:, 1:].astype(int) - still[:, :-1]).mean()
    assert ahead < 0.6 * np.abs(moved.astype(int) - still).mean()  # what is left is the noise of the sensor


def spots_of(material: np.ndarray) -> Spots:
    plain = np.zeros(material.shape, np.int8)
    return Spots(material, plain, plain.copy())


def test_the_class_is_what_most_of_the_nine_spots_are_and_the_middle_of_equals() -> None:
    rng = np.random.default_rng(0)
    material = rng.integers(0, len(MATERIALS), (SPOTS * 20 + 2, SPOTS * 30 + 2)).astype(np.uint8)
    out = np.empty((20, 30), np.uint8)
    picture.true_classes(material, out)
    for row, col in np.ndindex(out.shape):
        nine = CLASS[material[1 + 3 * row : 4 + 3 * row, 1 + 3 * col : 4 + 3 * col]]
        values, counts = np.unique(nine, return_counts=True)
        best = values[counts == counts.max()]
        assert out[row, col] == (nine[1, 1] if nine[1, 1] in best else best[0])


def test_a_pixel_mixes_the_spots_around_it() -> None:
    rng = np.random.default_rng(1)
    shape = (SPOTS * 6 + 2, SPOTS * 5 + 2)
    spots = Spots(
        rng.integers(0, len(MATERIALS), shape).astype(np.uint8),
        rng.integers(-38, 60, shape).astype(np.int8), rng.integers(-38, 60, shape).astype(np.int8),
    )  # fmt: skip
    out = np.empty((6, 5, len(BANDS)), np.float32)
    picture.reflectance(spots, out)
    colour = (
        REFLECTANCE[spots.material] * (1 + spots.light / 40)[..., None] * (1 + spots.green[..., None] / 40 * GREENING)
    )
    weight = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) / 81
    for row, col in np.ndindex(6, 5):
        seen = colour[3 * row : 3 * row + 5, 3 * col : 3 * col + 5]
        np.testing.assert_allclose(out[row, col], (seen * weight[..., None]).sum((0, 1)), rtol=1e-4)


def test_strips_of_parcels_cover_a_line_without_gaps() -> None:
    seed, last = np.uint64(5), None
    for at in np.linspace(-2000, 2000, 4001):
        i, start, stop = strip(seed, float(at), 100.0, 0.6)
        assert start <= at < stop and 30 < stop - start < 170
        assert last is None or (i, start, stop) == last or (i == last[0] + 1 and start == last[2])
        last = (i, start, stop)


def test_the_ground_of_a_part_of_the_rows_is_that_of_all() -> None:
    lattice = fields.Lattice(5e5, 5.4e6, 60.0)
    all_rows = fields.ground(np.uint64(3), lattice, 18, -1, (200, 100))
    some = fields.ground(np.uint64(3), lattice, 18, 71, (50, 100))
    first = some.top - all_rows.top
    np.testing.assert_array_equal(some.points, all_rows.points[first : first + len(some.points)])


def test_spots_are_of_known_materials() -> None:
    shape = (60, 200)
    spots = Spots(np.full(shape, 255, np.uint8), np.zeros(shape, np.int8), np.zeros(shape, np.int8))
    ground = fields.ground(np.uint64(3), fields.Lattice(5e5, 5.4e6, 60.0), 18, -1, shape)
    paint(np.uint64(3), LATER, ground, -1, spots)
    assert spots.material.max() < len(MATERIALS)


def test_every_class_occurs_in_a_scene_of_five_kilometres() -> None:
    found = np.bincount(whole(landscape(512, 512), NOW, 64)[1].ravel(), minlength=11)
    assert all(found[value] > 500 for value in legend(clouds=False).values)
    assert found.sum() == found[list(legend(clouds=False).values)].sum()


@pytest.mark.parametrize("share", [0.01, 0.08])
def test_the_change_is_what_was_asked_for(share: float) -> None:
    land = landscape(200, 200)
    series = dates(land, 3, share)
    assert [date.number for date in series] == [0, 1, 2]
    truths = [land.truth(date, 0, 200) for date in series]
    for before, after in itertools.pairwise(truths):
        assert abs((before != after).mean() - share) < 0.3 * share


def test_no_change_is_none() -> None:
    assert dates(landscape(50, 50), 2, 0.0) == (NOW, Date(1, 0.0))


def test_clouds_cover_their_share_and_dim_what_is_in_their_shadow() -> None:
    land = landscape(300, 300, cloudy=0.25)
    clear = landscape(300, 300).strip(NOW, 0, 300)[0].astype(int)
    pixels, truth = land.strip(NOW, 0, 300, level=land.cloud_level(NOW))
    assert 0.15 < (truth == 9).mean() < 0.35 and (truth == 10).any()
    dimmed, lit = (np.median(image[truth == 10], 0) for image in (pixels, clear))
    assert (dimmed < 0.95 * lit).all()  # some lies under thin cloud
    assert (pixels[truth == 9].mean(0) > 3000).all()
    sky = (truth == 9) | (truth == 10)
    np.testing.assert_array_equal(truth[~sky], landscape(300, 300).truth(NOW, 0, 300)[~sky])
