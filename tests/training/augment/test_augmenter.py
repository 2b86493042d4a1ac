"""Augmenter: one seed, one result; nodata stays 0 and labels exact, whatever is on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.model.card import BandSpec
from geoseg.training.augment import Augmenter, Draw
from geoseg.training.augment.geometry import Geometry
from geoseg.training.data.labels import IGNORE
from geoseg.training.settings.augment import AugmentSettings

BANDS = tuple(BandSpec(name, 0.2, 0.05) for name in ("blue", "green", "red", "nir", "vv"))
COUNTS = (1000, 10, 100)
OFF = AugmentSettings.of(d4=False, gain=0, offset=0, noise=0)
ALL = AugmentSettings.of(
    rotate=180, scale=0.5, elastic=3, gamma=0.3, shading=0.5, shadow=0.5, drop_bands=0.2, cutmix=0.5, copy_paste=0.5
)


def square(side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, valid and index of a synthetic scene: the class follows from the first band; a strip is invalid."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.repeat(rng.standard_normal((5, side, side), np.float32), 4, 1), 4, 2)[:, :side, :side]
    index = np.digitize(image[0], [-0.5, 0.5]).astype(np.uint8)
    valid = np.ones((side, side), bool)
    valid[side // 3 : side // 3 + 2] = False
    image[:, ~valid] = 0
    index[~valid] = IGNORE
    return image, valid, index


@pytest.mark.parametrize("settings", [OFF, AugmentSettings.of(), ALL])
@pytest.mark.parametrize("crop", [16, 17])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(settings: AugmentSettings, crop: int) -> None:
    augmenter = Augmenter.of(settings, bands=BANDS, crop=crop, counts=COUNTS)

    def made(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        crops = []
        for _ in range(4):
            draw = augmenter.draw(rng)
            crops.append(augmenter.apply(draw, *square(draw.side)))
        mixed = augmenter.mix(rng, *(np.stack(part) for part in zip(*crops, strict=True)))
        return b"".join(array.tobytes() for array in mixed)

    assert made(3) == made(3)
    assert (made(3) == made(4)) == (settings == OFF)


@given(seed=st.integers(0, 1 << 32), crop=st.integers(8, 33))
def test_a_crop_has_its_shape_and_nodata_is_0_and_ignored(seed: int, crop: int) -> None:
    augmenter = Augmenter.of(ALL, bands=BANDS, crop=crop, counts=COUNTS)
    draw = augmenter.draw(np.random.default_rng(seed))
    image, valid, index = augmenter.apply(draw, *square(draw.side, seed))
    assert image.shape == (5, crop, crop) and valid.shape == index.shape == (crop, crop)
    assert (image.dtype, valid.dtype, index.dtype) == (np.float32, bool, np.uint8)
    assert all(array.flags.c_contiguous for array in (image, valid, index))
    assert np.isfinite(image).all() and (image[:, ~valid] == 0).all()
    assert (index[~valid] == IGNORE).all() and (index[valid] != IGNORE).all()


@given(seed=st.integers(0, 1 << 32), crop=st.integers(8, 33))
def test_a_class_that_follows_from_the_image_still_does(seed: int, crop: int) -> None:
    """The label at each pixel is that of the scene's pixel nearest to it, which is one of those that its value lies between."""
    geometry = AugmentSettings.of(rotate=180, scale=1, elastic=3, gain=0, offset=0, noise=0)
    augmenter = Augmenter.of(geometry, bands=BANDS, crop=crop)
    draw = augmenter.draw(np.random.default_rng(seed))
    image, valid, index = square(draw.side, seed)
    numbers = np.arange(draw.side**2, dtype=np.int32).reshape(draw.side, draw.side)
    _, _, shown = augmenter.apply(draw, image, valid, numbers)
    changed, still_valid, labels = augmenter.apply(draw, image, valid, index)
    assert (labels == index.ravel()[shown]).all() and (still_valid == valid.ravel()[shown]).all()
    known = labels != IGNORE
    assert (np.digitize(image.reshape(5, -1)[0, shown[known]], [-0.5, 0.5]) == labels[known]).all()
    low, high = image[0][valid].min(), image[0][valid].max()
    assert (changed[0][still_valid] >= low - 1e-5).all() and (changed[0][still_valid] <= high + 1e-5).all()


def test_quarter_turns_alone_permute_pixels_exactly() -> None:
    augmenter = Augmenter.of(OFF.model_copy(update={"d4": True}), bands=BANDS, crop=16)
    image, valid, index = square(16)
    seen = set()
    for seed in range(60):
        draw = augmenter.draw(np.random.default_rng(seed))
        assert draw.side == 16 and draw.source is None
        turned = np.rot90(np.concatenate([image, valid[None], index[None]]), draw.geometry.turns, (1, 2))
        turned = turned[..., ::-1] if draw.geometry.mirrored else turned
        for one, other in zip(
            augmenter.apply(draw, image, valid, index), (turned[:5], turned[5], turned[6]), strict=True
        ):
            assert (one == other).all()
        seen.add((draw.geometry.turns, draw.geometry.mirrored))
    assert len(seen) == 8


def test_everything_at_0_is_the_identity_and_gives_new_arrays() -> None:
    augmenter = Augmenter.of(OFF, bands=BANDS, crop=16)
    given_ = square(16)
    for one, other in zip(augmenter.apply(augmenter.draw(np.random.default_rng(0)), *given_), given_, strict=True):
        assert (one == other).all() and not np.shares_memory(one, other)
    crops = tuple(np.stack([array, array]) for array in given_)
    assert all(a is b for a, b in zip(augmenter.mix(np.random.default_rng(0), *crops), crops, strict=True))


@pytest.mark.parametrize("crop", [16, 17])
def test_a_smaller_read_than_asked_for_loses_only_what_it_lacks(crop: int) -> None:
    augmenter = Augmenter.of(OFF, bands=BANDS, crop=crop)
    draw = Draw.of(Geometry(crop, angle=45))
    image, valid, index = square(draw.side)
    valid[:], index[:] = True, 1
    whole = augmenter.apply(draw, image, valid, index)
    margin = (draw.side - crop) // 2
    inner = slice(margin, -margin), slice(margin, -margin)
    _, valid_less, index_less = augmenter.apply(draw, image[:, *inner], valid[inner], index[inner])
    gone = index_less == IGNORE
    assert (index_less[~gone] == whole[2][~gone]).all() and (valid_less <= whole[1]).all()
    assert gone[0, 0] and gone[-1, 0] and not gone[crop // 2, crop // 2]


@pytest.mark.parametrize("crop", [16, 17])
def test_a_larger_read_than_asked_for_changes_nothing(crop: int) -> None:
    augmenter = Augmenter.of(OFF, bands=BANDS, crop=crop)
    for draw in (Draw.of(Geometry(crop, 1, True)), Draw.of(Geometry(crop, 1, True, angle=30))):
        image, valid, index = square(draw.side + 6)
        inner = slice(3, -3), slice(3, -3)
        for one, other in zip(
            augmenter.apply(draw, image, valid, index),
            augmenter.apply(draw, image[:, *inner], valid[inner], index[inner]),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_redraw_is_another_draw_of_the_same_generator() -> None:
    augmenter = Augmenter.of(ALL, bands=BANDS, crop=16, counts=COUNTS)
    crops = tuple(np.stack([array, array[..., ::-1]]) for array in square(16))

    def made(number: int) -> bytes:
        other = replace(augmenter, redraw=number)
        draw = other.draw(np.random.default_rng(0))
        mixed = other.mix(np.random.default_rng(1), *crops)
        return b"".join(array.tobytes() for array in (*other.apply(draw, *square(draw.side)), *mixed))

    assert made(0) == made(0) and made(2) == made(2)
    assert len({made(number) for number in range(5)}) == 5


def test_what_is_on_is_said_in_the_words_of_the_settings() -> None:
    said = Augmenter.of(AugmentSettings.of(offset=0, rotate=15), bands=BANDS, crop=16).described()
    assert said == "d4, rotate 15, gain 0.3, noise 0.1"
    assert Augmenter.of(OFF, bands=BANDS, crop=16).described() == "no augmentation"
