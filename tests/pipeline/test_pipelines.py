"""The pipelines that ship run whole, on small data laid where their files say."""

import csv
import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely import box

from geoseg.pipeline.outcome import PipelineResult
from geoseg.pipeline.run import run_pipeline
from geoseg.pipeline.settings import Pipeline
from tests.helpers.bundles import BANDS, conv_bundle
from tests.helpers.jobs import at
from tests.helpers.pipelines import MAPS, place
from tests.helpers.rasters import UTM, numbers, write_raster


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    """A copy of the folder pipelines/, with a bundle beside its files."""
    shutil.copytree(root / "pipelines", tmp_path / "pipelines")
    conv_bundle(tmp_path / "pipelines/bundle")
    return tmp_path / "pipelines"


def _scenes(home: Path, *names: str, shape: tuple[int, int] = (80, 100)) -> None:
    """Scenes of one place; from each to the next a field changes."""
    image = numbers((4, *shape), seed=1)
    for i, name in enumerate(names):
        image = image.copy()
        image[:, 10 * i : 10 * i + 30, 20:60] = np.array([200, 400, 300 + 900 * i, 2500 - 500 * i])[:, None, None]
        write_raster(home / name, image, names=BANDS, nodata=0)


def _polygons(path: Path, *columns: tuple[int, int]) -> None:
    shapes = [box(*at(left, 75), *at(right, 5)) for left, right in columns]
    frame = geopandas.GeoDataFrame({"name": [f"d{i}" for i in range(len(shapes))]}, geometry=shapes, crs=UTM)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_crs("OGC:CRS84").to_file(path)


def _run(home: Path, name: str) -> PipelineResult:
    result = run_pipeline(Pipeline.read(home / name), home.parent / "out")
    assert not result.failed, "\n".join(task.error for task in result.failed)
    return result


def test_segment_scene_maps_the_sample(home: Path, root: Path) -> None:
    shutil.copytree(root / "samples", home.parent / "samples")
    assert _run(home, "segment_scene.yaml").count("done") == 3
    out = home.parent / "out"
    with (out / "area/scene/areas.csv").open() as file:
        measured = {row["class_name"]: float(row["area_ha"]) for row in csv.DictReader(file)}
    found = geopandas.read_parquet(out / "polygonize/scene/polygons.parquet").groupby("class_name")["area_ha"].sum()
    assert set(measured) >= set(found.index) and len(found) == 4
    assert all(abs(found[name] / measured[name] - 1) < 0.1 for name in found.index)  # outlines are simplified
    assert (out / "segment/scene/report.html").is_file()


def test_archive_maps_each_scene_into_its_year_and_goes_on_past_a_bad_one(home: Path) -> None:
    names = [f"archive/{year}/s_{year}0601.tif" for year in (2018, 2019, 2020)]
    _scenes(home, *names)
    (home / "archive/2019/poison_20190701.tif").write_bytes(b"II*\0nonsense")
    result = run_pipeline(Pipeline.read(home / "archive.yaml"), home.parent / "out")
    out = home.parent / "out"
    assert {task.task for task in result.tasks if task.status == "failed"} == {"segment/2019/poison_20190701"}
    assert result.count("blocked") == 3 and result.count("done") == 3 * 4 + 1
    page = (out / "report/archive/report.html").read_text()
    assert "poison_20190701" in page and "What the archive shows" in page and "../../area/2020/s_20200601/" in page
    (home / "archive/2019/poison_20190701.tif").unlink()
    again = _run(home, "archive.yaml")
    assert again.count("skipped") == 12 and again.count("done") == 1  # the report alone


def test_change_of_two_scenes_waits_for_labels_and_estimates_when_they_are_there(home: Path) -> None:
    _scenes(home, "scenes/2019-06-11.tif", "scenes/2020-06-15.tif")
    result = _run(home, "change_two_scenes.yaml")
    out, pair = home.parent / "out", "2019-06-11_to_2020-06-15"
    assert [task.step for task in result.tasks if task.status == "waiting"] == ["estimate"]
    record = json.loads((out / "change" / pair / "run.json").read_text())
    assert record["statement"] and record["statement"] in (out / "pipeline.json").read_text()
    samples = out / "sample" / pair / "samples.gpkg"
    frame = geopandas.read_file(samples, layer="samples")
    frame["reference"] = frame["map_class"]
    _label(samples, dict(zip(frame["sample_id"], frame["map_class"], strict=True)))
    labelled = samples.read_bytes()
    again = _run(home, "change_two_scenes.yaml")
    assert {task.step: task.status for task in again.tasks} == {
        "segment": "skipped", "change": "skipped", "sample": "skipped", "estimate": "done", "report": "done",
    }  # fmt: skip
    assert samples.read_bytes() == labelled and (out / "estimate" / pair / "estimate.csv").stat().st_size > 100
    assert _run(home, "change_two_scenes.yaml").count("skipped") == len(again.tasks)


def _label(samples: Path, references: dict[int, int]) -> None:
    """Fill the column reference as a person does, in the file as it is."""
    import sqlite3

    with sqlite3.connect(samples) as db:
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'samples'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f'DROP TRIGGER "{name}"')  # they ask for functions of GDAL
        for sample, value in references.items():
            db.execute("UPDATE samples SET reference = ? WHERE sample_id = ?", (int(value), int(sample)))
        for _, sql in triggers:
            db.execute(sql)
    db.close()


def test_monthly_change_compares_what_has_come_with_the_month_before(home: Path) -> None:
    months = ["2020-04", "2020-05", "2020-06"]
    _scenes(home, *(f"monthly/{month}.tif" for month in months))
    _polygons(home / "monthly/area.geojson", (10, 90))
    _polygons(home / "monthly/districts.geojson", (10, 50), (50, 90))
    table = home / "monthly/scenes.csv"
    table.write_text("path,date,tile\n" + "".join(f"{month}.tif,{month}-10,T32\n" for month in months[:2]))
    first = _run(home, "monthly_change.yaml")
    out = home.parent / "out"
    assert [task.task for task in first.tasks if task.step == "change"] == ["change/T32_2020-04_to_T32_2020-05"]
    with (out / "change/T32_2020-04_to_T32_2020-05/zones.csv").open() as file:
        assert {row["zone_name"] for row in csv.DictReader(file)} == {"d0", "d1"}
    before = {path: path.stat().st_mtime_ns for path in (out / "segment").rglob("mask.tif")}
    table.write_text(table.read_text() + "2020-06.tif,2020-06-10,T32\n")
    second = _run(home, "monthly_change.yaml")
    assert {task.task for task in second.tasks if task.status == "done"} == {
        "segment/T32/2020-06", "area/T32/2020-06", "change/T32_2020-05_to_T32_2020-06", "report/monthly-change",
    }  # fmt: skip
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_an_incremental_map_computes_only_what_has_changed_to_the_bytes_of_a_full_one(tmp_path: Path) -> None:
    text = MAPS.replace("only: mask", "only: mask\n    incremental: true\n    block_size: 64\n    backend: torch")
    pipeline, path = place(tmp_path, text, dates=()), tmp_path / "scenes/s_20200101.tif"
    image = numbers((4, 512, 512), seed=1)
    for out, changed in (("out", 0), ("out", 1), ("full", 0)):
        image[:, 200:250, 200:250] += changed  # 1 % of the pixels, inside one block
        write_raster(path, image, names=BANDS, nodata=0)
        result = run_pipeline(pipeline, tmp_path / out)
    blocks = json.loads((tmp_path / "out/segment/s_20200101/run.json").read_text())["blocks"]
    assert blocks["run"] == 64 and 1 <= 64 - blocks["reused"] <= 9  # that block and those whose halo reaches into it
    masks = [(tmp_path / out / "segment/s_20200101/mask.tif").read_bytes() for out in ("out", "full")]
    assert not result.failed and masks[0] == masks[1]


@pytest.mark.slow
def test_train_and_map_trains_a_bundle_and_maps_with_it(home: Path, root: Path) -> None:
    shutil.copytree(root / "samples", home.parent / "samples")
    job = home / "train_north_carolina.yaml"
    short = job.read_text().replace("steps: 300", "steps: 3").replace("baseline: true", "baseline: false")
    assert "steps: 3\n" in short and "baseline: false" in short
    job.write_text(short)
    assert _run(home, "train_and_map.yaml").count("done") == 3
    out = home.parent / "out"
    told = json.loads((out / "segment/scene/run.json").read_text())
    assert told["bundle"]["name"] == "north-carolina-landcover" and (out / "train/bundle/scores.json").is_file()
    assert _run(home, "train_and_map.yaml").count("skipped") == 3
    job.write_text(short.replace("steps: 3\n", "steps: 2\n"))
    assert _run(home, "train_and_map.yaml").count("done") == 3
