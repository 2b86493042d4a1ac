"""``geoseg polygonize``: what it leaves and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from click.testing import CliRunner, Result

import geoseg
from geoseg.cli.main import cli
from geoseg.vector.write import FORMATS
from tests.helpers.rasters import write_raster

MASK = np.kron(np.array([[1, 2, 0], [2, 1, 1]]), np.ones((5, 5))).astype(np.uint8)


@pytest.fixture
def mask(tmp_path: Path) -> str:
    return str(write_raster(tmp_path / "mask.tif", MASK[None], nodata=0))


def invoke(*args: object) -> Result:
    return CliRunner().invoke(cli, ["polygonize", *map(str, args)])


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_by_its_extension(mask: str, tmp_path: Path, ending: str) -> None:
    done = invoke(mask, tmp_path / f"p{ending}", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["polygons"] == 4 and told["files"][0] == str(tmp_path / f"p{ending}")
    assert [(row["class_name"], row["polygons"], row["n_pixels"]) for row in told["classes"]] == [
        ("1", 2, 75),
        ("2", 2, 50),
    ]
    assert (tmp_path / f"p{ending}").is_file()


def test_a_person_gets_a_table(mask: str, tmp_path: Path) -> None:
    done = invoke(mask, tmp_path / "p.gpkg", "--min-area", "1=10,2=2600", "--smooth", "--simplify", 5, "--class", "1")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["class", "polygons", "ha", "drift"] and lines[1].split()[:2] == ["1", "1"]
    assert lines[-2:] == ["2 small regions merged", f"1 polygons: {tmp_path / 'p.gpkg'}"]


@pytest.mark.parametrize("ending", FORMATS)
def test_nothing_to_draw_is_said(tmp_path: Path, ending: str) -> None:
    raster = write_raster(tmp_path / "mask.tif", np.zeros((1, 4, 4), np.uint8), nodata=0)
    done = invoke(raster, tmp_path / f"p{ending}")
    assert done.exit_code == 0 and done.stdout.startswith("0 polygons: no pixel has one of these classes")


def test_a_tolerance_whose_square_is_no_float_leaves_what_the_topology_needs(mask: str, tmp_path: Path) -> None:
    done = invoke(mask, tmp_path / "p.gpkg", "--simplify", "1e300", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["polygons"] == 4


def test_settings_and_keywords_together_are_refused_as_one_would_be_ignored(mask: str, tmp_path: Path) -> None:
    with pytest.raises(geoseg.GeosegError, match="SETTING: min_area"):
        geoseg.polygonize(mask, tmp_path / "p.gpkg", settings=geoseg.PolygonizeSettings(), min_area=500)


def test_eight_neighbours_hold_together_over_corners(mask: str, tmp_path: Path) -> None:
    done = invoke(mask, tmp_path / "p.gpkg", "--connectivity", 8, "--json")
    assert json.loads(done.stdout)["polygons"] == 2


def test_progress_is_one_line_of_json_a_strip(mask: str, tmp_path: Path) -> None:
    assert invoke(mask, tmp_path / "p.gpkg", "--progress", tmp_path / "progress.jsonl").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert lines[-1] == {"step": "polygonize", "done": len(lines), "total": len(lines)}


@pytest.mark.parametrize("ending", [".gpkg", ".shp"])
def test_nothing_is_overwritten_unasked(mask: str, tmp_path: Path, ending: str) -> None:
    assert invoke(mask, tmp_path / f"p{ending}").exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = invoke(mask, tmp_path / f"p{ending}")
    assert again.exit_code == 4 and again.stderr.count("\n") == 1 and "--overwrite" in again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert invoke(mask, tmp_path / f"p{ending}", "--overwrite").exit_code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_split_shapefiles_are_numbered_and_not_overwritten(mask: str, tmp_path: Path) -> None:
    done = invoke(mask, tmp_path / "p.shp", "--split", "--json")
    assert json.loads(done.stdout)["files"][0] == str(tmp_path / "p_1.shp") and not (tmp_path / "p.shp").exists()
    assert invoke(mask, tmp_path / "p.shp", "--split").exit_code == 4
    assert len(pyogrio.read_dataframe(tmp_path / "p_1.shp")) == 4


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["p.kml"], 2, "FORMAT"),
        (["p.gpkg", "--split"], 2, "SPLIT"),
        (["p.gpkg", "--class", "water"], 2, "1, 2"),
        (["p.gpkg", "--connectivity", "6"], 2, "USAGE"),
        (["p.gpkg", "--min-area", "sea=5"], 2, "sea"),
        (["p.gpkg", "--scheduler", "nowhere"], 2, "SCHEDULER"),
        (["p.gpkg", "--confidence", "none.tif"], 3, "NOT_FOUND"),
        ([], 2, "USAGE"),
    ],
)
def test_what_cannot_be_done_is_one_line(mask: str, tmp_path: Path, args: list[str], code: int, says: str) -> None:
    args = [str(tmp_path / arg) if arg.startswith("p.") else arg for arg in args]
    done = invoke(mask, *args)
    assert done.exit_code == code and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.glob("*p.*"))


def test_what_is_no_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("hello")
    done = invoke(tmp_path / "text.tif", tmp_path / "p.gpkg")
    assert done.exit_code == 3 and done.stderr.count("\n") == 1


def test_the_examples_of_the_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geoseg.legend import Legend
    from geoseg.raster.names import LEGEND_TAG

    monkeypatch.chdir(tmp_path)
    legend = Legend.of({1: "water", 2: "tree"})
    write_raster(tmp_path / "mask.tif", MASK[None], nodata=0)
    import rasterio

    with rasterio.open(tmp_path / "mask.tif", "r+") as file:
        file.update_tags(**{LEGEND_TAG: legend.to_json()})
    shown = CliRunner().invoke(cli, ["polygonize", "--help"]).stdout
    lines = [
        line.split()[1:] for line in shown.partition("Example:")[2].splitlines() if line.strip().startswith("geoseg")
    ]
    assert len(lines) == 2
    for line in lines:
        done = CliRunner().invoke(cli, line)
        assert done.exit_code == 0, done.stderr
