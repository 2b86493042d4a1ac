"""Draws: every pixel of a stratum alike, none twice, the same for any blocks."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from geoseg.accuracy.draw import Border, Census, Drawn, Frame, count, draw, ranks, strips_of
from geoseg.accuracy.strata import Part, Rule, decide
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.lattice import Lattice
from geoseg.vector.measure import AreaCounter
from tests.helpers.sampling import LEGEND, UTM_BOX, patches

RULE = Rule(frozenset(range(65536)), {}, 0, "border", lambda value: "other classes")


def frame_of(values: np.ndarray, border: Border | None = None, box: GeoBox = UTM_BOX) -> Frame:
    def read(window: Window) -> np.ndarray:
        return np.ascontiguousarray(values[window.slices])

    return Frame(read, Lattice(GeoBox(values.shape, box.transform, box.crs)), 0, border)


def drawn_from(
    values: np.ndarray,
    samples: int,
    *,
    seed: int = 0,
    border: Border | None = None,
    block_size: int = 64,
    threads: int = 1,
) -> tuple[Census, list[Part], Drawn]:
    frame = frame_of(values, border)
    census = count(frame, block_size=block_size, threads=threads)
    parts = decide(census.cells, LEGEND, RULE)
    return census, parts, draw(frame, census, parts, [samples] * len(parts), seed=seed, threads=threads)


def parallel_area(north: float, south: float) -> float:
    """Area in m² between two parallels of WGS 84 (Snyder 1987, equation 3-12)."""
    e = 0.0818191908426215
    sine = np.sin(np.radians([south, north]))
    q = (1 - e**2) * (sine / (1 - e**2 * sine**2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))
    return float(np.pi * 6378137.0**2 * (q[1] - q[0]))


def test_every_set_of_ranks_is_equally_likely() -> None:
    seen = Counter(frozenset(ranks(6, 3, (seed,)).tolist()) for seed in range(4000))
    assert set(seen) == {frozenset(s) for s in itertools.combinations(range(6), 3)}
    assert chisquare(list(seen.values())).pvalue > 1e-3


def test_the_order_of_ranks_is_random_too() -> None:
    seen = Counter(tuple(ranks(3, 3, (seed, 1)).tolist()) for seed in range(3000))
    assert len(seen) == 6
    assert chisquare(list(seen.values())).pvalue > 1e-3


@pytest.mark.parametrize("n_pixels", [1, 2, 50, 1 << 33])
def test_ranks_are_different_and_shorter_draws_begin_longer_ones(n_pixels: int) -> None:
    most = min(n_pixels, 50)
    longest = ranks(n_pixels, most, (7, 3))
    assert len(set(longest.tolist())) == most
    assert longest.min() >= 0
    assert longest.max() < n_pixels
    for n in range(most):
        assert (ranks(n_pixels, n, (7, 3)) == longest[:n]).all()


def test_a_seed_means_the_same_pixels_as_ever() -> None:
    """Who adds samples to labelled ones needs the old ones again: a change here, or in NumPy's streams, is to be told."""
    assert ranks(1000, 5, (0, 1)).tolist() == [522, 889, 992, 558, 305]
    assert ranks(1 << 40, 3, (7, 2)).tolist() == [305631557448, 489451035943, 1026656234349]


def test_all_of_a_stratum_is_a_permutation_of_it() -> None:
    assert sorted(ranks(500, 500, (1,)).tolist()) == list(range(500))


def test_pixels_of_a_stratum_are_drawn_alike() -> None:
    """150 draws of 30 of about 300 pixels of each class: every pixel's count is binomial, in rows, columns and quarters."""
    values = patches((30, 30), (1, 2, 3), size=5)
    times = np.zeros(values.shape)
    for seed in range(150):
        _, _, drawn = drawn_from(values, 30, seed=seed, block_size=90)
        np.add.at(times, (drawn.row, drawn.col), 1)
    for value in (1, 2, 3):
        own = values == value
        assert times[own].sum() == 150 * 30
        assert chisquare(times[own]).pvalue > 1e-3
        expected = own * 150 * 30 / own.sum()
        for axis in (0, 1):
            some = expected.sum(axis=axis) > 0
            assert chisquare(times.sum(axis=axis, where=own)[some], expected.sum(axis=axis)[some]).pvalue > 1e-3


def test_samples_are_different_pixels_of_their_stratum() -> None:
    values = patches((90, 70), (0, 1, 2, 3))
    _, parts, drawn = drawn_from(values, 200)
    assert len(set(zip(drawn.row.tolist(), drawn.col.tolist(), strict=True))) == 600
    assert (values[drawn.row, drawn.col] == drawn.value).all()
    assert [parts[i].map_class for i in drawn.part] == drawn.value.tolist()


@pytest.mark.parametrize("border", [None, Border(2.0, False, None, 2)])
def test_blocks_and_threads_do_not_matter(border: Border | None) -> None:
    values = patches((90, 70), (0, 1, 2, 3))
    reference = drawn_from(values, 40, border=border, block_size=1000)
    for block_size, threads in ((1, 1), (9, 1), (13, 3), (64, 2)):
        census, parts, drawn = drawn_from(values, 40, border=border, block_size=block_size, threads=threads)
        assert parts == reference[1]
        assert (census.cells.n_pixels == reference[0].cells.n_pixels).all()
        assert (census.cells.units == reference[0].cells.units).all()
        for name in ("part", "row", "col", "value", "units"):
            assert (getattr(drawn, name) == getattr(reference[2], name)).all()


def test_counts_and_areas_are_the_rasters() -> None:
    values = patches((90, 70), (0, 1, 2, 3))
    box = GeoBox.of(values.shape, UTM_BOX.affine, UTM_BOX.crs)
    census, _, _ = drawn_from(values, 1, border=Border(3.0, False, None, 3))
    counter = AreaCounter(box, LEGEND)
    counter.add(0, values)
    unit = Lattice(box).unit_m2
    for row in counter.rows():
        assert census.cells.n_pixels[:, row.class_id].sum() == row.n_pixels
        assert census.cells.units[:, row.class_id].sum() * unit == row.area_m2
    assert census.cells.n_pixels.sum() == (values != 0).sum()


def test_a_border_stratum_holds_the_pixels_near_borders() -> None:
    values = patches((90, 70), (0, 1, 2, 3), size=11)
    frame = frame_of(values, Border(2.0, False, None, 2))
    _, near = frame.classes(0, 90)
    census, parts, drawn = drawn_from(values, 30, border=frame.border)
    assert near is not None
    assert [part.name for part in parts] == ["water", "tree", "bare", "border"]
    assert census.cells.n_pixels[1].sum() == near.sum()
    assert (near[drawn.row, drawn.col] == (drawn.part == 3)).all()
    assert set(drawn.value[drawn.part == 3].tolist()) == {1, 2, 3}


def test_each_sample_has_its_pixels_area() -> None:
    values = patches((60, 40), (1, 2))
    degrees = GeoBox((60, 40), (0.5, 0.0, -20.0, 0.0, -0.5, 75.0), "EPSG:4326")
    frame = frame_of(values, box=degrees)
    census = count(frame, block_size=16, threads=1)
    parts = decide(census.cells, LEGEND, RULE)
    everything = [int(census.cells.n_pixels[0, part.value].sum()) for part in parts]
    drawn = draw(frame, census, parts, everything, seed=0, threads=1)
    for i, part in enumerate(parts):
        assert drawn.units[drawn.part == i].sum() == census.cells.units[0, part.value]
    for row in (0, 59):
        area = drawn.units[drawn.row == row] * frame.lattice.unit_m2
        assert area == pytest.approx(np.full(40, parallel_area(75 - row / 2, 74.5 - row / 2) / 720), rel=1e-4)


def test_a_draw_of_one_stratum_does_not_depend_on_the_others() -> None:
    values = patches((40, 40), (1, 2, 3))
    without = np.where(values == 3, 0, values).astype(np.uint16)
    _, _, drawn = drawn_from(values, 20, seed=4)
    _, _, fewer = drawn_from(without, 20, seed=4)
    assert (drawn.row[drawn.part < 2] == fewer.row).all()


def test_strips_cover_every_row_once() -> None:
    for shape, block_size in (((1, 1), 2048), ((5000, 300), 64), ((513, 100_000), 2048), ((3000, 2048), 2048)):
        strips = strips_of(shape, block_size)
        assert [row for first, high in strips for row in range(first, first + high)] == list(range(shape[0]))
    assert strips_of((3000, 2048), 2048)[0] == (0, 2048)
