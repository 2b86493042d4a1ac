from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geoseg.errors import BundleError
from geoseg.grid.chips import ChipGrid
from geoseg.mask.score import HaloProposal, SeamScore, propose_halo, seam_score
from tests.helpers.stitching import UNCHANGED, BoxSum, Strided, a_scene, stitched


def reader(image, valid, windows=None):
    """Reads windows of arrays; they must lie inside."""

    def read(window):
        assert window.row >= 0 and window.col >= 0
        assert window.row + window.height <= valid.shape[0] and window.col + window.width <= valid.shape[1]
        if windows is not None:
            windows.append(window)
        return image[:, *window.slices], valid[window.slices]

    return read


@pytest.mark.parametrize(("radius", "wide_enough"), [(8, True), (9, False), (5, True)])
def test_the_score_is_zero_when_the_halo_is_as_wide_as_the_networks_reach(radius, wide_enough):
    image, valid = a_scene((200, 180))
    score = seam_score(BoxSum(radius), reader(image, valid), ChipGrid((200, 180), 32, 8, 8), UNCHANGED, chips=5)
    assert score.chips == 5
    assert 3 * 256 <= score.pixels <= 5 * 256
    assert (score.share == 0) == wide_enough


@pytest.mark.parametrize(("chip", "fixed"), [(32, False), (48, False), (48, True)])
def test_over_all_chips_the_share_is_that_of_the_whole_masks(chip, fixed):
    """With every chip drawn, and cores of both grids that meet once, the score is the difference of two masks."""
    image, valid = a_scene((96, 96), holes=0)
    grid = ChipGrid((96, 96), chip, 8, 8, fixed)
    wide = ChipGrid((96, 96), 48, 16, 8, fixed)
    network = BoxSum(12, 1)
    score = seam_score(network, reader(image, valid), grid, UNCHANGED, chips=36)
    masks = [stitched(network, one, image, valid).mask for one in (grid, wide)]
    if chip == 32:
        assert score == SeamScore(float((masks[0] != masks[1]).mean()), 96 * 96, 36)
    else:
        assert score.pixels < 96 * 96
    assert 0 < score.share < 0.5


def test_the_choice_of_chips_follows_the_seed():
    image, valid = a_scene((400, 400), holes=0)
    seen = []
    for seed in (1, 1, 2):
        windows = []
        grid = ChipGrid((400, 400), 32, 8, 8)
        seam_score(BoxSum(2), reader(image, valid, windows), grid, UNCHANGED, chips=4, seed=seed)
        seen.append(windows)
    assert seen[0] == seen[1] != seen[2]
    assert len(set(seen[0])) == 4


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (33, 33), (47, 200)])
def test_scenes_without_an_inner_chip_are_scored_too(shape):
    image, valid = a_scene(shape, holes=0)
    score = seam_score(Strided(8), reader(image, valid), ChipGrid(shape, 32, 8, 8), UNCHANGED)
    assert score.share == 0
    assert (score.pixels == 0) == (max(shape) <= 32)


def test_a_halo_of_nothing_is_compared_with_one_step_of_the_network():
    image, valid = a_scene((100, 100))
    assert seam_score(BoxSum(3), reader(image, valid), ChipGrid((100, 100), 32, 0, 8), UNCHANGED).share > 0.1


def test_what_cannot_be_measured_is_none():
    image, valid = a_scene((100, 100))

    class OneSize(BoxSum):
        def predict(self, images):
            if images.shape[-1] != 32:
                raise BundleError.of("SIZE", "network", "one size only")
            return super().predict(images)

    grid = ChipGrid((100, 100), 32, 8, 8)
    assert seam_score(OneSize(1), reader(image, valid), grid, UNCHANGED) is None
    assert seam_score(BoxSum(1), reader(image, valid), replace(grid, fixed=True), UNCHANGED) is None
    assert propose_halo(OneSize(1), reader(image, valid), grid, UNCHANGED) == HaloProposal(8, None, False, ())
    assert seam_score(BoxSum(1), reader(image, np.zeros_like(valid)), grid, UNCHANGED) is None


def test_the_proposed_halo_is_the_smallest_that_is_wide_enough():
    image, valid = a_scene((300, 300), holes=0)
    found = propose_halo(BoxSum(20), reader(image, valid), ChipGrid((300, 300), 96, 8, 8), UNCHANGED)
    assert (found.halo, found.share, found.enough) == (24, 0.0, True)
    assert [halo for halo, _ in found.tried] == [8, 16, 24]
    assert all(share > 0.001 for _, share in found.tried[:-1])


def test_where_no_halo_is_enough_the_best_is_proposed():
    image, valid = a_scene((300, 300), holes=0)
    found = propose_halo(BoxSum(40), reader(image, valid), ChipGrid((300, 300), 64, 8, 8), UNCHANGED)
    assert not found.enough
    assert found.share == min(share for _, share in found.tried) >= 0.001
