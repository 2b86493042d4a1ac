"""``geoseg demo``: what it leaves and says, and that it replaces nothing but an earlier demo."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.errors import Conflict, InputRefused
from geoseg.jobs import demo as job


@pytest.mark.slow
def test_the_demo_maps_the_sample_says_what_to_open_and_runs_again(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = CliRunner().invoke(cli, ["demo", str(out)])
    assert done.exit_code == 0, done.stderr
    opened = [line.split()[0] for line in done.stdout.partition("Open:\n")[2].splitlines()]
    assert opened == [str(out / name) for name in ("report.html", "mask.tif", "polygons.gpkg")]
    assert all(Path(path).is_file() for path in opened)
    run = json.loads((out / "run.json").read_text())
    assert run["plan"]["shape"] == [246, 489] and run["polygons"] > 0
    before = {name: (out / name).read_bytes() for name in ("mask.tif", "polygons.gpkg", "areas.csv", "confidence.tif")}
    again = CliRunner().invoke(cli, ["demo", str(out)])
    assert again.exit_code == 4 and "--overwrite" in again.stderr and again.stderr.count("\n") == 1
    assert CliRunner().invoke(cli, ["demo", str(out), "--overwrite"]).exit_code == 0
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_folder_that_no_demo_made_is_refused_even_with_overwrite(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "mask.tif").write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(Conflict, match="EXISTS"):
            job.demo(tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["mask.tif"]


def test_another_run_in_the_demos_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / job.MARK).touch()
    job.refuse_foreign(tmp_path, "scene")
    for text in ('{"scene": {"name": "mine"}}', "{}", "not JSON"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(Conflict, match="EXISTS"):
            job.refuse_foreign(tmp_path, "scene")
    (tmp_path / "run.json").write_text('{"scene": {"name": "scene"}}')
    job.refuse_foreign(tmp_path, "scene")


def test_a_file_in_the_place_of_the_folder_is_refused(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    done = CliRunner().invoke(cli, ["demo", str(tmp_path / "demo"), "--overwrite"])
    assert done.exit_code == 4 and (tmp_path / "demo").read_text() == "mine"


def test_without_the_sample_the_demo_says_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job.geoseg, "__file__", str(tmp_path / "site-packages" / "geoseg" / "__init__.py"))
    with pytest.raises(InputRefused, match=r"SAMPLE.*checkout"):
        job.demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_the_sample_is_found_in_the_working_directory_too(
    sample: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(job.geoseg, "__file__", str(tmp_path / "site-packages" / "geoseg" / "__init__.py"))
    assert (job.find_sample() / "labels.tif").is_file()
