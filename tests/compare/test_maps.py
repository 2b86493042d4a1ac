"""Maps: dates on one grid, in one legend; what does not fit is refused with what to do about it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geoseg.compare.open_maps import open_maps, open_pair
from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from tests.helpers.changes import LEGEND, changed, patchy, write_map, write_run
from tests.helpers.rasters import write_raster

BEFORE = patchy((40, 50), seed=6)
AFTER = changed(BEFORE, seed=6)
WHOLE = Window(0, 0, 40, 50)
CRS = "EPSG:32632"


def moved(dx: float, dy: float, res: float = 10.0) -> tuple[Affine, str]:
    return Affine(res, 0, 500_000 + dx, 0, -res, 5_400_000 - dy), CRS


def test_two_maps_of_one_grid_are_read_as_they_are(tmp_path: Path) -> None:
    pair = open_pair(write_map(tmp_path / "a.tif", BEFORE), write_map(tmp_path / "b.tif", AFTER))
    before, after = pair.read(WHOLE)
    assert np.array_equal(before, BEFORE) and np.array_equal(after, AFTER) and before.dtype == np.uint8
    assert pair.notes == () and pair.legend == LEGEND and pair.read_confidence(WHOLE) == (None, None)
    assert pair.read_probabilities(WHOLE) is None and (pair.before.name, pair.after.name) == ("a", "b")


def test_a_pair_travels(tmp_path: Path) -> None:
    pair = open_pair(write_map(tmp_path / "a.tif", BEFORE), write_map(tmp_path / "b.tif", AFTER))
    there = pickle.loads(pickle.dumps(pair))
    assert all(np.array_equal(one, other) for one, other in zip(there.read(WHOLE), pair.read(WHOLE), strict=True))


def test_swapped_maps_are_swapped(tmp_path: Path) -> None:
    pair = open_pair(write_map(tmp_path / "a.tif", BEFORE), write_map(tmp_path / "b.tif", AFTER)).swapped
    assert np.array_equal(pair.read(WHOLE)[0], AFTER) and pair.before.name == "b"


def test_only_what_both_cover_is_compared_and_that_is_said(tmp_path: Path) -> None:
    write_map(tmp_path / "a.tif", BEFORE)
    write_map(tmp_path / "b.tif", AFTER, place=moved(200, 100))
    pair = open_pair(tmp_path / "a.tif", tmp_path / "b.tif")
    assert (
        pair.geobox.shape == (30, 30) and pair.geobox.transform[2] == 500_200 and pair.geobox.transform[5] == 5_399_900
    )
    before, after = pair.read(Window(0, 0, 30, 30))
    assert np.array_equal(before, BEFORE[10:, 20:]) and np.array_equal(after, AFTER[:30, :30])
    assert pair.notes == (
        "only what all maps cover is compared: 45.0% of a",
        "only what all maps cover is compared: 45.0% of b",
    )


def test_maps_without_common_ground_are_refused(tmp_path: Path) -> None:
    write_map(tmp_path / "a.tif", BEFORE)
    write_map(tmp_path / "b.tif", AFTER, place=moved(20_000, 0))
    with pytest.raises(InputRefused, match=r"GRID: .*shares no ground"):
        open_pair(tmp_path / "a.tif", tmp_path / "b.tif")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (moved(4, 3), "0.400 px beside and 0.300 px above or below"),
        (moved(0, 0, 20.0), "pixels of 20 m instead of 10 m"),
        ((Affine(0.0001, 0, 9, 0, -0.0001, 48.75), "EPSG:4326"), "EPSG:4326 instead of EPSG:32632"),
        ((Affine(10, 0, 500_000, 0, 10, 5_399_600), CRS), "other directions"),
    ],
)
def test_another_grid_is_refused_with_the_remedy_and_aligned_when_told(
    tmp_path: Path, place: tuple[Affine, str], said: str
) -> None:
    write_map(tmp_path / "a.tif", BEFORE)
    write_map(tmp_path / "b.tif", AFTER, place=place)
    with pytest.raises(InputRefused, match=f"GRID: .*{said}.*--align"):
        open_pair(tmp_path / "a.tif", tmp_path / "b.tif")
    pair = open_pair(tmp_path / "a.tif", tmp_path / "b.tif", align=True)
    before, after = pair.read(Window(0, 0, *pair.geobox.shape))
    assert before.any() and after.any() and said in pair.notes[0]


def test_a_map_that_is_upside_down_is_aligned_exactly(tmp_path: Path) -> None:
    write_map(tmp_path / "a.tif", BEFORE)
    write_map(tmp_path / "b.tif", BEFORE[::-1].copy(), place=(Affine(10, 0, 500_000, 0, 10, 5_399_600), CRS))
    before, after = open_pair(tmp_path / "a.tif", tmp_path / "b.tif", align=True).read(WHOLE)
    assert np.array_equal(before, after)


def test_a_finer_map_aligned_onto_a_coarser_one_takes_the_middle_pixel(tmp_path: Path) -> None:
    fine = np.kron(BEFORE, np.ones((3, 3), np.uint8))
    write_map(tmp_path / "a.tif", BEFORE, place=moved(0, 0, 30.0))
    write_map(tmp_path / "b.tif", fine)
    before, after = open_pair(tmp_path / "a.tif", tmp_path / "b.tif", align=True).read(WHOLE)
    assert np.array_equal(before, after)


def test_run_folders_give_confidence_probabilities_and_date(tmp_path: Path) -> None:
    sure = np.full(BEFORE.shape, 80, np.uint8)
    sure[0, 0] = 255
    chances = np.random.default_rng(1).dirichlet(np.ones(4), BEFORE.shape).transpose(2, 0, 1)
    for name in ("a", "b"):
        write_run(tmp_path / name, BEFORE, confidence=sure, probabilities=chances)
    (tmp_path / "a" / "item.json").write_text(json.dumps({"properties": {"datetime": "1996-05-01T00:00:00Z"}}))
    (tmp_path / "b" / "item.json").write_text("no json")
    pair = open_pair(tmp_path / "a", tmp_path / "b")
    one, other = pair.read_confidence(Window(0, 0, 2, 3))
    assert one.tolist() == other.tolist() == [[255, 80, 80], [80, 80, 80]]
    there, _ = pair.read_probabilities(Window(3, 4, 5, 6))
    assert np.allclose(there, chances[:, 3:8, 4:10], atol=1e-3) and there.dtype == np.float32
    assert (pair.before.datetime, pair.after.datetime) == ("1996-05-01T00:00:00Z", None)


def test_probabilities_of_joined_classes_are_added(tmp_path: Path) -> None:
    legend = Legend.of(["water", "oak", "pine", "built"])
    chances = np.random.default_rng(1).dirichlet(np.ones(4), BEFORE.shape).transpose(2, 0, 1)
    for name in ("a", "b"):
        write_run(tmp_path / name, BEFORE, probabilities=chances, legend=legend)
    pair = open_pair(tmp_path / "a", tmp_path / "b", recode={"oak": "tree", "pine": "tree"})
    there, _ = pair.read_probabilities(WHOLE)
    assert list(pair.legend.names.values()) == ["water", "tree", "built"]
    assert np.allclose(there[1], chances[1] + chances[2], atol=2e-3) and np.allclose(there.sum(axis=0), 1, atol=3e-3)


def test_a_folder_without_a_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_map(tmp_path / "a.tif", BEFORE)
    with pytest.raises(InputRefused, match=r"NOT_FOUND: .*empty: is a folder without mask\.tif"):
        open_pair(tmp_path / "a.tif", tmp_path / "empty")


def test_several_maps_share_one_grid_and_legend(tmp_path: Path) -> None:
    write_map(tmp_path / "1.tif", BEFORE)
    write_map(tmp_path / "2.tif", AFTER, place=moved(100, 0))
    write_map(tmp_path / "3.tif", AFTER, place=moved(0, 100))
    maps = open_maps([tmp_path / f"{i}.tif" for i in (1, 2, 3)])
    assert maps.geobox.shape == (30, 40)
    one, two, three = maps.read(Window(0, 0, 30, 40))
    assert np.array_equal(one, BEFORE[10:, 10:])
    assert np.array_equal(two, AFTER[10:, :40]) and np.array_equal(three, AFTER[:30, 10:])


def test_a_map_without_crs_is_refused_unless_one_is_assumed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_raster(tmp_path / f"{name}.tif", BEFORE[None], crs=None, nodata=0)
    with pytest.raises(InputRefused, match="NO_CRS"):
        open_pair(tmp_path / "a.tif", tmp_path / "b.tif")
    assert open_pair(tmp_path / "a.tif", tmp_path / "b.tif", assume_crs="EPSG:32632").geobox.shape == (40, 50)


def test_maps_of_16_bits_with_large_values_are_joined_into_8(tmp_path: Path) -> None:
    wide = BEFORE.astype(np.uint16) * 1000
    write_raster(tmp_path / "a.tif", wide[None], nodata=0)
    pair = open_pair(tmp_path / "a.tif", tmp_path / "a.tif")
    before, _ = pair.read(WHOLE)
    names = np.array(["", *(pair.legend.names.get(v, "") for v in range(1, 256))])
    assert before.dtype == np.uint8 and np.array_equal(names[before], np.where(wide > 0, wide.astype(str), ""))
