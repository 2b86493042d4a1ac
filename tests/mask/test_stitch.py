from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import BundleError, InputRefused, ResourceError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.legend import Legend
from geoseg.mask.answer import SYMMETRIES, argmax_of_stack, softmax
from geoseg.mask.blend import taper
from geoseg.mask.stitch import StitchSettings, window_of
from geoseg.model.predict import LogitsPredictor
from geoseg.raster.normalize import Normalization
from tests.helpers.stitching import LEGEND, BoxSum, Strided, a_scene, stitched, whole

SHAPES = st.tuples(st.integers(1, 75), st.integers(1, 75))
BLOCKS = st.sampled_from([1, 16, 24, 48, 64, 1000])
BLENDS = st.sampled_from(["none", "hann", "linear"])


@settings(max_examples=40, deadline=None)
@given(SHAPES, BLOCKS, st.integers(1, 5), st.integers(0, 99), st.integers(0, 8))
def test_the_mask_is_the_whole_scenes_for_a_halo_as_wide_as_the_networks_reach(shape, block_size, batch, seed, radius):
    image, valid = a_scene(shape, seed)
    chips = ChipGrid(shape, 32, 8, 8)
    mask = stitched(BoxSum(radius, batch), chips, image, valid, block_size=block_size, order=seed).mask
    np.testing.assert_array_equal(mask, whole(BoxSum(radius, 1), image, valid))


def test_a_halo_below_the_reach_shows_at_the_seams():
    image, valid = a_scene((70, 70))
    chips = ChipGrid((70, 70), 32, 4, 4)
    assert (stitched(BoxSum(8), chips, image, valid).mask != whole(BoxSum(8), image, valid)).any()


@settings(max_examples=40, deadline=None)
@given(SHAPES, BLOCKS, st.integers(0, 99), BLENDS)
def test_a_strided_network_is_right_under_aligned_reads(shape, block_size, seed, blend):
    image, valid = a_scene(shape, seed)
    how = StitchSettings(blend=blend)
    mask = stitched(Strided(8), ChipGrid(shape, 32, 8, 8), image, valid, block_size=block_size, settings=how).mask
    np.testing.assert_array_equal(mask, whole(Strided(8), image, valid))


@pytest.mark.parametrize("shape", [(100, 333), (97, 131)])
def test_a_network_of_stride_32_is_right_under_aligned_reads_and_wrong_under_misaligned_ones(shape):
    image, valid = a_scene(shape)
    truth = whole(Strided(32), image, valid, 32)
    aligned = stitched(Strided(32), ChipGrid(shape, 128, 32, 32), image, valid).mask
    misaligned = stitched(Strided(32), ChipGrid(shape, 128, 40, 4, fixed=True), image, valid).mask
    np.testing.assert_array_equal(aligned, truth)
    assert (misaligned != truth).mean() > 0.05


@settings(max_examples=40, deadline=None)
@given(SHAPES, BLOCKS, BLENDS, st.booleans(), st.integers(0, 99))
def test_every_output_has_the_same_bits_for_any_block_size_and_order(shape, block_size, blend, tta, seed):
    image, valid = a_scene(shape, seed)
    how = StitchSettings(blend=blend, tta=tta, confidence=True, probabilities=True)
    chips = ChipGrid(shape, 32, 8, 8)
    once = stitched(BoxSum(3), chips, image, valid, settings=how)
    again = stitched(BoxSum(3), chips, image, valid, settings=how, block_size=block_size, order=seed)
    np.testing.assert_array_equal(once.mask, again.mask)
    np.testing.assert_array_equal(once.confidence, again.confidence)
    np.testing.assert_array_equal(once.probabilities.view(np.uint32), again.probabilities.view(np.uint32))


@settings(max_examples=30, deadline=None)
@given(SHAPES, BLENDS, st.booleans(), st.integers(0, 99))
def test_nodata_stays_nodata_and_nothing_else_becomes_it(shape, blend, tta, seed):
    image, valid = a_scene(shape, seed)
    how = StitchSettings(blend=blend, tta=tta, confidence=True, probabilities=True)
    found = stitched(BoxSum(2), ChipGrid(shape, 32, 8, 8), image, valid, settings=how, block_size=32)
    np.testing.assert_array_equal(found.mask != LEGEND.nodata, valid)
    assert set(np.unique(found.mask[valid])) <= set(LEGEND.values)
    assert (found.confidence[~valid] == 0).all()
    assert (found.confidence[valid] >= 33).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=0), valid, atol=1e-5)


@pytest.mark.parametrize("blend", ["hann", "linear"])
def test_blending_leaves_no_frame(blend):
    image, valid = a_scene((300, 300), holes=0)
    chips, how = ChipGrid((300, 300), 64, 16, 16), StitchSettings(blend=blend)
    mask = stitched(BoxSum(1), chips, image, valid, settings=how).mask
    assert (mask != LEGEND.nodata).all()


@pytest.mark.parametrize("shape", ["hann", "linear"])
@pytest.mark.parametrize(("chip", "halo"), [(64, 16), (64, 0), (512, 64), (32, 8)])
def test_weights_are_positive_symmetric_and_add_up_to_one_over_an_overlap(shape, chip, halo):
    weights = taper(chip, halo, shape)
    assert (weights > 0).all()
    np.testing.assert_array_equal(weights, weights[::-1])
    if halo:
        flank = 2 * halo
        np.testing.assert_allclose(weights[:flank] + weights[-flank:], 1, atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(SHAPES, BLENDS)
def test_blending_equals_the_weighted_mean_written_out(shape, blend):
    blend = "hann" if blend == "none" else blend
    image, valid = a_scene(shape, 5, holes=0)
    chips = ChipGrid(shape, 32, 8, 8)
    how = StitchSettings(blend=blend, probabilities=True)
    found = stitched(BoxSum(9, 1), chips, image, valid, settings=how, block_size=32)
    sums, total = np.zeros((3, *shape)), np.zeros(shape)
    weights = np.outer(*[taper(32, 8, blend).astype(float)] * 2)
    for read in {(c.read.row, c.read.col): c.read for c in chips}.values():
        rows, cols = read.shape
        padded = np.zeros((1, 1, 32, 32), np.float32)
        padded[0, 0, :rows, :cols] = image[0][read.slices]
        sums[:, *read.slices] += softmax(BoxSum(9, 1).predict(padded))[0, :, :rows, :cols] * weights[:rows, :cols]
        total[read.slices] += weights[:rows, :cols]
    np.testing.assert_allclose(found.probabilities, sums / total, atol=1e-5)


class Slope(LogitsPredictor):
    """Not symmetric: logits grow to the right and downwards."""

    def predict(self, images):
        n, _, rows, cols = images.shape
        ramp = np.arange(cols)[None, :] / cols + 2 * np.arange(rows)[:, None] / rows
        first = images[:, 0]
        return np.stack([first, first * ramp, np.broadcast_to(ramp, (n, rows, cols))], 1).astype(np.float32)


def test_test_time_augmentation_is_the_mean_over_the_eight_symmetries():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 9, (1, 32, 32), dtype=np.uint16)
    valid = np.ones((32, 32), bool)
    how = StitchSettings(tta=True, probabilities=True)
    chips = ChipGrid((32, 32), 32, 0, 8)
    found = stitched(Slope(classes=3), chips, image, valid, settings=how)
    expected = np.zeros((3, 32, 32))
    for turns, flip in SYMMETRIES:
        turned = np.rot90(image[0], turns)
        turned = np.fliplr(turned) if flip else turned
        each = softmax(Slope(classes=3).predict(turned[None, None].astype(np.float32)))[0]
        for i in range(3):
            expected[i] += np.rot90(np.fliplr(each[i]) if flip else each[i], -turns) / 8
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    for turn in (np.rot90, np.flipud, np.transpose):
        turned = np.ascontiguousarray(turn(image[0]))[None]
        again = stitched(Slope(classes=3), chips, turned, valid, settings=how)
        np.testing.assert_allclose(again.probabilities, [turn(p) for p in found.probabilities], atol=1e-6)


def test_asking_for_probabilities_changes_no_class():
    image, valid = a_scene((70, 50))
    chips = ChipGrid((70, 50), 32, 8, 8)
    plain = stitched(BoxSum(2), chips, image, valid, settings=StitchSettings(confidence=True))
    rich = stitched(BoxSum(2), chips, image, valid, settings=StitchSettings(confidence=True, probabilities=True))
    np.testing.assert_array_equal(plain.mask, rich.mask)
    np.testing.assert_array_equal(plain.confidence, rich.confidence)


def test_chips_without_a_valid_pixel_do_not_reach_the_network():
    image, valid = a_scene((64, 64), holes=0)
    valid[:32] = False
    network = BoxSum(1, batch_size=1)
    found = stitched(network, ChipGrid((64, 64), 32, 8, 8), image, valid)
    assert network.calls == found.chips == 8
    assert found.skipped == 8
    valid[:] = False
    for blend in ("none", "hann"):
        found = stitched(network, ChipGrid((64, 64), 32, 8, 8), image, valid, settings=StitchSettings(blend=blend))
        assert network.calls == 8
        assert found.chips == 0
        assert not found.mask.any()


def test_chips_that_read_the_same_pixels_share_one_run():
    image, valid = a_scene((30, 30), holes=0)
    network = BoxSum(1, batch_size=1)
    stitched(network, ChipGrid((30, 30), 32, 8, 8), image, valid)
    assert network.calls == 1


class Poisoned(BoxSum):
    """NaN where the chip holds the value 77."""

    def predict(self, images):
        logits = super().predict(images)
        logits[(images == 77).any(axis=(1, 2, 3))] = np.nan
        return logits


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("blend", ["none", "linear"])
def test_a_chip_with_non_finite_logits_is_named(blend, tta):
    image, valid = a_scene((64, 64), holes=0)
    image[0, 50, 30] = 77
    chips = ChipGrid((64, 64), 32, 8, 8)
    with pytest.raises(ResourceError, match=r"^NONFINITE: chip at row 24, column 0: "):
        stitched(Poisoned(1), chips, image, valid, settings=StitchSettings(blend=blend, tta=tta))
    how = StitchSettings(blend=blend, tta=tta, on_bad="nodata")
    found = stitched(Poisoned(1), chips, image, valid, settings=how, block_size=32)
    again = stitched(Poisoned(1), chips, image, valid, settings=how)
    np.testing.assert_array_equal(found.mask, again.mask)
    assert "chip at row 32, column 8" in found.bad
    assert found.bad == again.bad
    assert found.mask[50, 30] == LEGEND.nodata
    assert (found.mask != LEGEND.nodata).sum() > 1000


def test_infinite_pixels_are_the_scenes_fault():
    image, valid = a_scene((20, 20), holes=0)
    image = image.astype(np.float32)
    image[0, 3, 3] = np.inf
    with pytest.raises(InputRefused, match=r"^NONFINITE: chip at row 0, column 0: "):
        stitched(BoxSum(0), ChipGrid((20, 20), 32, 0, 8), image, valid)


def test_a_legend_of_another_size_is_refused():
    image, valid = a_scene((8, 8))
    with pytest.raises(BundleError, match="3 classes, the legend 2"):
        stitched(BoxSum(0), ChipGrid((8, 8), 32, 0, 8), image, valid, legend=Legend.of(["a", "b"]))


def test_gain_and_bias_reach_the_network():
    image, valid = a_scene((40, 40))
    chips = ChipGrid((40, 40), 32, 8, 8)
    scaled = stitched(BoxSum(0), chips, image * 4 + 12, valid, normalization=Normalization((0.25,), (-3.0,)))
    np.testing.assert_array_equal(scaled.mask, stitched(BoxSum(0), chips, image, valid).mask)


@settings(max_examples=40, deadline=None)
@given(SHAPES, BLOCKS, BLENDS)
def test_the_window_holds_what_the_chips_read(shape, block_size, blend):
    grid = BlockGrid.sized(ChipGrid(shape, 32, 8, 8), block_size)
    for block in grid:
        chips = list(grid.chips_of(block) if blend == "none" else grid.chips_over(block))
        assert window_of(grid, block, StitchSettings(blend=blend)) == grid.read_of(chips)


def test_the_argmax_of_a_stack_is_numpys():
    stack = np.random.default_rng(0).integers(0, 4, (5, 30, 30)).astype(np.float32)
    index, best = argmax_of_stack(stack)
    np.testing.assert_array_equal(index, stack.argmax(axis=0))
    np.testing.assert_array_equal(best, stack.max(axis=0))
