"""The plugin for QGIS: its words reach geoseg without a shell, errors are one line, a cancelled run ends in order."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyogrio
import pytest

from tests.helpers.changes import LEGEND, patchy, write_map
from tests.helpers.qgis_here import look
from tests.helpers.rasters import write_raster

PLUGINS = Path(__file__).parent.parent / "qgis"
RUN = Path(__file__).with_name("helpers") / "qgis_run.py"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="stand-ins are scripts of a POSIX system")


@pytest.fixture(scope="module")
def command() -> ModuleType:
    """The module that runs geoseg, which needs no QGIS."""
    path = PLUGINS / "geoseg_processing/command.py"
    spec = importlib.util.spec_from_file_location("geoseg_processing_command", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stand_in(folder: Path, body: str) -> str:
    """A program named geoseg that writes its words into words.json and its environment into environment.json."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "geoseg"
    head = f"""
        #!{sys.executable} -S
        import json, os, signal, sys, time
        here = {str(folder)!r}
        open(here + "/words.json", "w").write(json.dumps(sys.argv[1:]))
        open(here + "/environment.json", "w").write(json.dumps(dict(os.environ)))
        def progress(done, total):
            with open(sys.argv[sys.argv.index("--progress") + 1], "a") as file:
                file.write(json.dumps({{"step": "predict", "done": done, "total": total}}) + chr(10))
    """
    text = textwrap.dedent(head).strip() + "\n" + textwrap.dedent(body)
    program.write_text(text, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def call(command: ModuleType, program: str, *words: str, stop: str = "\0", progress: bool = False) -> Any:
    """Run it; its exit code or error, the lines it printed, and the progress."""
    lines: list[str] = []
    steps: list[tuple[str, float]] = []
    try:
        end = command.run(
            program, list(words), on_line=lines.append, on_progress=lambda *step: steps.append(step),
            is_cancelled=lambda: stop in lines, tells_progress=progress,
        )  # fmt: skip
    except command.CommandFailed as error:
        end = str(error)
    return end, lines, steps


def test_words_arrive_as_they_are_and_what_is_qgis_own_does_not(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["a b.tif", "'; touch /tmp/x; '", "$(id)", "ö*?", "-x", ""]
    for name in ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "PROJ_LIB"):
        monkeypatch.setenv(name, "/usr/share/qgis")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    end, _, _ = call(command, stand_in(tmp_path, ""), "segment", *words)
    assert end == 0
    assert json.loads((tmp_path / "words.json").read_text()) == ["segment", *words]
    there = json.loads((tmp_path / "environment.json").read_text())
    assert not {"PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "PROJ_LIB"} & set(there)
    assert there["CUDA_VISIBLE_DEVICES"] == "0"


def test_an_error_is_geosegs_own_line(command: ModuleType, tmp_path: Path) -> None:
    body = """
        print("Traceback, noise", file=sys.stderr)
        print("geoseg: CRS: a.tif: has no CRS. Add --assume-crs", file=sys.stderr)
        print("later noise", file=sys.stderr)
        sys.exit(3)
    """
    end, lines, _ = call(command, stand_in(tmp_path / "a", body))
    assert end == "CRS: a.tif: has no CRS. Add --assume-crs" and "later noise" in lines
    assert call(command, stand_in(tmp_path / "b", "sys.exit(9)"))[0] == "geoseg ended with exit code 9 and said nothing"
    assert call(command, stand_in(tmp_path / "c", "print('no room', file=sys.stderr); sys.exit(1)"))[0] == "no room"
    assert call(command, stand_in(tmp_path / "d", "sys.exit(8)"))[0] == command.DONE_IN_PART
    assert "cannot be started" in call(command, str(tmp_path / "nothing"))[0]


def test_progress_is_told_and_much_output_blocks_nothing(command: ModuleType, tmp_path: Path) -> None:
    body = """
        progress(1, 4)
        print("x" * 300000, file=sys.stderr)
        print("y" * 300000)
        progress(4, 4)
    """
    end, lines, steps = call(command, stand_in(tmp_path, body), progress=True)
    assert end == 0 and {len(line) for line in lines} == {300000}
    assert steps[-1] == ("predict", 100.0)


def test_a_cancelled_run_is_asked_to_stop_in_order(command: ModuleType, tmp_path: Path) -> None:
    body = """
        def stop(*_):
            open(here + "/asked", "w").close()
            print("geoseg: INTERRUPTED: out: stopped by SIGINT. Finished blocks are kept", file=sys.stderr)
            sys.exit(130)
        signal.signal(signal.SIGINT, stop)
        print("ready", flush=True)
        time.sleep(60)
    """
    end, _, _ = call(command, stand_in(tmp_path, body), stop="ready")
    assert end == "INTERRUPTED: out: stopped by SIGINT. Finished blocks are kept"
    assert (tmp_path / "asked").exists()


def test_the_command_is_found_by_program_environment_or_path(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in(tmp_path / "venv/bin", "")
    assert command.find(program) == command.find(f" {tmp_path}/venv ") == program
    monkeypatch.setenv("PATH", str(tmp_path / "venv/bin"))
    assert command.find() == program
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    for setting in ("", str(tmp_path / "gone")):
        with pytest.raises(command.CommandFailed, match="Name it in Settings"):
            command.find(setting)


def test_the_forms_make_the_words_of_the_command_line(tmp_path: Path) -> None:
    """In QGIS itself, with a stand-in that leaves what geoseg would."""
    body = """
        if "boom" in sys.argv:
            print("geoseg: EXISTS: out/mask.tif: exists. Add --overwrite", file=sys.stderr)
            sys.exit(4)
        print("a line of geoseg")
        if "--progress" in sys.argv:
            progress(1, 2)
            time.sleep(0.5)
            progress(2, 2)
        out = sys.argv[3]
        os.makedirs(out, exist_ok=True)
        for name in ("mask.tif", "polygons.gpkg"):
            open(os.path.join(out, name), "w").close()
    """
    program = stand_in(tmp_path / "bin", body)
    scene = write_raster(tmp_path / "a b.tif", np.ones((1, 8, 8), np.uint8))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    run = {"SCENE": [str(scene)], "BUNDLE": str(bundle), "OUTPUT": str(tmp_path / "out")}
    more = {"MIN_AREA": 400, "CONFIDENCE": True, "OPTIONS": "--device cpu --note 'two words'", "BANDS": "red"}
    jobs = [
        ["geoseg:segment", run | {"OPTIONS": "boom"}],
        ["geoseg:segment", run | {"OPTIONS": "'"}],
        ["geoseg:segment", run | {"SCENE": []}],
        ["geoseg:segment", run | more],
    ]
    told = look(PLUGINS, program, json.dumps(jobs), home=tmp_path, script=RUN)
    assert sorted(told["names"]) == ["geoseg:change", "geoseg:polygonize", "geoseg:segment"]
    refused, unbalanced, nothing, done = told["jobs"]
    assert refused["error"].endswith("EXISTS: out/mask.tif: exists. Add --overwrite")
    assert "\n" not in refused["error"] and "quotation" in unbalanced["error"]
    assert "No scene" in nothing["error"]
    words = json.loads((tmp_path / "bin/words.json").read_text())
    assert words[:5] == ["segment", str(scene), str(tmp_path / "out"), "--bundle", str(bundle)]
    assert words[5:-2] == [
        "--bands", "red", "--min-area", "400.0", "--confidence", "--device", "cpu", "--note", "two words",
    ]  # fmt: skip
    assert words[-2] == "--progress"
    assert "a line of geoseg" in done["told"] and 100.0 in done["progress"]
    assert done["outputs"]["MASK"] == str(tmp_path / "out/mask.tif")
    assert done["loaded"] == {
        str(tmp_path / "out/mask.tif"): "Class map", str(tmp_path / "out/polygons.gpkg"): "Polygons",
    }  # fmt: skip


@pytest.mark.slow
def test_polygonize_and_change_run_for_real(tmp_path: Path) -> None:
    program = tmp_path / "geoseg"
    root = Path(__file__).parent.parent
    program.write_text(f'#!/bin/sh\nPYTHONPATH={str(root)!r} exec {sys.executable!r} -m geoseg "$@"\n')
    program.chmod(0o755)
    before, after = patchy((40, 50), nodata=0), patchy((40, 50), seed=1, nodata=0)
    maps = [str(write_map(tmp_path / f"{name}.tif", values)) for name, values in (("a", before), ("b", after))]
    out, polygons = tmp_path / "change", tmp_path / "water.gpkg"
    jobs = [
        ["geoseg:polygonize", {"MASK": maps[0], "CLASSES": "water", "OUTPUT": str(polygons)}],
        ["geoseg:change", {"BEFORE": maps[0], "AFTER": maps[1], "OUTPUT": str(out), "OPTIONS": "--max-shift 0"}],
        ["geoseg:change", {"BEFORE": maps[0], "AFTER": maps[1], "OUTPUT": str(out)}],
    ]
    made, changed, again = look(PLUGINS, program, json.dumps(jobs), home=tmp_path, script=RUN)["jobs"]
    assert made["outputs"] == {"OUTPUT": str(polygons)}
    table = pyogrio.read_dataframe(polygons, layer="landcover")
    assert set(table.class_name) == {"water"}
    assert table.n_pixels.sum() == (before == LEGEND.value_of("water")).sum()
    assert (out / "run.json").exists() and changed["loaded"][str(out / "change.tif")] == "Change"
    assert "EXISTS" in again["error"]
