"""``geoseg change --method``: two images, and which options go with them."""

import json
from pathlib import Path

import numpy as np
import pytest

import geoseg
from geoseg.cli.main import run
from tests.helpers.rasters import write_raster


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    draw = np.random.default_rng(1)
    land = np.kron(draw.integers(300, 2500, (2, 8, 8)), np.ones((1, 10, 10)))
    after = land * 1.5
    after[:, 20:40, 20:40] += [[[1500]], [[-200]]]
    dates = [(image + draw.normal(0, 10, land.shape)).round().astype("int16") for image in (land, after)]
    return [str(write_raster(tmp_path / f"{name}.tif", image)) for name, image in zip("ab", dates, strict=True)]


@pytest.mark.parametrize("method", ["irmad", "cva"])
def test_two_images_become_a_folder(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    out = tmp_path / "out"
    given = ["--bands", "red,nir", "--min-area", "2000", "--false-alarm", "0.0001"]
    assert run(["change", *images, str(out), "--method", method, *given]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == str(out) and said[-2].startswith("6.2")
    record = json.loads((out / "run.json").read_text())
    assert record["bands"] == ["red", "nir"] and record["polygons"] == 1
    assert run(["change", *images, str(out), "--method", method]) == 4


def test_the_command_and_the_function_do_the_same(images: list[str], tmp_path: Path) -> None:
    assert run(["change", *images, str(tmp_path / "one"), "--method", "irmad", "--threshold", "otsu"]) == 0
    geoseg.compare_images(*images, tmp_path / "two", threshold="otsu")
    for name in ("change.tif", "pvalue.tif", "polygons.gpkg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_json_is_the_record(images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["change", *images, str(tmp_path / "out"), "--method", "cva", "--only", "raster", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["polygons"] is None
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--tolerance", "1"], "--tolerance goes with class maps"),
        (["--band", "1"], "--band goes with class maps"),
        (["--min-area", "water=5"], "images have no classes"),
        (["--false-alarm", "0"], "--false-alarm"),
    ],
)
def test_options_of_maps_are_refused(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert run(["change", *images, str(tmp_path / "out"), "--method", "cva", *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_of_images_need_the_method(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["change", *images, str(tmp_path / "out"), "--threshold", "otsu"]) == 2
    assert "--threshold goes with --method" in capsys.readouterr().err
    assert run(["change", *images, images[0], str(tmp_path / "out"), "--method", "cva"]) == 2
    assert "two images, not 3" in capsys.readouterr().err
