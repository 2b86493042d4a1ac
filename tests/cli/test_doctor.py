"""``geoseg doctor``: a line a check, clashes of GDAL's and PROJ's data found, and nothing that hangs or crashes it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import rasterio

from geoseg.cli.main import run
from geoseg.jobs.doctor import machine, maps
from geoseg.jobs.doctor.child import answer
from geoseg.jobs.doctor.examine import CHECKS, MARK, examine
from geoseg.jobs.doctor.finding import Finding, fail, ok


def by_command(*args: str, **environment: str) -> tuple[int, dict[str, Finding], str]:
    command = [sys.executable, "-m", "geoseg", "doctor", "--json", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    checks = [Finding(**item) for item in json.loads(done.stdout)["checks"]]
    return done.returncode, {item.check: item for item in checks}, done.stderr


def test_what_needs_no_library_is_found_and_told_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--folder", str(tmp_path), "--only", "sqlite,python,disk,clock,files"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert [line[1] for line in lines] == ["python", "files", "disk", "sqlite", "clock"]
    assert {line[0] for line in lines} <= {"ok", "warn"}
    assert "\x1b" not in out  # colours are for terminals
    assert not err
    assert not list(tmp_path.iterdir())  # what was tried out is gone


def test_data_of_another_proj_and_gdal_is_found_with_the_remedy(tmp_path: Path) -> None:
    own = Path(rasterio.__file__).parent / "proj_data" / "proj.db"
    if not own.is_file():
        pytest.skip("rasterio has no database of its own here")
    shutil.copy(own, tmp_path)
    with closing(sqlite3.connect(tmp_path / "proj.db")) as database:
        database.execute("UPDATE metadata SET value = '2' WHERE key = 'DATABASE.LAYOUT.VERSION.MINOR'")
        database.commit()
    code, found, said = by_command("--only", "gdal,proj", PROJ_DATA=str(tmp_path), GDAL_DATA=str(tmp_path))
    assert code == 6
    assert found["proj"].status == "fail"
    assert "layout 1.2" in found["proj"].text
    assert found["proj"].remedy == "Run: unset PROJ_DATA"
    assert found["gdal"].status == "warn"
    assert found["gdal"].remedy == "Run: unset GDAL_DATA"
    assert said == "geoseg: DOCTOR: proj: this will not work here. See the remedies on its lines.\n"


def test_a_check_that_hangs_or_crashes_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {
        "python": "import time; time.sleep(600)",
        "geoseg": "import os; os.abort()",
        "extras": "import sys; sys.exit('ImportError: no such thing')",
        "clock": f'print(\'noise\'); print(\'{MARK}\' + \'{{"check": "clock", "status": "ok", "text": "fine"}}\')',
    }
    begin = subprocess.Popen

    def instead(command: list[str], **how: object) -> object:
        return begin([sys.executable, "-c", commands[command[3]]], **how)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", instead)
    found = {item.check: item for item in examine(only=tuple(commands), patience=5)}
    assert {name: item.status for name, item in found.items()} == {
        "python": "fail", "geoseg": "fail", "extras": "fail", "clock": "ok",
    }  # fmt: skip
    assert "no answer within 5 s" in found["python"].text
    assert 5 <= found["python"].seconds < 60
    assert "SIGABRT" in found["geoseg"].text
    assert "no such thing" in found["extras"].text


def test_an_error_inside_of_a_check_is_its_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> Finding:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setitem(CHECKS, "clock", broken)
    found = answer("clock", ".")
    assert (found.status, found.text) == ("fail", "ZeroDivisionError: by zero")


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    assert machine.disk(str(tmp_path / "none")).status == "fail"
    if os.getuid() == 0:
        assert machine.disk("/proc").status == "fail"
    else:
        tmp_path.chmod(0o500)
        assert machine.disk(str(tmp_path)).status == "fail"


def test_little_memory_and_a_full_disk_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_limit", lambda: (3 << 30, (3 << 30) - (100 << 20)))
    assert machine.memory(".").status == "fail"
    monkeypatch.setattr(machine, "_limit", lambda: (8 << 30, 6.5 * (1 << 30)))
    assert machine.memory(".").status in ("warn", "fail")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1 << 20))  # type: ignore[attr-defined]
    assert machine.disk(str(tmp_path)).status == "fail"


def test_limits_on_threads_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine._LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(machine, "_quota", lambda: None)
    assert machine.threads(".").status == "ok"
    monkeypatch.setattr(machine, "_quota", lambda: 2.0)
    assert "--threads 2" in machine.threads(".").remedy
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert machine.threads(".").remedy.startswith("Run: unset OMP_NUM_THREADS")


def test_the_known_point_is_told_from_one_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert maps.coordinates(".").status == "ok"
    monkeypatch.setattr(maps, "_PLACE", (maps._PLACE[0] + 1, maps._PLACE[1]))
    assert "1.00 m beside" in maps.coordinates(".").text


def test_findings_say_what_to_do() -> None:
    assert ok("x", "fine").facts() == {"check": "x", "status": "ok", "text": "fine", "remedy": "", "seconds": 0.0}
    assert fail("x", "broken", "Mend it").remedy == "Mend it"


@pytest.mark.parametrize("args", [["--only", "nothing"], ["--timeout", "0s"], ["--only", ""]])
def test_wrong_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", *args]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_everything_is_well_where_the_tests_run(tmp_path: Path) -> None:
    clean = {name: "" for name in ("PROJ_DATA", "PROJ_LIB") if name in os.environ}
    assert not clean, "the tests run without another PROJ's data"
    code, found, said = by_command("--folder", str(tmp_path), "--timeout", "5m")
    assert set(found) == set(CHECKS)
    assert code == 0, said
    assert not list(tmp_path.iterdir())
