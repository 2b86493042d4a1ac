"""Decide: which differences count; a rule never invents a class, and windows do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.compare.change_legend import change_legend, from_to
from geoseg.compare.decide import Decider, Dropped, Rules, changed_only, codes_of
from geoseg.compare.maps import Pair
from geoseg.compare.open_maps import open_pair
from geoseg.grid.geobox import Window
from tests.helpers.changes import LEGEND, changed, patchy, write_run
from tests.helpers.changes import codes_of as slow_codes

SHAPE = (40, 52)
BEFORE = patchy(SHAPE, seed=8)
AFTER = changed(BEFORE, seed=8)
WHOLE = Window(0, 0, *SHAPE)
RULES = Rules(tolerance=1, confidence_min=40, joint_min=0.1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("decide")
    rng = np.random.default_rng(9)
    for name, values in (("a", BEFORE), ("b", AFTER)):
        sure = rng.integers(0, 101, SHAPE).astype(np.uint8)
        sure[rng.random(SHAPE) < 0.1] = 255
        write_run(
            folder / name, values, confidence=sure, probabilities=rng.dirichlet(np.ones(4), SHAPE).transpose(2, 0, 1)
        )
    return open_pair(folder / "a", folder / "b")


def test_without_rules_every_difference_counts(pair: Pair) -> None:
    found = Decider(pair)(WHOLE)
    assert np.array_equal(found.codes, slow_codes(BEFORE, AFTER)) and found.dropped == Dropped()


def test_each_rule_makes_persistence_of_change_and_nothing_else(pair: Pair) -> None:
    for rules in (Rules(tolerance=1), Rules(confidence_min=40), Rules(joint_min=0.1), RULES):
        found = Decider(pair, rules)(WHOLE)
        differs = found.after != found.observed
        assert differs.any() and np.array_equal(found.after[differs], BEFORE[differs])
        assert np.array_equal(found.observed, AFTER) and np.array_equal(found.before, BEFORE)
        dropped = found.dropped
        assert dropped.tolerance_px + dropped.confidence_px + dropped.joint_px == np.count_nonzero(differs)


def test_a_change_that_either_date_is_unsure_of_is_dropped(pair: Pair) -> None:
    found = Decider(pair, Rules(confidence_min=40))(WHOLE)
    one, other = pair.read_confidence(WHOLE)
    unsure = (one < 40) | (other < 40)
    assert np.array_equal(found.after, np.where(unsure & (BEFORE > 0) & (AFTER > 0), BEFORE, AFTER))


def test_a_transition_that_is_not_probable_is_dropped(pair: Pair) -> None:
    found = Decider(pair, Rules(joint_min=0.1))(WHOLE)
    one, other = pair.read_probabilities(WHOLE)
    rows, cols = np.indices(SHAPE)
    joint = one[BEFORE.astype(int) - 1, rows, cols] * other[AFTER.astype(int) - 1, rows, cols]
    lost = (joint < 0.1) & (BEFORE != AFTER) & (BEFORE > 0) & (AFTER > 0)
    assert np.array_equal(found.after, np.where(lost, BEFORE, AFTER)) and found.dropped.joint_px == lost.sum()


@given(st.integers(0, 39), st.integers(0, 51), st.integers(1, 40), st.integers(1, 52))
def test_a_window_has_the_pixels_of_the_whole(pair: Pair, row: int, col: int, high: int, wide: int) -> None:
    window = Window(row, col, high, wide).intersect(WHOLE)
    assert np.array_equal(Decider(pair, RULES)(window).codes, Decider(pair, RULES)(WHOLE).codes[window.slices])


def test_dropped_pixels_add_up(pair: Pair) -> None:
    decider = Decider(pair, RULES)
    parts = [Window(0, 0, 40, 20), Window(0, 20, 13, 32), Window(13, 20, 27, 32)]
    assert sum((decider(part).dropped for part in parts), Dropped()) == decider(WHOLE).dropped


def test_codes_are_before_times_256_and_after() -> None:
    before, after = np.array([[1, 0, 255, 3]], np.uint8), np.array([[2, 5, 254, 3]], np.uint8)
    assert codes_of(before, after).tolist() == [[258, 0, 65534, 771]]
    assert changed_only(codes_of(before, after)).tolist() == [[258, 0, 65534, 0]]


def test_names_and_colours_of_codes() -> None:
    legend = change_legend(LEGEND, [258, 257])
    assert legend.names == {257: "water->water", 258: "water->tree"} and legend.nodata == 0
    stayed, grew = legend.colours[257], legend.colours[258]
    assert max(stayed) - min(stayed) < 40 < max(grew) - min(grew)
    assert from_to(LEGEND, [258]) == {258: {"from_id": 1, "from_name": "water", "to_id": 2, "to_name": "tree"}}
