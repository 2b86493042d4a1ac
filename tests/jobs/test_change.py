"""Change as a job: its files agree with each other and with slow references, whatever the blocks, order and workers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine

import geoseg
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.raster.classes import open_classes
from geoseg.raster.sidecars import sidecars
from tests.helpers.changes import LEGEND, changed, codes_of, matrix_of, patchy, without_small, write_map, write_run
from tests.helpers.rasters import write_raster

SHAPE = (140, 190)
BEFORE = patchy(SHAPE, seed=1)
AFTER = changed(BEFORE, seed=1)
STEPS = {"min_area": 900, "tolerance": 1, "max_shift": 0}
MADE = sorted(["change.tif", *sidecars("change.tif"), "transitions.csv"])


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("maps")
    return write_map(folder / "a.tif", BEFORE), write_map(folder / "b.tif", AFTER)


def codes(folder: Path) -> np.ndarray:
    with rasterio.open(folder / "change.tif") as dataset:
        return dataset.read(1)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def polygons(folder: Path):
    return pyogrio.read_dataframe(folder / "polygons.gpkg", layer="change")


def test_the_raster_holds_before_times_256_and_after(maps, tmp_path: Path) -> None:
    result = geoseg.change(*maps, tmp_path / "out", max_shift=0)
    assert np.array_equal(codes(tmp_path / "out"), codes_of(BEFORE, AFTER))
    assert np.array_equal(result.transitions.n_pixels, matrix_of(codes_of(BEFORE, AFTER), LEGEND.values))
    assert np.array_equal(result.naive.n_pixels, result.transitions.n_pixels)
    back = open_classes(tmp_path / "out" / "change.tif")
    assert back.nodata == 0 and back.legend.names[258] == "water->tree"
    assert back.geobox == open_classes(maps[0]).geobox


def test_small_places_are_those_of_the_whole_raster(maps, tmp_path: Path) -> None:
    geoseg.change(
        *maps, tmp_path / "out", min_area={"tree": 500, "bare": 1900}, max_shift=0, block_size=1, only="raster"
    )
    expected = without_small(codes_of(BEFORE, AFTER), {2: 499, 3: 1899}, np.full(SHAPE, 100.0))
    found = codes(tmp_path / "out")
    # Pixels of this grid have 100.06 to 100.08 m2 on the ellipsoid: no place lies between these bounds.
    assert np.array_equal(found, expected) and (found != codes_of(BEFORE, AFTER)).any()


@pytest.mark.parametrize("options", [{"block_size": 1}, {"threads": 1}, {"block_size": 400, "workers": 1}])
def test_no_byte_depends_on_blocks_threads_and_workers(maps, tmp_path: Path, options: dict[str, int]) -> None:
    sure = np.random.default_rng(3).integers(0, 101, SHAPE).astype(np.uint8)
    runs = [write_run(tmp_path / "a", BEFORE, confidence=sure), write_run(tmp_path / "b", AFTER, confidence=sure[::-1])]
    steps = {**STEPS, "confidence_min": 10, "simplify": 12, "smooth": True}
    one = geoseg.change(*runs, tmp_path / "one", **steps)
    other = geoseg.change(*runs, tmp_path / "other", **steps, **options)
    for name in [*MADE, "polygons.gpkg"]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name
    never = {"seconds", "finished", "settings"}
    assert {k: v for k, v in one.run.items() if k not in never} == {
        k: v for k, v in other.run.items() if k not in never
    }


def test_wide_rasters_are_cut_into_tiles_side_by_side(tmp_path: Path) -> None:
    before = patchy((30, 1700), seed=3)
    after = changed(before, seed=3)
    maps = write_map(tmp_path / "a.tif", before), write_map(tmp_path / "b.tif", after)
    geoseg.change(*maps, tmp_path / "one", **STEPS)
    geoseg.change(*maps, tmp_path / "other", **STEPS, block_size=1)
    for name in [*MADE, "polygons.gpkg"]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_a_map_against_itself_has_not_changed(maps, tmp_path: Path) -> None:
    result = geoseg.change(maps[0], maps[0], tmp_path / "out")
    off = result.transitions.n_pixels - np.diag(np.diag(result.transitions.n_pixels))
    assert not off.any() and result.run["changed"]["area_ha"] == 0 and result.run["polygons"] == 0
    assert len(polygons(tmp_path / "out")) == 0


def test_swapped_maps_have_the_transposed_matrix(maps, tmp_path: Path) -> None:
    there, back = (
        geoseg.change(*m, tmp_path / n, max_shift=0, only="raster") for n, m in (("1", maps), ("2", maps[::-1]))
    )
    assert np.array_equal(there.transitions.n_pixels.T, back.transitions.n_pixels)
    assert np.array_equal(there.transitions.area_units.T, back.transitions.area_units)


def test_swapped_maps_keep_the_same_changes_by_the_rules(maps, tmp_path: Path) -> None:
    there, back = (geoseg.change(*m, tmp_path / n, **STEPS) for n, m in (("1", maps), ("2", maps[::-1])))
    one, other = there.transitions.n_pixels.T, back.transitions.n_pixels
    assert np.array_equal(one - np.diag(np.diag(one)), other - np.diag(np.diag(other)))


def test_rules_keep_what_each_class_was(maps, tmp_path: Path) -> None:
    result = geoseg.change(*maps, tmp_path / "out", **STEPS)
    assert np.array_equal(result.transitions.n_pixels.sum(axis=1), result.naive.n_pixels.sum(axis=1))
    dropped = result.run["significance"]["dropped"]
    moved = np.trace(result.transitions.n_pixels) - np.trace(result.naive.n_pixels)
    assert dropped["tolerance_px"] > 0 and dropped["min_area_px"] > 0 and sum(dropped.values()) == moved


def test_polygons_are_those_of_the_changed_pixels_of_the_raster(maps, tmp_path: Path) -> None:
    geoseg.change(*maps, tmp_path / "out", **STEPS)
    found = codes(tmp_path / "out")
    only = np.where(found >> 8 == found & 255, 0, found)
    path = write_raster(
        tmp_path / "only.tif", only[None], nodata=0, transform=Affine(10, 0, 500_000, 0, -10, 5_400_000)
    )
    geoseg.polygonize(path, tmp_path / "only.gpkg")
    expected = pyogrio.read_dataframe(tmp_path / "only.gpkg", layer="landcover")
    back = polygons(tmp_path / "out")
    assert len(back) > 10 and (back.geometry.to_wkb() == expected.geometry.to_wkb()).all()
    for name in ("class_id", "area_m2", "perim_m", "n_pixels"):
        assert back[name].equals(expected[name])


def test_polygons_and_table_agree_and_name_both_classes(maps, tmp_path: Path) -> None:
    result = geoseg.change(*maps, tmp_path / "out", **STEPS)
    back, rows = polygons(tmp_path / "out"), table(tmp_path / "out" / "transitions.csv")
    assert list(back.columns) == [
        "class_id", "class_name", "area_m2", "area_ha", "perim_m", "n_pixels", "from_id", "from_name", "to_id", "to_name",
        "geometry",
    ]  # fmt: skip
    assert (back.class_name == back.from_name + "->" + back.to_name).all() and (back.from_id != back.to_id).all()
    names = LEGEND.names
    assert all(names[i] == name for i, name in zip(back.from_id, back.from_name, strict=True))
    moved = {(row["from_id"], row["to_id"]): row for row in rows if row["from_id"] != row["to_id"]}
    sums = back.groupby(["from_id", "to_id"])[["n_pixels", "area_m2"]].sum()
    assert {(str(i), str(j)) for i, j in sums.index} == set(moved)
    for (i, j), row in sums.iterrows():
        line = moved[str(i), str(j)]
        assert int(line["n_pixels"]) == row.n_pixels and float(line["area_m2"]) == pytest.approx(row.area_m2, abs=0.01)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-6)
    assert result.run["polygons"] == len(back) and shapely.is_valid(back.geometry.to_numpy()).all()


def test_mean_confidence_is_that_of_the_less_sure_date(tmp_path: Path) -> None:
    before, after = np.ones((20, 30), np.uint8), np.ones((20, 30), np.uint8)
    after[5:10, 5:15] = 2
    rng = np.random.default_rng(4)
    sure = rng.integers(0, 101, (2, 20, 30)).astype(np.uint8)
    sure[0, 6, 6] = 255
    runs = [write_run(tmp_path / n, v, confidence=c) for n, v, c in (("a", before, sure[0]), ("b", after, sure[1]))]
    geoseg.change(*runs, tmp_path / "out", max_shift=0)
    least = np.minimum(sure[0], sure[1])
    assert polygons(tmp_path / "out").conf_mean[0] == pytest.approx(least[5:10, 5:15].mean())


def test_zones_are_counted_each_by_itself(maps, tmp_path: Path) -> None:
    import geopandas

    left, top = 500_000, 5_400_000
    shapes = [
        shapely.box(left, top - 1400, left + 1900, top),
        shapely.box(left + 100, top - 500, left + 600, top - 200),
    ]
    geopandas.GeoDataFrame({"name": ["=all", "some"]}, geometry=shapes, crs="EPSG:32632").to_file(tmp_path / "z.gpkg")
    result = geoseg.change(*maps, tmp_path / "out", zones=str(tmp_path / "z.gpkg"), zone_field="name", **STEPS)
    rows, whole = table(tmp_path / "out" / "zones.csv"), table(tmp_path / "out" / "transitions.csv")
    everything = [row for row in rows if row["zone_name"] == "'=all"]
    kept = ("from_name", "to_name", "n_pixels", "area_m2", "share_of_before", "share_of_after", "share")
    assert [[row[k] for k in kept] for row in everything] == [[row[k] for k in kept] for row in whole]
    found = codes(tmp_path / "out")[20:50, 10:60]
    some = {(row["from_id"], row["to_id"]): int(row["n_pixels"]) for row in rows if row["zone_name"] == "some"}
    values, counts = np.unique(found[found > 0], return_counts=True)
    expected = {divmod(int(v), 256): int(n) for v, n in zip(values, counts, strict=True)}
    assert some == {(str(i), str(j)): n for (i, j), n in expected.items()}
    assert result.run["zones"][0]["changed_ha"] == pytest.approx(result.run["changed"]["area_ha"])


def test_the_record_tells_what_was_done(maps, tmp_path: Path) -> None:
    result = geoseg.change(*maps, tmp_path / "out", **STEPS)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run == json.loads(json.dumps(result.run))
    assert [row["class_name"] for row in run["by_class"]] == list(LEGEND.names.values())
    assert np.array(run["matrix"]["area_ha"]).sum() == pytest.approx(run["changed"]["compared_ha"])
    assert run["changed"]["share"] < run["changed"]["naive_share"] and run["before"]["name"] == "a"
    assert str(tmp_path) not in json.dumps({**run, "settings": {}})


def test_a_shift_above_the_limit_is_refused_unless_told(tmp_path: Path) -> None:
    big = patchy((330, 340), seed=5, patch=20, nodata=0)
    one, other = write_map(tmp_path / "a.tif", big[:300, :300]), write_map(tmp_path / "b.tif", big[3:303, 2:302])
    with pytest.raises(InputRefused, match=r"SHIFT: .*b\.tif: lies 3\.6\d px .*--max-shift"):
        geoseg.change(one, other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    result = geoseg.change(one, other, tmp_path / "out", max_shift=4, only="raster")
    assert result.run["shift"]["rows"] == pytest.approx(-3, abs=0.1)


def test_rules_that_nothing_is_there_for_are_refused(maps, tmp_path: Path) -> None:
    for options, code in (
        ({"confidence_min": 50}, "CONFIDENCE"),
        ({"joint_min": 0.3}, "PROBABILITIES"),
        ({"zone_field": "name"}, "ZONES"),
    ):
        with pytest.raises((InputRefused, UsageError), match=code):
            geoseg.change(*maps, tmp_path / "out", **options)


def test_a_value_in_no_legend_is_refused_and_leaves_nothing(maps, tmp_path: Path) -> None:
    painted = tmp_path / "painted.tif"
    write_map(painted, AFTER)
    with rasterio.open(painted, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        values = dataset.read(1)
        values[7, 7] = 99
        dataset.write(values, 1)
    with pytest.raises(InputRefused, match=r"LEGEND: .*1 pixels have a value that is in no legend"):
        geoseg.change(maps[0], painted, tmp_path / "out", max_shift=0)
    assert not (tmp_path / "out").exists()


def test_maps_without_any_common_class_pixel_say_so(tmp_path: Path) -> None:
    empty = write_map(tmp_path / "empty.tif", np.zeros((9, 9), np.uint8))
    result = geoseg.change(empty, empty, tmp_path / "out", min_area=100)
    assert "nothing can be said" in result.statement and table(tmp_path / "out" / "transitions.csv") == []


def test_one_pixel_is_enough(tmp_path: Path) -> None:
    one, two = (write_map(tmp_path / f"{v}.tif", np.full((1, 1), v, np.uint8)) for v in (1, 2))
    result = geoseg.change(one, two, tmp_path / "out")
    assert result.transitions.codes() == {258: 1} and len(polygons(tmp_path / "out")) == 1


def test_outputs_are_not_replaced_unasked_and_inputs_never(maps, tmp_path: Path) -> None:
    geoseg.change(*maps, tmp_path / "out", only="raster", max_shift=0)
    with pytest.raises(Conflict, match="EXISTS"):
        geoseg.change(*maps, tmp_path / "out", max_shift=0)
    with pytest.raises(Conflict, match="INPUT"):
        geoseg.change(tmp_path / "out" / "change.tif", maps[0], tmp_path / "out", overwrite=True)
