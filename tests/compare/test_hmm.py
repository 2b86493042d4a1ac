"""The flicker filter gives the most probable sequence: the one that trying all sequences finds."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.compare.hmm import LEAST, FlickerFilter
from geoseg.compare.map_errors import MapErrors
from geoseg.errors import UsageError


def filter_of(accuracy, stay, dates, values=(1, 2, 3), *, fill=False):
    n = len(values)
    emissions = np.stack([MapErrors.of_accuracy(accuracy, n).matrix] * dates)
    return FlickerFilter(tuple(values), emissions, np.full(dates - 1, float(stay)), fill)


def random_filter(rng, dates, classes, *, fill=True):
    emissions = rng.dirichlet(np.full(classes, 0.5), (dates, classes))
    values = tuple(sorted(rng.choice(np.arange(1, 256), classes, replace=False).tolist()))
    return FlickerFilter(values, emissions, rng.uniform(0.2, 0.99, dates - 1), fill)


def by_trying_all(model, seen):
    """Best sequence of all: by whole costs, then changes, dates that differ, and the legend's order; and its cost."""

    def whole(p):
        return round(-math.log(max(p, LEAST)) * 2**20)

    n, best = len(model.values), None
    for path in itertools.product(range(n), repeat=len(seen)):
        cost = changes = differs = 0
        for t, a in enumerate(path):
            if seen[t]:
                o = model.values.index(seen[t])
                cost += whole(model.emissions[t, a, o])
                differs += a != o
            if t:
                same = path[t - 1] == a
                p = model.stay[t - 1]
                cost += whole(p if same else (1 - p) / (n - 1))
                changes += not same
        key = (cost, changes, differs, path)
        best = key if best is None or key < best else best
    return [model.values[a] for a in best[3]]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 4))
def test_the_answer_is_that_of_trying_all_sequences(seed, dates, classes):
    rng = np.random.default_rng(seed)
    model = random_filter(rng, dates, classes)
    seen = rng.choice([0, *model.values], (6, dates)).astype(np.uint8)
    for row, got in zip(seen.tolist(), model.apply(seen).tolist(), strict=True):
        assert got == (by_trying_all(model, row) if any(row) else [0] * dates)


@settings(max_examples=12)
@given(st.integers(2, 5), st.sampled_from([0.4, 0.5, 0.75, 0.9]), st.sampled_from([1 / 3, 0.5, 0.75, 0.9]))
def test_ties_are_broken_as_stated(dates, accuracy, stay):
    """Probabilities that repeat make many sequences equal; all possible observations of three classes are tried."""
    model = filter_of(accuracy, stay, dates, fill=True)
    seen = np.array(list(itertools.product([0, 1, 2, 3], repeat=dates)), np.uint8)[:: max(4**dates // 100, 1)]
    for row, got in zip(seen.tolist(), model.apply(seen).tolist(), strict=True):
        assert got == (by_trying_all(model, row) if any(row) else [0] * dates)


def test_one_date_of_another_class_is_flicker_and_a_lasting_change_stays():
    model = filter_of(0.9, 0.95, 5)
    seen = np.array([[1, 1, 2, 1, 1], [1, 1, 2, 2, 2], [1, 2, 1, 2, 1], [3, 3, 3, 3, 3]], np.uint8)
    assert model.apply(seen).tolist() == [[1, 1, 1, 1, 1], [1, 1, 2, 2, 2], [1, 1, 1, 1, 1], [3, 3, 3, 3, 3]]


def test_maps_without_errors_are_left_alone():
    rng = np.random.default_rng(1)
    seen = rng.integers(0, 4, (200, 6)).astype(np.uint8)
    assert (filter_of(1 - 1e-8, 0.5, 6).apply(seen) == seen).all()


def test_a_date_without_data_says_nothing_and_stays_empty_unless_it_is_to_be_filled():
    seen = np.array([[1, 0, 1, 2, 1], [0, 0, 2, 2, 2], [0, 0, 0, 0, 0], [1, 1, 0, 0, 2]], np.uint8)
    kept = filter_of(0.9, 0.95, 5).apply(seen)
    filled = filter_of(0.9, 0.95, 5, fill=True).apply(seen)
    assert kept.tolist()[:3] == [[1, 0, 1, 1, 1], [0, 0, 2, 2, 2], [0, 0, 0, 0, 0]]
    assert ((kept == 0) == (seen == 0)).all()
    assert filled.tolist()[:3] == [[1, 1, 1, 1, 1], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0]]
    assert (filled[kept != 0] == kept[kept != 0]).all()


def test_the_confusion_matters_which_class_is_mistaken_for_which():
    """Class 2 is often mapped as 3, never as 1: a 3 among 2s is taken for an error, a 1 among 2s less easily."""
    emission = np.array([[0.98, 0.01, 0.01], [0.001, 0.7, 0.299], [0.01, 0.01, 0.98]])
    model = FlickerFilter((1, 2, 3), np.stack([emission] * 3), np.full(2, 0.8))
    assert model.apply(np.array([[2, 3, 2], [2, 1, 2]], np.uint8)).tolist() == [[2, 2, 2], [2, 1, 2]]


def test_sequences_are_filtered_each_for_itself():
    rng = np.random.default_rng(4)
    model = random_filter(rng, 6, 5)
    seen = rng.choice([0, *model.values], (300, 6)).astype(np.uint8)
    order = rng.permutation(300)
    assert (model.apply(seen)[order] == model.apply(seen[order])).all()


def test_a_single_class_and_many_dates_are_no_trouble():
    assert filter_of(0.9, 0.9, 3, (7,)).apply(np.array([[7, 0, 7]], np.uint8)).tolist() == [[7, 0, 7]]
    rng = np.random.default_rng(2)
    seen = rng.choice([4, 9], (50, 120)).astype(np.uint8)
    assert filter_of(0.9, 1 - 1e-9, 120, (4, 9)).apply(seen).shape == (50, 120)


@pytest.mark.parametrize("stay", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_stay_that_is_no_probability_is_refused(stay):
    with pytest.raises(UsageError, match="STAY"):
        filter_of(0.9, stay, 3)


def test_errors_that_are_no_distributions_and_too_many_dates_are_refused():
    with pytest.raises(UsageError, match="ERRORS"):
        FlickerFilter((1, 2), np.ones((3, 2, 2)), np.full(2, 0.9))
    with pytest.raises(UsageError, match="ERRORS"):
        FlickerFilter((1, 2), np.ones((2, 2, 2)) / 2, np.full(2, 0.9))
    with pytest.raises(UsageError, match="DATES"):
        filter_of(0.9, 0.9, 121)


def test_the_model_travels_and_says_what_it_assumes():
    model = pickle.loads(pickle.dumps(filter_of(0.9, 0.95, 3)))
    facts = model.facts(["1985", "2000", "2020"], ["a", "b", "c"])
    assert facts["stay"][1] == {"from": "2000", "to": "2020", "probability": 0.95}
    assert facts["emission"]["maps"][0]["matrix"][0] == [0.9, 0.05, 0.05]
