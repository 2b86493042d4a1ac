"""Pucallpa, whole: drawn polygons become maps of three dates, and those show the river that moved and the town that grew."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

import geoseg
from geoseg.jobs.segment import segment
from geoseg.jobs.train import train
from geoseg.raster.scene import open_scene
from geoseg.training.settings.job import TrainSettings

DATES = ("1985", "2000", "2020")
WATER, TREE, BUILT = 1, 2, 5
TOWN = (slice(60, 200), slice(130, 243))  # rows and columns of the right pixels: west of where the river ever was


def job(root: Path, scenes: Path) -> TrainSettings:
    """The pipeline, with scenes from where they lie, shorter, and with nothing kept for a test."""
    settings = TrainSettings.read(root / "pipelines" / "train_pucallpa.yaml")
    found = tuple(
        scene.model_copy(update={"scene": (str(scenes / Path(scene.files[0]).name),)}) for scene in settings.scenes
    )
    split = settings.split.model_copy(update={"folds": 0, "test": 0.0})
    fit = settings.fit.model_copy(update={"steps": 250})
    scores = settings.scores.model_copy(update={"baseline": False})
    return settings.model_copy(update={"scenes": found, "split": split, "fit": fit, "scores": scores})


@pytest.fixture(scope="module")
def runs(root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder of ``segment`` for each date."""
    folder = tmp_path_factory.mktemp("pucallpa")
    settings = job(root, shared / "data" / "pucallpa_landsat_ts")
    made = train(settings, folder / "bundle")
    assert made is not None
    for date, source in zip(DATES, settings.scenes, strict=True):
        scene = open_scene(list(source.files), bands=source.bands)
        segment(scene, made.bundle, folder / date, confidence=True, only="mask")
    return [folder / date for date in DATES]


def classes(run: Path) -> np.ndarray:
    with rasterio.open(run / "mask.tif") as dataset:
        return dataset.read(1)


def test_the_polygons_are_few_and_named_as_the_legend(root: Path) -> None:
    names = set(TrainSettings.read(root / "pipelines" / "train_pucallpa.yaml").legend.names.values())
    for date in DATES:
        drawn = pyogrio.read_dataframe(root / "samples" / "pucallpa" / f"polygons_{date}.geojson")
        assert 24 <= len(drawn) <= 60 and set(drawn["class"]) == names
        assert drawn.is_valid.all() and drawn.crs == "EPSG:4326"


@pytest.mark.slow
def test_the_river_moved_and_the_town_grew(runs: list[Path], tmp_path: Path) -> None:
    result = geoseg.change(runs[0], runs[2], tmp_path / "out", tolerance=1, min_area=50_000)
    area, ha = result.transitions.area_m2 / 1e4, {}
    values = list(result.transitions.legend.values)
    water, built = values.index(WATER), values.index(BUILT)
    ha["was river"], ha["is river"] = (
        area[water].sum() - area[water, water],
        area[:, water].sum() - area[water, water],
    )
    assert 5000 < ha["was river"] < 12_000 and 3500 < ha["is river"] < 9000
    assert ha["was river"] > ha["is river"], "the eastern arm is nearly dry in 2020"
    assert 2.5 < area[:, built].sum() / area[built].sum() < 7
    lon, lat = np.abs(np.array(result.run["grid"]["res"])) * 111_320
    pixel = lon * lat * np.cos(np.radians(8.43))  # m2 on a sphere of the equator's radius
    assert area.sum() * 1e4 / result.transitions.n_pixels.sum() == pytest.approx(pixel, rel=0.01)


@pytest.mark.slow
def test_the_town_grows_from_date_to_date_where_the_river_never_was(runs: list[Path]) -> None:
    built = [int((classes(run)[TOWN] == BUILT).sum()) for run in runs]
    assert 1.5 * built[0] < built[1] and 1.1 * built[1] < built[2]


@pytest.mark.slow
def test_polygons_table_and_raster_say_the_same(runs: list[Path], tmp_path: Path) -> None:
    geoseg.change(runs[0], runs[2], tmp_path / "out", tolerance=1, min_area=50_000)
    with (tmp_path / "out" / "transitions.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["from_id"] != row["to_id"]]
    drawn = pyogrio.read_dataframe(tmp_path / "out" / "polygons.gpkg", layer="change")
    assert drawn["area_m2"].min() >= 50_000 and drawn.is_valid.all()
    by_name = drawn.groupby("class_name")["area_m2"].sum()
    assert set(by_name.index) == {f"{row['from_name']}->{row['to_name']}" for row in rows}
    for row in rows:
        assert by_name[f"{row['from_name']}->{row['to_name']}"] == pytest.approx(float(row["area_m2"]), rel=1e-6)
    river = drawn[drawn["from_name"] == "water"].nlargest(1, "area_ha").iloc[0]
    assert river["area_ha"] > 300 and 30 < river["conf_mean"] <= 100
    assert "report.html" in {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.slow
def test_a_river_that_moved_is_no_shift_of_the_maps(runs: list[Path], tmp_path: Path) -> None:
    for later in runs[1:]:  # not refused, though the river is a kilometre away
        told = geoseg.change(runs[0], later, tmp_path / later.name, only="raster").run["shift"]
        assert told["px"] - 2 * told["spread"] / told["blocks"] ** 0.5 < 1


@pytest.mark.slow
def test_three_dates_and_their_flicker(runs: list[Path], tmp_path: Path) -> None:
    shares = {}
    for name, options in {"raw": {}, "calm": {"flicker": True, "errors": ("0.9",)}}.items():
        made = geoseg.trajectory(runs, tmp_path / name, dates=DATES, **options)
        shares[name] = [step["changed"]["share"] for step in made.run["steps"]]
        assert json.loads((tmp_path / name / "run.json").read_text())["steps"][0]["from"] == "1985"
    assert all(calm < raw for calm, raw in zip(shares["calm"], shares["raw"], strict=True))
    with rasterio.open(tmp_path / "raw" / "trajectory.tif") as dataset:
        seen = dataset.read(1)
    assert ((seen > 0) == np.logical_or.reduce([classes(run) > 0 for run in runs])).all()
