"""``geoseg change``: its files, its table, and what it refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geoseg
from geoseg.cli.main import run
from tests.helpers.changes import changed, patchy, write_map

BEFORE = patchy((60, 70), seed=7)
AFTER = changed(BEFORE, seed=7)


@pytest.fixture
def maps(tmp_path: Path) -> list[str]:
    return [str(write_map(tmp_path / name, values)) for name, values in (("a.tif", BEFORE), ("b.tif", AFTER))]


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    (said,) = capsys.readouterr().err.strip().splitlines()
    return said


def test_it_leaves_the_files_of_the_contract_and_says_what_changed(
    maps: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["change", *maps, str(tmp_path / "out"), "--max-shift", "0", "-q"]) == 0
    said = capsys.readouterr().out
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"change.tif", "transitions.csv", "polygons.gpkg", "item.json", "report.html", "run.json"} <= made
    statement = json.loads((tmp_path / "out" / "run.json").read_text())["statement"]
    assert "->" in said and "gain" in said and statement in said


def test_options_are_those_of_the_function(maps: list[str], tmp_path: Path) -> None:
    words = [
        "--tolerance",
        "1",
        "--min-area",
        "300,tree=900",
        "--recode",
        "bare=open,built=open",
        "--connectivity",
        "8",
    ]
    assert run(["change", *maps, str(tmp_path / "one"), *words, "--only", "raster", "--max-shift", "0"]) == 0
    geoseg.change(
        *maps, tmp_path / "two", tolerance=1, min_area={"others": 300, "classes": {"tree": 900}}, connectivity=8,
        recode={"bare": "open", "built": "open"}, only="raster", max_shift=0,
    )  # fmt: skip
    one, two = ((tmp_path / name / "change.tif").read_bytes() for name in ("one", "two"))
    assert one == two


def test_json_is_the_record(maps: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["change", *maps, str(tmp_path / "out"), "--json", "--only", "raster", "--max-shift", "0", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "out" / "run.json").read_text())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a.tif", "out"], 2, "give BEFORE and AFTER, then the folder OUT"),
        (["a.tif", "b.tif", "out", "--recode", "tree"], 2, "'tree' is not CLASS=NAME"),
        (["a.tif", "b.tif", "out", "--recode", "1=a,1=b"], 2, "1 is recoded twice"),
        (["a.tif", "b.tif", "out", "--false-alarm", "0.1"], 2, "--false-alarm goes with --method"),
        (["a.tif", "b.tif", "a.tif", "out", "--method", "cva"], 2, "--method compares two images, not 3"),
        (["a.tif", "b.tif", "out", "--tolerance", "-1"], 2, "--tolerance"),
        (["a.tif", "b.tif", "out", "--confidence-min", "50"], 3, "CONFIDENCE"),
        (["a.tif", "b.tif", "out", "--zones", "none.gpkg"], 3, "NOT_FOUND: none.gpkg"),
        (["a.tif", "b.tif", "out", "--min-area", "ice=3"], 2, "LEGEND: ice: no class of this name"),
        (["a.tif", "b.tif", "out", "--zone-field", "name"], 2, "ZONES: name: is a column of no zones"),
        (["a.tif", "missing.tif", "out"], 3, "missing.tif"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    maps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["change", *words]) == code
    assert said in line(capsys) and not (tmp_path / "out").exists()


def test_it_does_not_overwrite_unasked(maps: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["change", *maps, str(tmp_path / "out"), "--only", "raster", "--max-shift", "0", "-q"]
    assert run(words) == 0
    assert run(words) == 4 and "EXISTS" in line(capsys)
    assert run([*words, "--overwrite"]) == 0


def test_names_of_any_letters_pass_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    legend = geoseg.Legend.of({1: "=1+1", 2: "Wäldchen <b>,\"'", 3: "日本"})
    values = np.random.default_rng(1).integers(1, 4, (2, 9, 9)).astype(np.uint8)
    files = [str(write_map(tmp_path / f"[{i}] é.tif", v, legend)) for i, v in enumerate(values)]
    assert run(["change", *files, str(tmp_path / "out [x]"), "--max-shift", "0", "-q"]) == 0
    rows = (tmp_path / "out [x]" / "transitions.csv").read_text(encoding="utf-8")
    assert "'=1+1" in rows and "日本" in rows
    with rasterio.open(tmp_path / "out [x]" / "change.tif") as dataset:
        assert "Wäldchen" in dataset.tags()["GEOSEG_LEGEND"].encode().decode("unicode_escape")
