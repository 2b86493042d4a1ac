"""``geoseg estimate``: the table on stdout and in files, notes on stderr, refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.jobs.test_estimate import olofsson_csv


@pytest.fixture
def points(tmp_path: Path) -> list[str]:
    strata = olofsson_csv(tmp_path / "points.csv")
    with (tmp_path / "points.csv").open("a") as file:
        file.write("Forest gain,\n")
    return [str(tmp_path / "points.csv"), "--strata", str(strata)]


def test_the_table_has_the_maps_areas_and_the_estimated_ones_in_columns_of_their_own(
    points: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["estimate", *points]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["class_name"] for row in rows][-1] == "all" and len(rows) == 5
    assert (rows[0]["map_ha"], rows[0]["area_ha"]) == ("18000.0000", "21157.7622")
    assert round(float(rows[0]["area_margin_ha"])) == 6158
    assert (rows[0]["overall"], rows[4]["overall"], rows[4]["users"]) == ("", "0.946512", "")
    assert rows[4]["map_ha"] == rows[4]["area_ha"] == "900000.0000"
    assert {row["method"] for row in rows} == {
        "stratified estimators, strata are the map's classes (Olofsson et al. 2014)"
    }
    assert "1 of 641 samples are not labelled (Forest gain 1)" in err


def test_json_is_the_whole_table(points: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", *points, "--json", "--interval", "normal", "-q"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["overall"]["value"] == pytest.approx(0.94651, abs=1e-5) and not err
    assert told["strata"][1] == {
        "stratum": 2, "name": "Forest gain", "n_pixels": 150000, "area_ha": 13500.0, "samples": 76, "labelled": 75,
        "state": "ok",
    }  # fmt: skip
    assert "normal" in told["interval"] and told["matrix"][0] == [66, 0, 5, 4]


def test_files_are_written_once_and_are_the_same_each_time(points: list[str], tmp_path: Path) -> None:
    table, matrix = tmp_path / "e.csv", tmp_path / "m.csv"
    assert run(["estimate", *points, "-o", str(table), "--matrix", str(matrix)]) == 0
    first = table.read_bytes()
    assert matrix.read_text().splitlines()[1] == "Deforestation,66,0,5,4"
    assert run(["estimate", *points, "-o", str(table)]) == 4
    assert run(["estimate", *points, "-o", str(table), "--matrix", str(matrix), "--overwrite"]) == 0
    assert table.read_bytes() == first
    assert run(["estimate", *points, "-o", str(tmp_path / "e.json")]) == 0
    json.loads((tmp_path / "e.json").read_text())


def test_no_class_is_a_formula_in_the_matrix(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("map,reference\n=1+1,=1+1\n@x,=1+1\n")
    (tmp_path / "s.csv").write_text("stratum,n_pixels,area_ha\n=1+1,100,9\n@x,100,9\n")
    given = [str(tmp_path / "p.csv"), "--strata", str(tmp_path / "s.csv"), "-o", str(tmp_path / "e.csv")]
    assert run(["estimate", *given, "--matrix", str(tmp_path / "m.csv")]) == 0
    assert (tmp_path / "m.csv").read_text() == "map,'=1+1,'@x\n'=1+1,1,0\n'@x,1,0\n"


def test_inputs_are_no_outputs_and_formats_are_those_named(points: list[str], tmp_path: Path) -> None:
    assert run(["estimate", *points, "-o", points[0], "--overwrite"]) == 4
    assert run(["estimate", *points, "-o", points[2], "--overwrite"]) == 4
    assert run(["estimate", *points, "-o", str(tmp_path / "e.xlsx")]) == 2
    assert run(["estimate", *points, "-o", str(tmp_path / "e.csv"), "--matrix", str(tmp_path / "e.csv")]) == 2
    assert run(["estimate", *points, "--interval", "wald"]) == 2
    assert not list(tmp_path.glob("e.*"))


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", str(tmp_path / "none.gpkg")]) == 3
    assert capsys.readouterr().err.startswith(f"geoseg: NOT_FOUND: {tmp_path / 'none.gpkg'}: is not a file.")
