"""Joined legends: what belongs together is joined, what may not is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoseg.compare.joined import join_legends
from geoseg.errors import InputRefused, UsageError
from geoseg.legend import Legend
from geoseg.raster.classes import ClassRaster, open_classes
from tests.helpers.changes import write_map
from tests.helpers.rasters import write_raster


def raster(path: Path, legend: Legend) -> ClassRaster:
    values = np.array([[*legend.values, legend.nodata]], np.uint8)
    return open_classes(write_map(path, values, legend))


def plain(path: Path, values: list[int]) -> ClassRaster:
    """A raster whose values have no names."""
    return open_classes(write_raster(path, np.array([[values]], np.uint8), nodata=0))


def test_equal_legends_keep_their_values(tmp_path: Path) -> None:
    legend = Legend.of({2: "water", 7: "tree"})
    joined = join_legends([raster(tmp_path / "a.tif", legend), raster(tmp_path / "b.tif", legend)])
    assert joined.legend == legend and joined.notes == ()
    assert [int(joined.tables[1][v]) for v in (0, 2, 7)] == [0, 2, 7]


def test_other_values_are_joined_by_name_whatever_its_case(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "Water", 2: "tree"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "TREE", 5: "water"}))
    joined = join_legends([a, b])
    assert joined.legend.names == {1: "Water", 2: "tree"}
    assert [int(joined.tables[1][v]) for v in (1, 5)] == [2, 1]
    assert "joined by name" in joined.notes[0]


def test_a_class_that_owns_0_gets_another_value(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({0: "sea", 1: "land"}))
    joined = join_legends([a, a])
    assert joined.legend.nodata == 0 and set(joined.legend.names.values()) == {"sea", "land"}
    assert 0 not in joined.legend.values and joined.tables[0][255] == 0
    assert joined.legend.names[int(joined.tables[0][0])] == "sea"


def test_names_on_both_sides_that_the_other_lacks_are_refused_with_both(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "water", 2: "forest"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "water", 2: "tree"}))
    with pytest.raises(InputRefused, match=r"LEGEND: .*a.tif alone has 2 forest; b.tif alone has 2 tree.*--recode"):
        join_legends([a, b])


@pytest.mark.parametrize("recode", [{"forest": "tree"}, {"FOREST": "tree"}, {"before:2": "tree"}, {"1:forest": "tree"}])
def test_recode_says_what_belongs_together(tmp_path: Path, recode: dict[str, str]) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "water", 2: "forest"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "water", 2: "tree"}))
    joined = join_legends([a, b], recode)
    assert joined.legend.names == {1: "water", 2: "tree"} and joined.tables[0][2] == joined.tables[1][2] == 2


def test_recode_joins_drops_and_keeps_a_class_of_one_map(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "water", 2: "oak", 3: "pine", 4: "cloud"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "water", 2: "tree", 3: "snow"}))
    joined = join_legends([a, b], {"oak": "tree", "pine": "tree", "cloud": "nodata", "snow": "snow"})
    assert sorted(joined.legend.names.values()) == ["snow", "tree", "water"]
    names = joined.legend.names
    assert [names.get(int(joined.tables[0][v])) for v in (1, 2, 3, 4)] == ["water", "tree", "tree", None]


def test_a_class_that_only_one_map_has_is_taken_and_said(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "water", 2: "tree", 3: "snow"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "water", 2: "tree"}))
    joined = join_legends([a, b])
    assert joined.legend.names == {1: "water", 2: "tree", 3: "snow"}
    assert joined.notes == ("a.tif has classes that b.tif has not: 3 snow",)


def test_values_without_names_are_their_own_names(tmp_path: Path) -> None:
    joined = join_legends([plain(tmp_path / "a.tif", [1, 2]), plain(tmp_path / "b.tif", [2, 9])])
    assert joined.legend.names == {1: "1", 2: "2", 9: "9"}
    assert joined.notes == ("a.tif has classes that b.tif has not: 1", "b.tif has classes that a.tif has not: 9")


def test_values_without_names_of_which_none_is_in_both_are_two_legends(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"LEGEND: .*a\.tif alone has 1, 2; b\.tif alone has 11, 21"):
        join_legends([plain(tmp_path / "a.tif", [1, 2]), plain(tmp_path / "b.tif", [11, 21])])


def test_values_without_names_do_not_go_with_names(tmp_path: Path) -> None:
    named = raster(tmp_path / "a.tif", Legend.of({1: "water", 2: "tree"}))
    with pytest.raises(InputRefused, match="LEGEND"):
        join_legends([named, plain(tmp_path / "b.tif", [1, 2])])
    joined = join_legends([named, plain(tmp_path / "b.tif", [1, 2])], {"after:1": "water", "after:2": "tree"})
    assert joined.legend.names == {1: "water", 2: "tree"}


def test_a_recode_of_a_class_that_no_map_has_is_told(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "water"}))
    with pytest.raises(UsageError, match=r"LEGEND: recode of ice: no map has this class\. There are: a.tif: 1 water"):
        join_legends([a, a], {"ice": "water"})


def test_a_value_that_is_in_no_legend_is_told_from_all_classes(tmp_path: Path) -> None:
    a = raster(tmp_path / "a.tif", Legend.of({1: "Water", 2: "tree"}))
    b = raster(tmp_path / "b.tif", Legend.of({1: "TREE", 5: "water"}))
    joined = join_legends([a, b])
    assert int(joined.tables[1][77]) not in (0, *joined.legend.values)
