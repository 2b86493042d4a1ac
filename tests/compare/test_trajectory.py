"""Trajectories equal what a dictionary over pixels counts, for any windows in any order."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.compare import trajectory
from geoseg.compare.hmm import FlickerFilter
from geoseg.compare.map_errors import MapErrors
from geoseg.compare.sequence_kernels import number_sequences
from geoseg.compare.trajectory import Filtered, SequenceCounter, Sequences, Trajectories, sequences_of
from geoseg.errors import ResourceError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.vector.lattice import Lattice
from geoseg.vector.measure import AreaCounter

UTM = "EPSG:32632"


def geobox_of(shape):
    return GeoBox(shape, (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0), UTM)


def counted(maps, windows, lattice, flicker=None):
    counter = SequenceCounter(len(maps))
    for window in windows:
        found = sequences_of([date[window.slices] for date in maps], window, lattice)
        counter.add(Filtered.of(found, flicker).sequences)
    return counter.table()


def tiles(shape, high, wide):
    return [
        Window(r, c, min(high, shape[0] - r), min(wide, shape[1] - c))
        for r in range(0, shape[0], high)
        for c in range(0, shape[1], wide)
    ]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))
def test_the_table_is_that_of_a_dictionary_for_any_windows(seed, dates, classes, high, wide):
    rng = np.random.default_rng(seed)
    shape = (23, 31)
    maps = rng.integers(0, classes + 1, (dates, *shape)).astype(np.uint8)
    maps[:, 4:15] = maps[:, 4:5]  # runs
    windows = tiles(shape, high, wide)
    found = counted(maps, [windows[i] for i in rng.permutation(len(windows))], Lattice(geobox_of(shape)))
    wanted = collections.Counter(map(tuple, maps.reshape(dates, -1).T.tolist()))
    assert [tuple(row) for row in found.rows.tolist()] == sorted(wanted)
    assert found.n_pixels.tolist() == [wanted[key] for key in sorted(wanted)]


def test_numbers_and_areas_do_not_depend_on_windows_and_areas_are_true_on_degrees():
    rng = np.random.default_rng(3)
    shape = (700, 90)
    maps = rng.integers(0, 3, (3, *shape)).astype(np.uint8)
    box = GeoBox(shape, (0.1, 0.0, 175.0, 0.0, -0.1, 35.0), "EPSG:4326")  # over the antimeridian and the equator
    lattice = Lattice(box)
    whole = counted(maps, [Window(0, 0, *shape)], lattice)
    parts = counted(maps, tiles(shape, 64, 37)[::-1], lattice)
    assert (whole.rows == parts.rows).all() and (whole.area == parts.area).all()
    counter = AreaCounter(box, Legend.of(["a", "b"]))
    counter.add(0, maps[1])
    areas = {row.class_id: row.area_m2 for row in counter.rows()}
    for value in (1, 2):
        assert whole.area[whole.rows[:, 1] == value].sum() * lattice.unit_m2 == areas[value]


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 4))
def test_each_pixel_gets_the_number_of_its_own_sequence(seed, dates, classes):
    rng = np.random.default_rng(seed)
    shape = (12, 17)
    maps = rng.integers(0, classes + 1, (dates, *shape)).astype(np.uint8)
    found = Trajectories.of(counted(maps, [Window(0, 0, *shape)], Lattice(geobox_of(shape))))
    numbers = found.number(list(maps))
    table = np.concatenate([np.zeros((1, dates), np.uint8), found.rows])
    assert (table[numbers].transpose(2, 0, 1) == maps).all()
    assert (np.bincount(numbers.ravel(), minlength=len(found) + 1)[1:] == found.n_pixels).all()
    assert (np.diff(found.n_pixels) <= 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_changes_are_those_between_dates_with_data(seed, dates):
    rows = np.unique(np.random.default_rng(seed).integers(0, 4, (40, dates)).astype(np.uint8), axis=0)
    found = Trajectories(rows, np.ones(len(rows), np.int64), np.ones(len(rows), np.int64))
    for i, row in enumerate(rows.tolist()):
        seen = [(date, value) for date, value in enumerate(row) if value]
        changed = [b[0] for a, b in itertools.pairwise(seen) if a[1] != b[1]]
        assert found.n_changes[i] == len(changed)
        assert found.first_change[i] == (changed[0] if changed else 0)
        assert found.last_change[i] == (changed[-1] if changed else 0)


def test_transitions_between_dates_are_those_of_the_maps():
    rng = np.random.default_rng(5)
    shape = (40, 40)
    maps = rng.integers(0, 5, (4, *shape)).astype(np.uint8)
    found = Trajectories.of(counted(maps, tiles(shape, 16, 16), Lattice(geobox_of(shape))))
    pixels, area = found.transitions(1, 2)
    wanted = np.zeros((256, 256), np.int64)
    np.add.at(wanted, (maps[1].ravel(), maps[2].ravel()), 1)
    lost = int(((maps == 0).all(axis=0)).sum())  # pixels of no data at all have no trajectory
    wanted[0, 0] -= lost
    assert (pixels == wanted).all()
    assert area.sum() * Lattice(geobox_of(shape)).unit_m2 == pytest.approx((1600 - lost) * 100, rel=2e-3)


def test_the_filter_works_on_sequences_as_on_pixels():
    rng = np.random.default_rng(6)
    shape = (30, 20)
    maps = np.repeat(rng.integers(1, 4, (1, *shape)), 5, axis=0).astype(np.uint8)
    maps[rng.random(maps.shape) < 0.1] = 2
    model = FlickerFilter((1, 2, 3), np.stack([MapErrors.of_accuracy(0.9, 3).matrix] * 5), np.full(4, 0.95))
    each = model.apply(maps.reshape(5, -1).T.copy()).T.reshape(maps.shape)
    lattice = Lattice(geobox_of(shape))
    found = counted(maps, tiles(shape, 7, 9), lattice, model)
    plain = counted(each, tiles(shape, 30, 20), lattice)
    assert (found.rows == plain.rows).all() and (found.area == plain.area).all()
    numbered = Trajectories.of(found)
    assert (numbered.number(list(maps), model) == numbered.number(list(each))).all()


def test_many_sequences_make_the_tables_grow():
    stack = np.random.default_rng(7).integers(0, 256, (5, 20_000)).astype(np.uint8)
    ids, rows = number_sequences(stack)
    assert (rows[ids].T == stack).all()
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_too_many_sequences_are_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(trajectory, "MOST_SEQUENCES", 10)
    counter = SequenceCounter(2)
    rows = np.indices((4, 4)).reshape(2, -1).T.astype(np.uint8)
    counter.add(Sequences(np.ascontiguousarray(rows), np.ones(16, np.int64), np.ones(16, np.int64)))
    with pytest.raises(ResourceError, match="--flicker"):
        counter.table()


def test_nothing_at_all_has_no_trajectory():
    maps = np.zeros((3, 4, 4), np.uint8)
    found = Trajectories.of(counted(maps, [Window(0, 0, 4, 4)], Lattice(geobox_of((4, 4)))))
    assert len(found) == 0 and (found.number(list(maps)) == 0).all()
    assert found.n_changes.shape == found.first_change.shape == found.last_change.shape == (0,)
