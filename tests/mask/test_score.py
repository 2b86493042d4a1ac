from __future__ import annotations

import numpy as np
import pytest

from geoseg.errors import BundleError
from geoseg.grid.chips import ChipGrid
from geoseg.mask.score import HaloProposal, SeamScore, propose_halo, seam_score
from tests.helpers.stitching import UNCHANGED, BoxSum, Strided, a_scene


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
    assert 4 * 256 <= score.pixels <= 5 * 256
    assert (score.share == 0) == wide_enough


def test_the_share_is_the_one_counted_by_hand():
    image, valid = a_scene((96, 96), holes=0)
    chips = ChipGrid((96, 96), 32, 8, 8)
    windows = []
    score = seam_score(BoxSum(12, 1), reader(image, valid, windows), chips, UNCHANGED, chips=1)
    wide = windows[0]
    assert wide.shape == (48, 48)
    pixels = image[0][wide.slices].astype(np.float32)[None, None]
    outer = BoxSum(12, 1).predict(pixels).argmax(axis=1)[0, 16:32, 16:32]
    inner = BoxSum(12, 1).predict(pixels[..., 8:40, 8:40]).argmax(axis=1)[0, 8:24, 8:24]
    assert score == SeamScore(float((outer != inner).mean()), 256, 1)
    assert score.share > 0


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
