"""``geoseg area``: the table of areas.csv for any class raster, and by zone."""

from __future__ import annotations

import csv
import io
import json
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

import geoseg
from geoseg.cli.main import run
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.write import write_mask
from tests.helpers.rasters import write_raster

BOX = GeoBox.of((40, 50), Affine(10, 0, 500000, 0, -10, 5400000), "EPSG:32632")
LEGEND = Legend.of(["=water", "tree", "bare"])
VALUES = np.random.default_rng(3).integers(0, 4, BOX.shape).astype(np.uint8)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    write_mask(tmp_path / "mask.tif", BOX, LEGEND, [(0, VALUES)])
    return tmp_path / "mask.tif"


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    path = tmp_path / "zones.gpkg"
    shapes = [shapely.box(500000, 5399600, 500500, 5400000), shapely.box(500003, 5399903, 500097, 5399997)]
    shapes += [shapely.box(500450, 5399700, 500550, 5399800), shapely.box(600000, 5399700, 600050, 5399800)]
    frame = geopandas.GeoDataFrame({"name": ["all", "+small", "half", "away"]}, geometry=shapes, crs="EPSG:32632")
    frame.to_file(path)
    return path


def table(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_the_table_is_that_of_areas_csv(mask: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["area", str(mask)]) == 0
    rows = table(capsys)
    assert list(rows[0]) == ["class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share", "area_method"]
    assert [int(row["n_pixels"]) for row in rows] == [(VALUES == value).sum() for value in (1, 2, 3)]
    assert [row["class_name"] for row in rows] == ["'=water", "tree", "bare"]
    assert {row["area_method"] for row in rows} == {"ellipsoidal (WGS 84)"}
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)


def test_a_zone_over_the_whole_raster_has_the_same_areas(mask: Path, zones: Path) -> None:
    for coverage in ("centre", "auto"):
        by_zone = geoseg.area(mask, zones=zones, zone_field="name", coverage=coverage)
        assert by_zone.zones is not None
        whole = by_zone.zones[0]
        assert [(c.class_id, c.n_pixels, c.area_m2) for c in whole.classes] == [
            (c.class_id, c.n_pixels, c.area_m2) for c in geoseg.area(mask).classes
        ]
        assert sum(c.share for c in whole.classes) + whole.nodata_m2 / whole.zone_m2 == pytest.approx(1, rel=1e-6)


def test_zones_say_what_is_nodata_and_what_lies_outside(mask: Path, zones: Path, capsys) -> None:
    assert run(["area", str(mask), "--zones", str(zones), "--zone-field", "name", "--coverage", "centre"]) == 0
    out = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out.out)))
    assert "of 4 zones 1 lie off the raster and 1 partly" in out.err
    assert {row["zone_name"] for row in rows} == {"all", "'+small", "half", "away"}
    for name in ("all", "half"):
        own = [row for row in rows if row["zone_name"] == name]
        parts = sum(float(row["area_m2"]) for row in own) + float(own[0]["nodata_m2"]) + float(own[0]["outside_m2"])
        assert parts == pytest.approx(float(own[0]["zone_m2"]), rel=1e-5)
    (away,) = [row for row in rows if row["zone_name"] == "away"]
    assert (away["class_id"], away["n_pixels"], away["outside_m2"]) == ("", "0", away["zone_m2"])
    assert {row["area_method"] for row in rows} == {"ellipsoidal (WGS 84); pixel centres"}


def test_shares_of_pixels_count_at_the_edges(mask: Path, zones: Path) -> None:
    pytest.importorskip("exactextract")
    found = geoseg.area(mask, zones=zones, coverage="fraction")
    assert found.zones is not None
    assert found.area_method == "ellipsoidal (WGS 84); shares of pixels by exactextract"
    small = found.zones[1]
    assert sum(c.area_m2 for c in small.classes) + small.nodata_m2 == pytest.approx(small.zone_m2, rel=1e-6)


def test_json_and_files(mask: Path, zones: Path, tmp_path: Path, capsys) -> None:
    assert run(["area", str(mask), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["class_name"] for row in told["classes"]] == ["=water", "tree", "bare"]
    assert run(["area", str(mask), "--zones", str(zones), "-o", str(tmp_path / "a.json")]) == 0
    assert [zone["zone_id"] for zone in json.loads((tmp_path / "a.json").read_text())["zones"]] == [1, 2, 3, 4]
    assert run(["area", str(mask), "-o", str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").read_text().startswith("class_id,")
    assert capsys.readouterr().out == ""


def test_classes_are_chosen_by_name_or_value(mask: Path, capsys) -> None:
    assert run(["area", str(mask), "--class", "Tree,3"]) == 0
    assert [row["class_id"] for row in table(capsys)] == ["2", "3"]
    assert run(["area", str(mask), "--class", "lava"]) == 2
    assert "LEGEND: lava" in capsys.readouterr().err


def test_nothing_is_replaced_unasked_and_inputs_never(mask: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine")
    assert run(["area", str(mask), "-o", str(out)]) == 4
    assert out.read_text() == "mine"
    assert run(["area", str(mask), "-o", str(out), "--overwrite"]) == 0
    assert run(["area", str(mask), "-o", str(mask), "--overwrite"]) == 4
    assert "INPUT" in capsys.readouterr().err


def test_errors_are_one_line(mask: Path, zones: Path, tmp_path: Path, capsys) -> None:
    write_raster(tmp_path / "float.tif", np.full((1, 4, 4), 0.5, "float32"))
    for args, code, word in [
        ([str(tmp_path / "none.tif")], 3, "NOT_FOUND"), ([str(tmp_path / "float.tif")], 3, "CLASSES"),
        ([str(mask), "--zones", str(tmp_path / "none.gpkg")], 3, "NOT_FOUND"), ([str(mask), "--zone-field", "x"], 2, "USAGE"),
        ([str(mask), "--zones", str(zones), "--zone-field", "x"], 3, "ZONES"), ([], 2, "USAGE"),
        ([str(mask), "-o", str(tmp_path / "a.xlsx")], 2, "FORMAT"),
    ]:  # fmt: skip
        assert run(["area", *args]) == code
        err = capsys.readouterr().err
        assert err.startswith(f"geoseg: {word}:")
        assert err.count("\n") == 1


def test_the_function_takes_values_as_numbers_and_only_known_rules(mask: Path, zones: Path) -> None:
    assert [row.class_id for row in geoseg.area(mask, classes=[3]).classes] == [3]
    with pytest.raises(geoseg.GeosegError, match="COVERAGE: middle"):
        geoseg.area(mask, zones=zones, coverage="middle")


def test_zones_without_area_and_beyond_the_earth(mask: Path, tmp_path: Path, capsys) -> None:
    shapes = [shapely.Polygon([(500000, 5399900), (500050, 5399950), (500000, 5399900)])]
    geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32632").to_file(tmp_path / "flat.gpkg")
    assert run(["area", str(mask), "--zones", str(tmp_path / "flat.gpkg")]) == 0
    assert "off the raster" not in capsys.readouterr().err
    geopandas.GeoDataFrame(geometry=[shapely.box(-1e12, -1e12, 1e12, 1e12)], crs="EPSG:32632").to_file(
        tmp_path / "huge.gpkg"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert run(["area", str(mask), "--zones", str(tmp_path / "huge.gpkg")]) == 3
    assert "no place in their CRS" in capsys.readouterr().err


def test_the_examples_of_the_help_run(mask: Path, zones: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    zones.rename(tmp_path / "districts.gpkg")
    assert run(["area", "--help"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("geoseg area")]
    assert len(lines) == 2
    for line in lines:
        assert run(line[1:]) == 0


def test_any_class_raster_is_measured(shared: Path) -> None:
    path = shared / "data" / "zion_nlcd_labels" / "nlcd.tif"
    rows = geoseg.area(path).classes
    assert [row.class_id for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    pixel = (
        31.530298224786595 * 31.524658701787931
    )  # on the grid; the ground is 0.07 % larger near its central meridian
    for row in rows:
        assert row.area_m2 == pytest.approx(row.n_pixels * pixel, rel=1e-3)
    assert sum(row.n_pixels for row in rows) == 1359 * 1073
