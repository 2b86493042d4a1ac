"""Boundary scores against a slow count by distances, and against cases worked by hand."""

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid.geobox import GeoBox, Window
from geoseg.training.scoring.boundary import (
    BoundaryCounts,
    Disc,
    boundary_f1,
    boundary_iou,
    boundary_kinds,
    ground_size,
)
from tests.helpers.mapping import WKT, box

NONE = 255


def slow_kinds(label: np.ndarray, mask: np.ndarray, distance: float, size: tuple[float, float]) -> np.ndarray:
    """The definition, pixel by pixel: distances between centres, edges by four neighbours."""
    shape = label.shape
    pixels = [(i, j) for i in range(shape[0]) for j in range(shape[1])]

    def near(a: tuple[int, int], b: tuple[int, int], far: float) -> bool:
        return math.hypot((a[0] - b[0]) * size[1], (a[1] - b[1]) * size[0]) <= far * 1.01

    def beside_other(index: np.ndarray, p: tuple[int, int], q: tuple[int, int]) -> bool:
        return index[p] != NONE and index[q] != NONE and index[p] != index[q]

    def edges(index: np.ndarray) -> set[tuple[int, int]]:
        return {
            p for p in pixels for q in pixels if abs(p[0] - q[0]) + abs(p[1] - q[1]) == 1 and beside_other(index, p, q)
        }

    def band(index: np.ndarray) -> set[tuple[int, int]]:
        return {p for p in pixels for q in pixels if near(p, q, distance) and beside_other(index, p, q)}

    def matched(own: np.ndarray, other: np.ndarray) -> set[tuple[int, int]]:
        return {p for p in edges(own) for q in edges(other) if near(p, q, distance) and own[p] == other[q]}

    in_mask, in_label = band(mask), band(label)
    both = {p for p in in_mask & in_label if label[p] == mask[p]}
    found = [edges(mask), matched(mask, label), edges(label), matched(label, mask), in_mask, in_label, both]
    return np.array([[[(i, j) in kind for j in range(shape[1])] for i in range(shape[0])] for kind in found])


def of(label: np.ndarray, mask: np.ndarray, disc: Disc, classes: int) -> BoundaryCounts:
    kinds = boundary_kinds(label, mask, disc, classes)
    rows = [np.bincount((mask if BoundaryCounts.of_mask(k) else label)[kinds[k]], minlength=classes) for k in range(7)]
    return BoundaryCounts(np.array(rows))


def maps(seed: int, rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
    """Label and mask of one small scene; the mask is unknown wherever the label is, and here and there beside."""
    label, mask = np.random.default_rng(seed).choice(np.array([0, 1, 1, 2, NONE], np.uint8), (2, rows, cols))
    mask[label == NONE] = NONE
    return label, mask


@pytest.mark.parametrize("size", [(10.0, 10.0), (10.0, 7.0), (4.0, 9.0)])
@pytest.mark.parametrize("distance", [10.0, 15.0, 20.0, 32.0, 100.0])
def test_counts_are_those_of_the_definition(distance: float, size: tuple[float, float]) -> None:
    for seed, shape in enumerate([(1, 1), (1, 6), (6, 1), (3, 5), (5, 4), (6, 6), (6, 6)]):
        pair = maps(seed, *shape)
        assert np.array_equal(boundary_kinds(*pair, Disc.of(distance, size), 3), slow_kinds(*pair, distance, size))


@given(st.integers(0, 9), st.integers(1, 20), st.integers(1, 20), st.sampled_from([1.0, 2.0, 3.5, 6.0]))
def test_a_window_with_its_margin_has_the_counts_of_the_whole(seed: int, row: int, col: int, distance: float) -> None:
    rng = np.random.default_rng(seed)
    label, mask = rng.choice(np.array([0, 1, 2, NONE], np.uint8), (2, 24, 26))
    mask[label == NONE] = NONE
    disc = Disc.of(distance, (1.0, 1.2))
    whole = boundary_kinds(label, mask, disc, 3)
    window = Window(row, col, min(7, 24 - row), min(9, 26 - col))
    around = window.buffer(disc.margin, label.shape)
    part = boundary_kinds(label[around.slices], mask[around.slices], disc, 3)
    assert np.array_equal(part[:, *window.within(around).slices], whole[:, *window.slices])


def stripes(first: int) -> np.ndarray:
    """Class 0 left of column ``first``, class 1 from there."""
    return (np.arange(10)[None] >= first).astype(np.uint8) * np.ones((4, 1), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "expected_f1", "expected_iou"),
    [(1, 0.0, 0.0), (2, 1.0, 0.0), (3, 1.0, 1 / 5), (4, 1.0, 2 / 6)],
)
def test_an_outline_that_is_two_pixels_off(pixels: int, expected_f1: float, expected_iou: float) -> None:
    """Class 0 is columns 0-4 and mapped as 0-6: outlines in 4 and 6; bands of 3 pixels: 2-4 and 4-6, one of five in both."""
    found = of(stripes(5), stripes(7), Disc.of(10.0 * pixels, (10.0, 10.0)), 2)
    assert boundary_f1(found)[0] == expected_f1
    assert boundary_iou(found)[0] == pytest.approx(expected_iou)


def test_distances_are_metres_whatever_the_pixels_sides() -> None:
    label, mask = stripes(5).T.copy(), stripes(7).T.copy()  # two pixels off along rows
    assert boundary_f1(of(label, mask, Disc.of(20.0, (30.0, 10.0)), 2)).tolist() == [1, 1]
    assert boundary_f1(of(label, mask, Disc.of(20.0, (10.0, 30.0)), 2)).tolist() == [0, 0]


def test_what_is_not_scored_has_no_outline() -> None:
    label = stripes(5)
    label[:, 4:6] = NONE  # the outline itself is unknown
    found = of(label, label, Disc.of(10.0, (10.0, 10.0)), 2)
    assert not found.counts.any()
    assert np.isnan(boundary_f1(found)).all() and np.isnan(boundary_iou(found)).all()


def test_a_perfect_map_scores_one_and_a_map_without_outlines_zero() -> None:
    disc = Disc.of(20.0, (10.0, 10.0))
    perfect = of(stripes(5), stripes(5), disc, 2)
    assert boundary_f1(perfect).tolist() == boundary_iou(perfect).tolist() == [1, 1]
    flat = of(stripes(5), np.zeros((4, 10), np.uint8), disc, 2)
    assert boundary_f1(flat).tolist() == boundary_iou(flat).tolist() == [0, 0]
    assert np.array_equal(flat.counts, perfect.without_map())


def test_more_classes_than_an_integer_has_bits() -> None:
    rng = np.random.default_rng(0)
    label, mask = rng.integers(0, 150, (2, 9, 9)).astype(np.uint8)
    assert np.array_equal(
        boundary_kinds(label, mask, Disc.of(2.0, (1.0, 1.0)), 150), slow_kinds(label, mask, 2.0, (1.0, 1.0))
    )


def test_the_ground_size_of_a_pixel_is_that_on_the_ellipsoid() -> None:
    x, y = ground_size(box((100, 100)), 50, 50)
    assert (x, y) == (pytest.approx(10 / 0.9996, rel=1e-5), pytest.approx(10 / 0.9996, rel=1e-5))
    degrees = GeoBox.of((100, 100), Affine(0.001, 0, 10, 0, -0.001, 60), WKT[4326])
    x, y = ground_size(degrees, 0, 0)
    assert (x, y) == (pytest.approx(55.8, rel=1e-3), pytest.approx(111.4, rel=1e-3))
    mercator = GeoBox.of((10, 10), Affine(10, 0, 0, 0, -10, 8399737.9), WKT[3857])  # 60 degrees north: twice too large
    assert ground_size(mercator, 0, 0)[0] == pytest.approx(5, rel=0.01)
