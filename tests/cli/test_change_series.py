"""geoseg change of three maps or more: what it prints and leaves, and how it refuses."""

import json
from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.helpers.changes import changed, patchy, write_map


@pytest.fixture
def maps(tmp_path: Path) -> list[str]:
    first = patchy((60, 70), 1)
    dates = (first, changed(first, 1), changed(first, 2))
    return [str(write_map(tmp_path / f"{i} map's.tif", values)) for i, values in enumerate(dates)]


def test_it_prints_what_changed_and_what_can_be_said(maps, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    given = ["--dates", "1990,2000,2010", "--flicker", "--errors", "0.9", "--max-shift", "0"]
    assert run(["change", *maps, str(out), *given]) == 0
    said = capsys.readouterr()
    assert "1990 to 2000" in said.out and "as stated" in said.out and not said.err
    assert {path.name for path in out.iterdir()} >= {
        "trajectory.tif", "trajectories.csv", "first_change.tif", "last_change.tif", "n_changes.tif", "transitions.csv",
        "mask_1990.tif", "mask_2010.tif", "item.json", "report.html", "run.json",
    }  # fmt: skip
    assert run(["change", *maps, str(out), *given]) == 4
    assert "EXISTS" in capsys.readouterr().err


def test_json_is_the_record(maps, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(["change", *maps, str(out), "--json", "--max-shift", "0", "--only", "raster", "--note", "a guess"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "run.json").read_text("utf-8"))
    assert "a guess" in told["notes"] and not (out / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tolerance", "1"], "--tolerance goes with two dates"),
        (["--before-errors", "0.9"], "--before-errors goes with two dates"),
        (["--connectivity", "8"], "--connectivity"),
        (["--method", "cva"], "--method"),
        (["--stay", "often"], "neither auto nor"),
        (["--stay", "0.9"], "Add --flicker"),
        (["--flicker"], "--errors"),
        (["--fill-gaps"], "--flicker"),
        (["--dates", "1990,2000"], "DATES"),
    ],
)
def test_what_does_not_fit_is_a_usage_error_of_one_line(
    maps, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["change", *maps, str(tmp_path / "out"), *options]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--flicker", "--fill-gaps", "--errors=0.9", "--stay=0.9"])
def test_options_of_several_dates_are_none_of_two(maps, tmp_path: Path, option: str, capsys) -> None:
    assert run(["change", *maps[:2], str(tmp_path / "out"), option]) == 2
    assert "three maps or more" in capsys.readouterr().err


def test_two_maps_have_the_dates_that_are_stated(maps, tmp_path: Path, capsys) -> None:
    assert run(["change", *maps[:2], str(tmp_path / "out"), "--dates", "2019-06-11,2020-06-15"]) == 0
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert [record[side]["datetime"] for side in ("before", "after")] == ["2019-06-11", "2020-06-15"]
    times = json.loads((tmp_path / "out/item.json").read_text())["properties"]
    assert (times["start_datetime"], times["end_datetime"]) == ("2019-06-11T00:00:00Z", "2020-06-15T00:00:00Z")
    assert run(["change", *maps[:2], str(tmp_path / "no"), "--dates", "2020,2019"]) == 2
    assert "DATES" in capsys.readouterr().err
