"""Estimate: samples of geoseg sample, and from elsewhere, to areas and accuracies; what is left out is said."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

import geoseg
from geoseg.accuracy.samples_file import read_samples, write_samples
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.write import write_mask
from tests.accuracy.test_estimators import OLOFSSON, OLOFSSON_PIXELS, STEHMAN_MAP, STEHMAN_PIXELS, STEHMAN_REFERENCE

LEGEND = Legend.of(["water", "tree", "bare"])
UTM = GeoBox.of((120, 100), Affine(30, 0, 500000, 0, -30, 5400000), "EPSG:32632")
WORLD = GeoBox.of((120, 100), Affine(0.5, 0, 10, 0, -0.5, 70), "EPSG:4326")


def truth(seed: int = 1) -> np.ndarray:
    """Water in the north, trees in the south, bare patches."""
    rng = np.random.default_rng(seed)
    made = np.where(np.arange(120)[:, None] + rng.integers(-20, 20, (120, 100)) < 50, 1, 2).astype(np.uint8)
    made[rng.random(made.shape) < 0.06] = 3
    return made


def mapped(seed: int = 2, wrong: float = 0.12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((120, 100)) < wrong, rng.integers(1, 4, (120, 100)), truth()).astype(np.uint8)


def write(path: Path, values: np.ndarray, geobox: GeoBox = UTM, legend: Legend = LEGEND) -> Path:
    write_mask(path, geobox, legend, [(0, values)])
    return path


def label(path: Path, reference: np.ndarray, geobox: GeoBox = UTM, *, keep: object = None) -> None:
    """Fill the column ``reference`` from an array; only where ``keep`` (a function of samples) says."""
    samples = read_samples(path)
    seen = reference[samples.row, samples.col].astype(np.int64)
    if callable(keep):
        seen = np.where(keep(samples), seen, -1)
    path.unlink()
    write_samples(path, replace(samples, reference=seen), geobox)


def test_a_sample_that_is_labelled_gives_the_areas_of_the_truth(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.tif", mapped())
    geoseg.sample(mask, tmp_path / "s.gpkg", total=600, seed=4)
    label(tmp_path / "s.gpkg", truth())
    table = geoseg.estimate(tmp_path / "s.gpkg")
    assert [row.class_name for row in table.classes] == ["water", "tree", "bare"]
    assert [row.map_pixels for row in table.classes] == np.bincount(mapped().ravel())[1:].tolist()
    true = np.bincount(truth().ravel())[1:] * table.total_ha / truth().size
    for row, area in zip(table.classes, true, strict=True):
        assert row.area_ha.low is not None and row.area_ha.high is not None
        assert row.area_ha.low < area < row.area_ha.high
        assert row.map_ha is not None and row.area_ha.value != row.map_ha
    assert sum(row.area_ha.value or 0 for row in table.classes) == pytest.approx(table.covered_ha)
    assert "Olofsson" in table.method and table.area_method == "ellipsoidal (WGS 84)" and not table.notes
    assert geoseg.estimate(tmp_path / "s.gpkg", mask=mask) == table


def test_a_sample_of_every_pixel_is_the_truth_itself(tmp_path: Path) -> None:
    for name, geobox in (("utm", UTM), ("world", WORLD)):
        mask = write(tmp_path / f"{name}.tif", mapped(), geobox)
        geoseg.sample(mask, tmp_path / f"{name}.gpkg", total=12000)
        label(tmp_path / f"{name}.gpkg", truth(), geobox)
        table = geoseg.estimate(tmp_path / f"{name}.gpkg")
        true = write(tmp_path / f"{name}-truth.tif", truth(), geobox)
        areas = {row.class_id: row.area_ha for row in geoseg.area(true).classes}
        for row in table.classes:
            assert row.area_ha.value == pytest.approx(areas[row.class_id])
            assert row.area_ha.se == pytest.approx(0, abs=1e-6) and row.area_ha.high == pytest.approx(
                areas[row.class_id]
            )
        assert table.overall.low == table.overall.high == pytest.approx(table.overall.value)


def test_on_a_geographic_grid_pixels_count_by_their_area(tmp_path: Path) -> None:
    """Pixels at 70 degrees north have a third of the area of those at 10: water in the north would be overstated."""
    mask = write(tmp_path / "mask.tif", mapped(wrong=0.6), WORLD)
    areas = {row.class_id: row.area_ha for row in geoseg.area(write(tmp_path / "t.tif", truth(), WORLD)).classes}
    found = []
    for seed in range(6):
        path = tmp_path / f"s{seed}.gpkg"
        geoseg.sample(mask, path, total=1500, seed=seed)
        label(path, truth(), WORLD)
        water = geoseg.estimate(path).classes[0].area_ha
        found.append((water.value or 0, water.se or 0))
    values, errors = np.array(found).T
    assert abs(values.mean() - areas[1]) < 3 * errors.mean() / np.sqrt(6)
    pixels = np.mean(truth() == 1) * sum(areas.values())  # what shares of pixels would say
    assert abs(pixels - areas[1]) > 5 * errors.mean()


def test_unlabelled_samples_are_counted_and_said(tmp_path: Path) -> None:
    geoseg.sample(write(tmp_path / "mask.tif", mapped()), tmp_path / "s.gpkg", total=300)
    label(tmp_path / "s.gpkg", truth(), keep=lambda s: s.sample_id % 10 != 0)
    table = geoseg.estimate(tmp_path / "s.gpkg")
    assert (table.samples, table.unlabelled) == (300, 30)
    assert sum(row.n_map for row in table.classes) == 270 and sum(s.labelled for s in table.strata) == 270
    (note,) = table.notes
    assert note.startswith("30 of 300 samples are not labelled (")


def test_samples_that_were_deleted_are_said(tmp_path: Path) -> None:
    geoseg.sample(write(tmp_path / "mask.tif", mapped()), tmp_path / "s.gpkg", total=300)
    label(tmp_path / "s.gpkg", truth())
    drop(tmp_path / "s.gpkg", "DELETE FROM samples WHERE sample_id % 10 = 0")
    (note,) = geoseg.estimate(tmp_path / "s.gpkg").notes
    assert note.startswith("30 of 300 samples that were drawn are not in the file (")


def test_a_second_interpreters_column_is_read_and_a_missing_one_refused(tmp_path: Path) -> None:
    geoseg.sample(write(tmp_path / "mask.tif", mapped()), tmp_path / "s.gpkg", total=300)
    label(tmp_path / "s.gpkg", truth())
    first = geoseg.estimate(tmp_path / "s.gpkg")
    drop(tmp_path / "s.gpkg", "ALTER TABLE samples ADD second INTEGER", "UPDATE samples SET second = map_class")
    assert geoseg.estimate(tmp_path / "s.gpkg", reference_field="second").overall.value == 1.0 > first.overall.value
    with pytest.raises(InputRefused, match="has no column third"):
        geoseg.estimate(tmp_path / "s.gpkg", reference_field="third")
    for name in ("map_field", "stratum_field", "strata", "layer"):
        with pytest.raises(UsageError, match=f"{name} is for tables from elsewhere"):
            geoseg.estimate(tmp_path / "s.gpkg", **{name: "third"})


@pytest.mark.parametrize("value", ["nope", "[[1]]", '{"1": 2}'])
def test_a_damaged_count_of_classes_is_refused(tmp_path: Path, value: str) -> None:
    geoseg.sample(write(tmp_path / "mask.tif", mapped()), tmp_path / "s.gpkg", total=30)
    label(tmp_path / "s.gpkg", truth())
    drop(tmp_path / "s.gpkg", f"UPDATE design_facts SET value = '{value}' WHERE key = 'classes'")
    with pytest.raises(InputRefused, match="its table of the map's classes is damaged"):
        geoseg.estimate(tmp_path / "s.gpkg")


def drop(path: Path, *lines: str) -> None:
    """Run SQL on the file as a hand would, without the functions that the index's triggers want."""
    file = sqlite3.connect(path)
    for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        file.execute(f'DROP TRIGGER "{trigger}"')
    for line in lines:
        file.execute(line)
    file.commit()
    file.close()


def test_strata_with_no_or_one_labelled_sample_are_told_as_what_they_are(tmp_path: Path) -> None:
    geoseg.sample(write(tmp_path / "mask.tif", mapped()), tmp_path / "s.gpkg", total=300)
    for count in (0, 1):
        first = {1: 10**9, 2: 10**9, 3: count}
        places: dict[int, int] = {}

        def some(s: object, first: dict[int, int] = first, places: dict[int, int] = places) -> np.ndarray:
            kept = []
            for value in s.map_class.tolist():  # type: ignore[attr-defined]
                places[value] = places.get(value, 0) + 1
                kept.append(places[value] <= first[value])
            return np.array(kept)

        label(tmp_path / "s.gpkg", truth(), keep=some)
        table = geoseg.estimate(tmp_path / "s.gpkg")
        text = json.loads(table.to_json())  # no Infinity, no NaN
        water, bare = table.classes[0], table.classes[2]
        assert table.strata[2].labelled == count
        if count == 0:
            assert table.strata[2].state == "no labelled sample: not estimated"
            assert table.covered_ha == pytest.approx(table.total_ha - (bare.map_ha or 0))
            assert text["classes"][2]["users"] == dict.fromkeys(("value", "se", "margin", "low", "high"))
            assert water.area_ha.se is not None
            assert any("of the area are not in the estimates" in note for note in table.notes)
        else:
            assert table.strata[2].state == "one labelled sample: no standard error"
            assert table.overall.se is None and water.area_ha.se is None and water.users.se is not None
            assert water.area_ha.low is not None and table.overall.low is not None
            assert any("label a second one" in note for note in table.notes)


def test_a_stratum_along_borders_is_no_class_and_the_maps_areas_are_known_all_the_same(tmp_path: Path) -> None:
    blocks = np.kron(np.random.default_rng(5).integers(1, 4, (12, 10)), np.ones((10, 10), int)).astype(np.uint8)
    seen = np.roll(blocks, 1, axis=1)
    geoseg.sample(write(tmp_path / "mask.tif", blocks), tmp_path / "s.gpkg", total=800, buffer=1)
    label(tmp_path / "s.gpkg", seen)
    table = geoseg.estimate(tmp_path / "s.gpkg")
    assert "Stehman" in table.method and table.strata[-1].name == "border"
    assert [row.map_pixels for row in table.classes] == np.bincount(blocks.ravel())[1:].tolist()
    agree = float(np.mean(blocks == seen))
    assert table.overall.low is not None and table.overall.high is not None
    assert table.overall.low < agree < table.overall.high
    # Away from borders all is right: that is worth a third of the samples.
    assert (table.overall.se or 1) < np.sqrt(agree * (1 - agree) / 800) * np.sqrt(2 / 3)


def test_transitions_are_classes_and_a_reference_may_be_one_that_the_map_has_nowhere(tmp_path: Path) -> None:
    codes = np.where(mapped() == 3, 0x0201, 0x0202).astype(np.uint16)
    codes[truth() == 1] = 0x0101
    legend = Legend.of({0x0101: "water->water", 0x0201: "tree->water", 0x0202: "tree->tree"})
    geoseg.sample(write(tmp_path / "change.tif", codes, legend=legend), tmp_path / "s.gpkg", total=300)
    seen = np.where(np.random.default_rng(1).random(codes.shape) < 0.03, 0x0102, codes)
    label(tmp_path / "s.gpkg", seen)
    table = geoseg.estimate(tmp_path / "s.gpkg")
    (strange,) = [row for row in table.classes if row.class_id == 0x0102]
    assert strange.class_name == "water->tree" and strange.n_map == 0 and strange.users.value is None
    assert strange.map_ha == 0 and (strange.area_ha.value or 0) > 0 and strange.producers.value == 0
    assert "in the reference and nowhere on the map: water->tree" in table.notes


def test_a_sample_of_one_map_judges_another(tmp_path: Path) -> None:
    """Strata stay those of the design: Stehman's estimators, and right for both maps."""
    geoseg.sample(write(tmp_path / "old.tif", mapped()), tmp_path / "s.gpkg", total=800)
    label(tmp_path / "s.gpkg", truth())
    better = mapped(seed=9, wrong=0.03)
    better[:3] = 0
    table = geoseg.estimate(tmp_path / "s.gpkg", mask=write(tmp_path / "new.tif", better))
    agree = float(np.mean(better == truth()))
    assert table.overall.low is not None and table.overall.high is not None
    assert table.overall.low < agree < table.overall.high
    assert "Stehman" in table.method and any("new.tif is judged" in note for note in table.notes)
    assert any("lie off new.tif, or where it has no class" in note for note in table.notes)
    assert table.classes[0].map_pixels == int((better == 1).sum())
    assert table.classes[-1].class_name == "(no class)" and table.classes[-1].map_ha is None
    old = geoseg.estimate(tmp_path / "s.gpkg")
    assert [row.area_ha.value for row in table.classes[:3]] == pytest.approx([row.area_ha.value for row in old.classes])
    other = write(tmp_path / "other.tif", better, legend=Legend.of(["water", "forest", "bare"]))
    with pytest.raises(InputRefused, match=r"LEGEND: other.tif: its classes forest are none of the samples'"):
        geoseg.estimate(tmp_path / "s.gpkg", mask=other)


def olofsson_csv(path: Path) -> Path:
    names = ["Deforestation", "Forest gain", "Stable forest", "Stable non-forest"]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["map", "reference"])
        for i, j in np.ndindex(4, 4):
            out.writerows([[names[i], names[j]]] * int(OLOFSSON[i, j]))
    strata = "".join(f"{n},{p},{p * 900}\n" for n, p in zip(names, OLOFSSON_PIXELS, strict=True))
    path.with_name("strata.csv").write_text("class_name,n_pixels,area_m2\n" + strata)
    return path.with_name("strata.csv")


def test_a_csv_and_a_table_of_strata_give_the_figures_of_olofsson_2014(tmp_path: Path) -> None:
    strata = olofsson_csv(tmp_path / "points.csv")
    table = geoseg.estimate(tmp_path / "points.csv", strata=str(strata), interval="normal")
    first = table.classes[0]
    assert (first.class_name, first.map_pixels, first.map_ha) == ("Deforestation", 200_000, pytest.approx(18_000))
    assert round(first.area_ha.value or 0) == 21158 and round(first.area_ha.margin or 0) == 6158
    assert round((first.area_ha.high or 0) - (first.area_ha.value or 0)) == 6158
    assert (round(table.overall.value or 0, 3), round(table.overall.margin or 0, 3)) == (0.947, 0.018)
    assert table.matrix == tuple(map(tuple, OLOFSSON.tolist()))
    by_score = geoseg.estimate(tmp_path / "points.csv", strata=str(strata)).classes[0].area_ha
    assert by_score.margin == first.area_ha.margin and (by_score.low or 0) > (first.area_ha.low or 0)


def test_a_csv_with_strata_of_its_own_gives_the_figures_of_stehman_2014(tmp_path: Path) -> None:
    lines = [f"S{'ABCD'[i // 10]};{m};{r}" for i, (m, r) in enumerate(zip(STEHMAN_MAP, STEHMAN_REFERENCE, strict=True))]
    (tmp_path / "points.csv").write_text("Stratum;Map;Seen\n" + "\n".join(lines))
    strata = "".join(f"S{s},{n},{n / 100}\n" for s, n in zip("ABCD", STEHMAN_PIXELS, strict=True))
    (tmp_path / "strata.csv").write_text("stratum,n_pixels,area_ha\n" + strata)
    table = geoseg.estimate(
        tmp_path / "points.csv", strata=str(tmp_path / "strata.csv"), stratum_field="stratum", reference_field="seen",
        correction="always",
    )  # fmt: skip
    assert [row.class_name for row in table.classes] == list("ABCD")
    assert [row.area_ha.value for row in table.classes] == pytest.approx([350, 340, 200, 110])
    assert round(table.classes[0].area_ha.se or 0, 1) == 82.2 and table.classes[0].map_ha is None
    assert (round(table.classes[1].users.value or 0, 3), round(table.classes[1].users.se or 0, 3)) == (0.574, 0.125)
    assert "Stehman" in table.method


def test_points_from_elsewhere_are_put_onto_the_mask(tmp_path: Path) -> None:
    """A GeoPackage in longitude and latitude, a CSV with x and y, and one with rows: the same table."""
    mask = write(tmp_path / "mask.tif", mapped())
    rng = np.random.default_rng(3)
    row, col = rng.integers(0, 120, 400), rng.integers(0, 100, 400)
    x, y = 500000 + 30 * (col + 0.5), 5400000 - 30 * (row + 0.5)
    seen = [LEGEND.names[v] for v in truth()[row, col].tolist()]
    frame = geopandas.GeoDataFrame({"seen": seen}, geometry=shapely.points(x, y), crs="EPSG:32632")
    frame.to_crs("EPSG:4326").to_file(tmp_path / "p.gpkg")
    tables = [geoseg.estimate(tmp_path / "p.gpkg", mask=mask, reference_field="seen")]
    for names, values in (("x,y", (x, y)), ("row,col", (row, col))):
        lines = [f"{a},{b},{word}" for a, b, word in zip(*values, seen, strict=True)]
        (tmp_path / "p.csv").write_text(f"{names},seen\n" + "\n".join(lines))
        tables.append(geoseg.estimate(tmp_path / "p.csv", mask=mask, reference_field="seen"))
    assert tables[0] == tables[1] == tables[2]
    assert sum(r.n_map for r in tables[0].classes) == 400
    assert [r.n_map for r in tables[0].classes] == np.bincount(mapped()[row, col], minlength=4)[1:].tolist()


def test_samples_off_the_map_are_left_out_and_said(tmp_path: Path) -> None:
    values = mapped()
    values[0, 0] = 0
    mask = write(tmp_path / "mask.tif", values)
    (tmp_path / "p.csv").write_text("row,col,reference\n0,0,water\n-5,3,water\n7,7,1\n8,8,tree\n90,90,2\n3,200,tree\n")
    table = geoseg.estimate(tmp_path / "p.csv", mask=mask)
    assert table.samples == 3
    assert "3 of 6 samples lie off the map, or where it has no class: left out" in table.notes


def test_numbers_with_a_point_and_empty_cells_are_read_as_programs_write_them(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.tif", mapped())
    text = "row,col,reference\r\n1,1,1.0\r\n2,2,\r\n3,3,2.0\r\n3,3,NaN\r\n60,60,TREE\r\n"
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = geoseg.estimate(tmp_path / "p.csv", mask=mask)
    assert (table.samples, table.unlabelled) == (5, 2)
    assert [row.n_reference for row in table.classes] == [1, 2, 0]
    assert "1 of 5 samples lie in a pixel of another sample: standard errors may be too small" in table.notes


def test_what_cannot_be_estimated_from_is_refused(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.tif", mapped())
    path = tmp_path / "p.csv"

    def refused(text: str, what: str, **options: object) -> None:
        path.write_text(text)
        with pytest.raises((InputRefused, UsageError), match=what):
            geoseg.estimate(path, **options)  # type: ignore[arg-type]

    refused(
        "row,col,reference\n1,1,water\n", "STRATA: .*does not say how large the strata are. Name the map with --mask"
    )
    refused("row,col,seen\n1,1,water\n", "SAMPLES: .*has no column reference. Its columns: row, col, seen", mask=mask)
    refused("reference\nwater\n", "SAMPLES: .*does not say what the map is at a sample", mask=mask)
    refused("row,col,reference\n1,1,\n", "no sample is labelled", mask=mask)
    refused("row,col,reference\n500,1,tree\n", "has no sample on the map", mask=mask)
    refused("row,col,reference\n1,one,tree\n", "a place is no number", mask=mask)
    refused("row,col,reference\n1,1\n", "row 2 has 2 cells, and the header has 3", mask=mask)
    refused("row,col,reference\n1,1,tree\n2,2,-9999\n", "the reference '-9999' is no class", mask=mask)
    refused(
        "row,col,reference\n1,1,tree\n2,2,99999999999999\n", "the reference '99999999999999' is no class", mask=mask
    )
    refused("row,col,reference\n1,1,\0\n", "zero bytes", mask=mask)
    refused("", "FORMAT: .*is empty", mask=mask)
    refused("row,row,reference\n", "names a column twice", mask=mask)
    refused("map,reference,s\n1,1,x\n", "strata of a column have no sizes", mask=mask, stratum_field="s")
    (tmp_path / "strata.csv").write_text("stratum,n_pixels,area_m2\na,10,-3\n")
    refused("map,reference\n1,1\n", "area_m2 is '-3'", strata=str(tmp_path / "strata.csv"))
    (tmp_path / "strata.csv").write_text("stratum,n_pixels,area_m2\na,10,30\n")
    options = {"strata": str(tmp_path / "strata.csv"), "stratum_field": "s"}
    refused("map,reference,s\n1,1,x\n", "a sample is of stratum 'x'. The strata are: a", **options)
    (tmp_path / "strata.csv").write_text("class_name,n_pixels,area_m2\nwater,2,30\ntree,9,30\n")
    options = {"strata": str(tmp_path / "strata.csv")}
    refused(
        "map,reference\nwatr,water\n", "the map's class of a sample is 'watr'. Its classes are: water, tree", **options
    )
    refused("map,reference\n" + "water,tree\n" * 3, "STRATA: .*water has 2 pixels and 3 labelled samples", **options)
    with pytest.raises(InputRefused, match="NOT_FOUND"):
        geoseg.estimate(tmp_path / "none.csv", mask=mask)
    geoseg.sample(mask, tmp_path / "s.gpkg", total=30)
    label(tmp_path / "s.gpkg", np.full((120, 100), 9))
    with pytest.raises(InputRefused, match=r"has the reference 9, which is no class. The classes are: 1 water, 2 tree"):
        geoseg.estimate(tmp_path / "s.gpkg")
