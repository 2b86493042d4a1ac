"""``geoseg labels check``: findings of a file of labels, with their places."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from geoseg.cli.main import run
from tests.helpers.jobs import at, scene_file, vector_file
from tests.helpers.rasters import write_raster

SHAPE = (40, 60)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scene_file(tmp_path / "scene.tif", SHAPE, nodata=0)
    boxes = [shapely.box(*at(c, 20), *at(c + 10, 10)) for c in (2, 8, 100)]
    vector_file(tmp_path / "labels.gpkg", boxes, ["water", "forest", "forrest"])
    label = np.random.default_rng(0).choice([0, 11, 42], SHAPE).astype(np.uint8)
    write_raster(tmp_path / "labels.tif", label[None], nodata=0, crs="EPSG:25832")
    return tmp_path


BASE = ["labels", "check", "labels.gpkg", "--scene", "scene.tif"]


def test_findings_come_as_json_and_their_places_as_geojson(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BASE, "-o", "found.geojson"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == {"forest": 100, "forrest": 0, "water": 60}
    assert told["labelled_share"] == pytest.approx(160 / 2400, abs=1e-6)
    codes = {finding["code"] for finding in told["findings"]}
    assert codes == {"LABELS_OUTSIDE", "NAMES_ALIKE", "OVERLAP"}
    features = json.loads((here / "found.geojson").read_text())["features"]
    assert {f["properties"]["code"] for f in features if f["geometry"] is not None} == {"OVERLAP"}
    assert len(features) == 3


def test_rasters_are_checked_by_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["labels", "check", "labels.tif", "--scene", "scene.tif"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["classes"]) == {"11", "42"} and sum(told["classes"].values()) > 1000
    assert [finding["code"] for finding in told["findings"]] == ["CRS_TWIN"]


def test_features_without_a_shape_are_no_labels(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vector_file(here / "labels.gpkg", [shapely.Polygon(), shapely.Polygon()], ["water", "forest"])
    assert run(BASE) == 0
    told = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in told["findings"]] == ["NO_LABELS"]


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["labels", "check", "labels.gpkg"], 2, "USAGE"),
        ([*BASE, "--field", "kind"], 3, "FIELD"),
        ([*BASE, "-o", "scene.tif", "--overwrite"], 4, "INPUT"),
        ([*BASE, "-o", "labels.csv"], 2, "FORMAT"),
        ([*BASE, "--layer", "x"], 3, "LAYER"),
        (["labels", "check", "none.gpkg", "--scene", "scene.tif"], 3, "NOT_FOUND"),
    ],
)
def test_errors_are_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: int, word: str
) -> None:
    assert run(args) == code
    assert capsys.readouterr().err.startswith(f"geoseg: {word}: ")


def test_nothing_is_overwritten_and_the_help_s_example_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["labels", "check", "--help"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("geoseg labels")]
    assert lines and run(lines[0][1:]) == 0
    assert run(lines[0][1:]) == 4
    assert "EXISTS" in capsys.readouterr().err
