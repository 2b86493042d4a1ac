"""Recode: codes and names of label files to class values, with the nearest right name in a refusal."""

import numpy as np
import pytest

from geoseg.errors import UsageError
from geoseg.legend import Legend
from geoseg.training.data.recode import CodeTable, Recoding, whole

LEGEND = Legend.of({1: "water", 4: "low vegetation", 5: "built"})


def test_without_a_table_codes_are_values_and_names_are_names() -> None:
    recoding = Recoding.of({}, LEGEND)
    assert [recoding.value_of(word) for word in ("Water ", 4, "5", "5.0", "forest", 9)] == [1, 4, 5, None, None, None]


def test_a_table_takes_codes_and_names_to_values_and_names_and_leaves_out_the_rest() -> None:
    recoding = Recoding.of({11: "water", "21": 5, "Open Forest": "Low Vegetation", 99: 0}, LEGEND)
    assert [recoding.value_of(word) for word in (11, "11", 21, "open forest", 99, 1, "water")] == [
        1,
        1,
        5,
        4,
        0,
        None,
        None,
    ]


def test_an_unknown_target_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"LEGEND: recode to wather: is no class.*did you mean 'water'"):
        Recoding.of({1: "wather"}, LEGEND)
    with pytest.raises(UsageError, match="is given twice"):
        Recoding.of({1: "water", "1": "built"}, LEGEND)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64", "float32", "float64"])
def test_a_table_applies_to_any_type(dtype: str) -> None:
    table = CodeTable.of({3: 1, 200: 5}, 0)
    raw = np.array([[3, 200, 7], [100, 3, 0]], dtype)
    there = np.array([[True, True, True], [True, False, True]])
    assert table.apply(raw, there).tolist() == [[1, 5, 0], [0, 0, 0]]
    assert table.apply(raw, None).tolist() == [[1, 5, 0], [0, 1, 0]]


def test_negative_and_large_codes_count_and_fractions_do_not() -> None:
    table = CodeTable.of({-1: 1, 3_301_010_101: 5}, 255)
    assert table.apply(np.array([-1, 3_301_010_101, 2**40], np.int64), None).tolist() == [1, 5, 255]
    assert table.apply(np.array([-1, -1.5, np.nan, np.inf, 3_301_010_101]), None).tolist() == [1, 255, 255, 255, 5]
    assert CodeTable.of({}, 0).apply(np.array([0, 1], np.int32), None).tolist() == [0, 0]


def test_whole_numbers_are_known_however_they_are_written() -> None:
    assert [whole(word) for word in (3, 3.0, "3", " -3 ", 3.5, "3.5", "x", None, np.nan)] == [3, 3, 3, -3, *[None] * 5]


def test_a_star_stands_for_anything_and_the_same_name_goes_before_it() -> None:
    table = {"tree->tree": "low vegetation", "*->built": "built", "tree->*": "water", "?": 1}
    recoding = Recoding.of(table, LEGEND)
    words = ("tree->tree", "TREE->built", "tree->bare", "built->tree", "x", "built->built")
    assert [recoding.value_of(word) for word in words] == [4, 5, 1, None, None, 5]
    assert Recoding.of({}, Legend.of({1: "*"})).value_of("anything") is None  # a legend's names are no patterns
