"""Transitions: what two maps say together, whatever windows they are counted in."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.compare.transition import TransitionCounter, Transitions, count_transitions
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.vector.measure import AreaCounter
from tests.helpers.changes import LEGEND, UTM_BOX, changed, codes_of, matrix_of, patchy

BOX = GeoBox.of((150, 170), *UTM_BOX)
BEFORE = patchy(BOX.shape)
AFTER = changed(BEFORE)

PLACES = {
    "utm": UTM_BOX,
    "geographic": (Affine(0.01, 0, 12, 0, -0.01, 61), "EPSG:4326"),
    "antimeridian": (Affine(0.01, 0, 179.2, 0, -0.01, 61), "EPSG:4326"),
    "web mercator": (Affine(100, 0, 1e6, 0, -100, 8e6), "EPSG:3857"),
}


def same(one: Transitions, other: Transitions) -> bool:
    return np.array_equal(one.n_pixels, other.n_pixels) and np.array_equal(one.area_units, other.area_units)


def test_pixels_are_those_of_each_pair() -> None:
    found = count_transitions(BOX, LEGEND, BEFORE, AFTER)
    assert np.array_equal(found.n_pixels, matrix_of(codes_of(BEFORE, AFTER), LEGEND.values))
    assert found.codes() == {
        int(code): int(n)
        for code, n in zip(*np.unique(codes_of(BEFORE, AFTER), return_counts=True), strict=True)
        if code
    }


def test_a_map_against_itself_is_diagonal() -> None:
    found = count_transitions(BOX, LEGEND, BEFORE, BEFORE)
    assert np.count_nonzero(found.n_pixels - np.diag(np.diag(found.n_pixels))) == 0
    assert found.changed_share == 0 and found.changed_m2 == 0 and found.total_m2 > 0


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_swapping_transposes(place: tuple[Affine, str]) -> None:
    box = GeoBox.of(BOX.shape, *place)
    there, back = count_transitions(box, LEGEND, BEFORE, AFTER), count_transitions(box, LEGEND, AFTER, BEFORE)
    assert same(there.swapped, back) and not same(there, back)


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_sums_equal_the_areas_of_the_classes_to_the_last_unit(place: tuple[Affine, str]) -> None:
    box = GeoBox.of(BOX.shape, *place)
    both = (BEFORE > 0) & (AFTER > 0)
    found = count_transitions(box, LEGEND, BEFORE, AFTER)
    for axis, values in ((1, BEFORE), (0, AFTER)):
        counter = AreaCounter(box, LEGEND)
        counter.add(0, np.where(both, values, 0).astype(np.uint8))
        rows = counter.rows()
        assert found.n_pixels.sum(axis=axis).tolist() == [row.n_pixels for row in rows]
        assert (found.area_units.sum(axis=axis) * found.unit_m2).tolist() == [row.area_m2 for row in rows]


@pytest.mark.parametrize("name", ["geographic", "antimeridian"])
def test_areas_of_degrees_are_those_on_the_ellipsoid(name: str) -> None:
    affine, crs = PLACES[name]
    box = GeoBox.of((40, 90), affine, crs)
    before, after = np.ones(box.shape, np.uint8), np.ones(box.shape, np.uint8)
    after[10:30, 20:80] = 2
    found = count_transitions(box, LEGEND, before, after)
    west, north = affine @ (20, 10)
    east, south = affine @ (80, 30)
    lons = np.concatenate([np.linspace(west, east, 200), np.linspace(east, west, 200)])
    lats = np.concatenate([np.full(200, south), np.full(200, north)])
    true = abs(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lons, lats)[0])
    assert found.area_m2[0, 1] == pytest.approx(true, rel=1e-4)


@given(st.integers(1, 149), st.integers(1, 169), st.randoms(use_true_random=False))
def test_windows_and_their_order_do_not_matter(row: int, col: int, random) -> None:
    whole = count_transitions(BOX, LEGEND, BEFORE, AFTER)
    parts = [Window(0, 0, row, col), Window(0, col, row, 170 - col), Window(row, 0, 150 - row, 170)]
    random.shuffle(parts)
    one, sums = TransitionCounter(BOX, LEGEND), TransitionCounter(BOX, LEGEND).result()
    for window in parts:
        one.add(window, BEFORE[window.slices], AFTER[window.slices])
        alone = TransitionCounter(BOX, LEGEND)
        alone.add_codes(window, codes_of(BEFORE, AFTER)[window.slices])
        sums += alone.result()
    assert same(one.result(), whole) and same(sums, whole)


def test_gain_loss_net_and_persistence_of_a_class() -> None:
    before = np.array([[1, 1, 1, 2, 2, 0]], np.uint8)
    after = np.array([[1, 2, 2, 2, 1, 1]], np.uint8)
    found = count_transitions(GeoBox.of((1, 6), *UTM_BOX), Legend.of(["a", "b"]), before, after)
    a, b = found.by_class(pixels=True)
    assert a == (1, "a", 3, 2, 1, 2, -1, 1) and b == (2, "b", 2, 3, 2, 1, 1, 1)
    assert found.share_of_before == pytest.approx(np.array([[1 / 3, 2 / 3], [1 / 2, 1 / 2]]), rel=1e-4)
    assert found.share_of_after == pytest.approx(np.array([[1 / 2, 2 / 3], [1 / 2, 1 / 3]]), rel=1e-4)
    assert found.changed_share == pytest.approx(3 / 5, rel=1e-4)


def test_a_class_that_does_not_occur_has_shares_of_0() -> None:
    found = count_transitions(BOX, Legend.of(["water", "tree", "bare", "built", "snow"]), BEFORE, AFTER)
    assert (found.share_of_before[4] == 0).all() and (found.share_of_after[:, 4] == 0).all()


def test_many_classes_are_counted_too() -> None:
    legend = Legend.of([f"class {i}" for i in range(1, 256)])
    rng = np.random.default_rng(5)
    before, after = rng.integers(0, 256, (2, 150, 170)).astype(np.uint8)
    found = count_transitions(BOX, legend, before, after)
    expected = np.zeros((256, 256), np.int64)
    np.add.at(expected, (before.ravel(), after.ravel()), 1)
    assert np.array_equal(found.n_pixels, expected[1:, 1:])


def test_a_value_that_is_in_no_legend_is_refused() -> None:
    painted = AFTER.copy()
    painted[3, 4] = 77
    found = count_transitions(BOX, LEGEND, BEFORE, painted)
    with pytest.raises(InputRefused, match=r"LEGEND: after\.tif: 1 pixels have a value that is in no legend"):
        found.refuse_strays("after.tif")
    count_transitions(BOX, LEGEND, BEFORE, AFTER).refuse_strays("after.tif")


def test_maps_without_a_class_have_no_transitions() -> None:
    found = count_transitions(BOX, Legend(()), np.zeros_like(BEFORE), np.zeros_like(BEFORE))
    assert found.n_pixels.shape == (0, 0) and found.changed_share == 0 and list(found.occurring()) == []
