"""``geoseg evaluate``: a bundle on a labelled scene."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

import geoseg
from geoseg.cli.main import run
from geoseg.raster.sidecars import sidecars
from tests.helpers.bundles import conv_bundle
from tests.helpers.rasters import CORNER, UTM, write_raster

SIDE = 96
MADE = {
    "scores.json",
    "confusion.png",
    "reliability.png",
    "areas.csv",
    "errors.tif",
    *sidecars("errors.tif"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with bundle/, scene.tif, labels.tif (10, 20, 30 and 99) and fields.gpkg; the work is done there."""
    monkeypatch.chdir(tmp_path)
    conv_bundle(tmp_path / "bundle")
    image = np.random.default_rng(0).random((4, SIDE, SIDE)).astype(np.float32) * 0.4
    image[:, :4] = np.nan
    write_raster(tmp_path / "scene.tif", image, names=("blue", "green", "red", "nir"))
    codes = np.kron(np.random.default_rng(1).choice([10, 20, 30, 99], (12, 12)), np.ones((8, 8), int))
    write_raster(tmp_path / "labels.tif", codes[None].astype(np.uint8))
    left, top = CORNER
    shapes = [
        shapely.box(left + x, top - y - 200, left + x + 200, top - y) for x, y in ((100, 100), (500, 400), (300, 700))
    ]
    frame = geopandas.GeoDataFrame(
        {"class": ["water", "tree", "built"], "name": ["a", "b", "c"]}, geometry=shapes, crs=UTM
    )
    frame.to_file(tmp_path / "fields.gpkg")
    return tmp_path


RASTER = ["evaluate", "bundle", "scene.tif", "--labels", "labels.tif", "--recode", "10=water,20=2,30=built"]


def test_a_folder_of_scores_pictures_and_a_map_of_errors(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RASTER, "-o", "out", "--backend", "torch", "--precision", "fp32"]) == 0
    shown = capsys.readouterr()
    assert "overall_accuracy" in shown.out and "codes" in shown.out  # 99 is said
    assert {path.name for path in (place / "out").iterdir()} == MADE
    told = json.loads((place / "out" / "scores.json").read_text())
    with rasterio.open(place / "labels.tif") as labels, rasterio.open(place / "out" / "errors.tif") as errors:
        known = np.isin(labels.read(1), [10, 20, 30])
        known[:4] = False
        assert told["pixels"] == known.sum() == (errors.read(1) > 0).sum()
    assert geoseg.segment("scene.tif", "bundle", "map", backend="torch", precision="fp32", workers=0).mask.exists()
    with rasterio.open(place / "map" / "mask.tif") as mask, rasterio.open(place / "out" / "errors.tif") as errors:
        assert ((errors.read(1) % 256)[known] == mask.read(1)[known]).all()
    rows = list(csv.DictReader((place / "out" / "areas.csv").read_text().splitlines()))
    assert sum(int(row["label_pixels"]) for row in rows) == told["pixels"]
    assert told["made_by"]["bundle"].startswith("tiny@sha256:") and told["part"] == "all labels"


def test_json_is_what_the_file_holds_and_what_python_gives(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RASTER, "-o", "out", "--json"]) == 0
    text = capsys.readouterr().out
    assert text == (place / "out" / "scores.json").read_text()
    result = geoseg.evaluate("bundle", "scene.tif", "labels.tif", recode={10: 1, 20: "tree", 30: 3})
    assert result.to_json() == text and result.folder is None


def test_the_same_command_gives_the_same_bytes(place: Path) -> None:
    for out in ("one", "two"):
        assert run([*RASTER, "-o", out, "-q"]) == 0
    for name in MADE:
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes(), name


def test_polygons_zones_and_an_area_of_interest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "evaluate",
        "bundle",
        "scene.tif",
        "--labels",
        "fields.gpkg",
        "--zones",
        "fields.gpkg",
        "--zone-field",
        "name",
    ]
    assert run([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pixels"] == 3 * 400
    assert {name: zone["pixels"] for name, zone in told["zones"].items()} == {"a": 400, "b": 400, "c": 400}
    assert run(arguments) == 0
    assert re.search(r"^zones +pixels", capsys.readouterr().out, re.MULTILINE)
    frame = geopandas.read_file(place / "fields.gpkg")
    frame.iloc[:1].to_file(place / "aoi.gpkg")
    assert run([*arguments, "--aoi", "aoi.gpkg", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pixels"] == 400 and told["part"] == "inside --aoi" and list(told["zones"]) == ["a"]


def test_options_of_the_scores(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RASTER, "--intervals", "bootstrap", "--seed", "3", "--boundary", "55", "--tta", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["boundary_m"] == 55 and told["intervals"]["method"] == "bootstrap" and told["made_by"]["tta"]


def test_a_bundle_that_was_trained_on_the_same_ground_is_said_so(place: Path) -> None:
    left, top = CORNER
    seen = {"name": "north", "crs": UTM, "bounds": [left + 100, top - 200, left + 900, top + 50]}
    for bounds, said in ((seen["bounds"], True), ([left, top, left + 10, top + 10], False)):
        conv_bundle(place / f"trained-{said}", training={"scenes": [{**seen, "bounds": bounds}]})
        notes = geoseg.evaluate(f"trained-{said}", "scene.tif", "fields.gpkg").scores["notes"]
        assert any("trained on north" in note for note in notes) == said


@pytest.mark.parametrize(
    "scenes", [5, "north", [5], [{"name": "north"}], [{"name": "north", "crs": UTM, "bounds": ["a", None, 3, 4]}]]
)
def test_what_another_maker_states_of_its_training_is_no_error(place: Path, scenes: object) -> None:
    conv_bundle(place / "theirs", training={"scenes": scenes})
    assert geoseg.evaluate("theirs", "scene.tif", "fields.gpkg").scores["pixels"] == 3 * 400


def test_a_boundary_distance_that_would_fill_the_memory_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*RASTER, "--boundary", "1e9", "-o", "out"]) == 2
    assert "geoseg: BOUNDARY: 1e+09 m: is more than 256 pixels" in capsys.readouterr().err
    assert not (place / "out").exists()


def test_nothing_is_replaced_unasked_and_inputs_never(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RASTER, "-o", "out"]) == 0
    before = (place / "out" / "scores.json").read_bytes()
    assert run([*RASTER, "-o", "out"]) == 4
    assert run([*RASTER, "-o", "out", "--overwrite"]) == 0
    assert (place / "out" / "scores.json").read_bytes() == before
    (place / "out" / "mine.txt").write_text("mine")
    assert run([*RASTER, "-o", "out", "--overwrite"]) == 4
    assert (place / "out" / "mine.txt").read_text() == "mine"
    for folder in (".", "bundle"):
        assert run([*RASTER, "-o", folder, "--overwrite"]) == 4
        assert "INPUT" in capsys.readouterr().err
    assert run([*RASTER, "-o", "scene.tif", "--overwrite"]) == 2
    assert (place / "scene.tif").stat().st_size > 1000


def test_errors_are_one_line_and_leave_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "far.geojson").write_text(
        geopandas.GeoDataFrame(
            {"class": ["tree"]}, geometry=[shapely.box(8, 44, 8.001, 44.001)], crs="EPSG:4326"
        ).to_json()
    )
    base = ["evaluate", "bundle", "scene.tif", "--labels"]
    for arguments, code, word in [
        (["evaluate", "bundle", "scene.tif"], 2, "USAGE"), ([*base, "none.tif"], 3, "NOT_FOUND"),
        ([*base, "labels.tif", "--recode", "10=lava"], 2, "LEGEND"), ([*base, "labels.tif", "--recode", "10"], 2, "USAGE"),
        ([*base, "labels.tif", "--recode", "10=1,10=2"], 2, "USAGE"), ([*base, "labels.tif", "--recode", "77=tree"], 3, "EMPTY"),
        ([*base, "fields.gpkg", "--label-field", "kind"], 3, "FIELD"), ([*base, "labels.tif", "--zone-field", "a"], 2, "USAGE"),
        ([*base, "labels.tif", "--recode", "10=1", "--boundary", "3"], 2, "BOUNDARY"), ([*base, "far.geojson"], 3, "EMPTY"),
        (["evaluate", "none", "scene.tif", "--labels", "labels.tif"], 5, "MISSING"),
        ([*base, "labels.tif", "--bands", "a,b,c,d"], 3, "BANDS"),
    ]:  # fmt: skip
        assert run([*arguments, "-o", "out", "-q"]) == code, arguments
        err = capsys.readouterr().err
        assert err.startswith(f"geoseg: {word}:") and err.count("\n") == 1, err
        assert not (place / "out").exists()
    assert not [path for path in place.iterdir() if path.name.startswith(".")]


def test_the_examples_of_the_help_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with rasterio.open(place / "labels.tif", "r+") as labels:
        codes = labels.read(1)
        labels.write(np.where(codes == 10, 1, 3).astype(np.uint8), 1)
    assert run(["evaluate", "--help"]) == 0
    lines = [
        line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("geoseg evaluate")
    ]
    assert len(lines) == 2
    for line in lines:
        assert run([word.rstrip("/") for word in line[1:]]) == 0
