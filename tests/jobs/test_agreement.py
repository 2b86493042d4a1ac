"""Agreement: two files of labels against a slow count of their pixels; classes by name; places that differ."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from geoseg.cli.main import run
from geoseg.errors import InputRefused, UsageError
from geoseg.jobs.agreement import agree
from geoseg.raster.scene import open_scene
from geoseg.training.settings.data import LabelSettings
from tests.helpers.jobs import at, scene_file, vector_file
from tests.helpers.rasters import write_raster

SHAPE = (300, 260)


def rasters(folder: Path, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two rasters of codes 0 (none), 3, 5, 9 in fields; the second differs in some."""
    rng = np.random.default_rng(seed)
    a = np.kron(rng.choice([0, 3, 5, 9], (30, 26)), np.ones((10, 10))).astype(np.uint8)
    b = np.where(rng.random(SHAPE) < 0.2, rng.choice([0, 3, 5], SHAPE), a).astype(np.uint8)
    for name, label in (("a.tif", a), ("b.tif", b)):
        write_raster(folder / name, label[None], nodata=0)
    return a, b


def test_figures_are_those_of_a_slow_count(tmp_path: Path) -> None:
    a, b = rasters(tmp_path)
    told = agree(LabelSettings(path=str(tmp_path / "a.tif")), LabelSettings(path=str(tmp_path / "b.tif")))
    both = (a > 0) & (b > 0)
    n = int(both.sum())
    assert told["pixels"] == {
        "a": int((a > 0).sum()),
        "b": int((b > 0).sum()),
        "both": n,
        "either": int(((a > 0) | (b > 0)).sum()),
    }
    matrix = [[int((both & (a == i) & (b == j)).sum()) for j in (3, 5, 9)] for i in (3, 5, 9)]
    assert told["confusion"] == {"classes": ["3", "5", "9"], "counts": matrix}
    same = float((a == b)[both].mean())
    chance = sum(float((a[both] == i).mean() * (b[both] == i).mean()) for i in (3, 5, 9))
    assert told["overall"]["value"] == pytest.approx(same, abs=1e-6)
    assert told["kappa"]["value"] == pytest.approx((same - chance) / (1 - chance), abs=1e-6)
    for i, value in enumerate((3, 5, 9)):
        one, other, hits = (
            int(x.sum()) for x in (both & (a == value), both & (b == value), both & (a == value) & (b == value))
        )
        found = told["classes"][str(value)]
        assert (found["a_pixels"], found["b_pixels"], found["both_pixels"]) == (one, other, matrix[i][i])
        assert found["f1"]["value"] == pytest.approx(2 * hits / (one + other), abs=1e-6)
        assert found["iou"]["value"] == pytest.approx(hits / (one + other - hits), abs=1e-6)
        assert found["f1"]["low"] < found["f1"]["value"] < found["f1"]["high"]


def test_swapped_it_says_the_same(tmp_path: Path) -> None:
    rasters(tmp_path)
    a, b = (LabelSettings(path=str(tmp_path / name)) for name in ("a.tif", "b.tif"))
    one, other = agree(a, b), agree(b, a)
    assert one["kappa"] == other["kappa"] and one["overall"] == other["overall"]
    assert np.array_equal(one["confusion"]["counts"], np.transpose(other["confusion"]["counts"]))
    alone = agree(a, a)
    assert (alone["overall"]["value"], alone["kappa"]["value"]) == (1, 1)


def test_places_are_those_pixels_where_two_classes_are_said(tmp_path: Path) -> None:
    a, b = rasters(tmp_path)
    told = agree(
        LabelSettings(path=str(tmp_path / "a.tif")),
        LabelSettings(path=str(tmp_path / "b.tif")),
        out=tmp_path / "p.gpkg",
    )
    frame = geopandas.read_file(tmp_path / "p.gpkg", layer="disagreement")
    assert told["polygons"] == len(frame) > 100
    found = frame.groupby(["a_name", "b_name"])["n_pixels"].sum().to_dict()
    for i, j in product((3, 5, 9), repeat=2):
        expected = int(((a == i) & (b == j)).sum()) if i != j else 0
        assert found.get((str(i), str(j)), 0) == expected
    assert (frame.geometry.area / 100).round(6).tolist() == frame["n_pixels"].tolist()  # pixels of 10 m


def test_polygons_and_a_raster_agree_by_the_names_of_classes(tmp_path: Path) -> None:
    scene_file(tmp_path / "scene.tif", (40, 60), nodata=0)
    boxes = [shapely.box(*at(c, 20), *at(c + 10, 10)) for c in (2, 30)]
    vector_file(tmp_path / "a.gpkg", boxes, ["Water", "wood"])
    vector_file(tmp_path / "b.gpkg", boxes, ["water", "forest"])
    a, b = (LabelSettings(path=str(tmp_path / name)) for name in ("a.gpkg", "b.gpkg"))
    grid = open_scene([tmp_path / "scene.tif"]).geobox
    assert agree(a, b, geobox=grid)["overall"]["value"] == 0.5
    again = b.model_copy(update={"recode": {"forest": "wood"}})
    assert agree(a, again, geobox=grid)["overall"]["value"] == 1
    with pytest.raises(UsageError, match="SCENE"):
        agree(a, b)


def test_labels_that_never_meet_are_refused(tmp_path: Path) -> None:
    for name, label in (("a.tif", np.eye(8)), ("b.tif", 2 * (1 - np.eye(8)))):
        write_raster(tmp_path / name, label.astype(np.uint8)[None], nodata=0)
    with pytest.raises(InputRefused, match="EMPTY"):
        agree(LabelSettings(path=str(tmp_path / "a.tif")), LabelSettings(path=str(tmp_path / "b.tif")))


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rasters(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(["labels", "agree", "a.tif", "b.tif", "--recode", "3=crop,5=crop", "-o", "p.geojson"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["confusion"]["classes"] == ["9", "crop"]
    assert len(json.loads((tmp_path / "p.geojson").read_text())["features"]) == told["polygons"] > 0
    for args, code, word in (
        (["a.tif", "b.tif", "-o", "p.geojson"], 4, "EXISTS"),
        (["a.tif", "b.tif", "-o", "a.tif", "--overwrite"], 2, "FORMAT"),
        (["a.tif", "none.tif"], 3, "NOT_FOUND"),
        (["a.tif"], 2, "USAGE"),
    ):
        assert run(["labels", "agree", *args]) == code
        assert capsys.readouterr().err.startswith(f"geoseg: {word}: ")
