"""``geoseg demo``: what it leaves and says, and that it replaces nothing but an earlier demo."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.errors import Conflict, InputRefused
from geoseg.grid.geobox import Window
from geoseg.jobs import demo as job
from geoseg.model.bundle import open_bundle
from geoseg.raster.classes import open_classes
from geoseg.raster.write import write_mask


@pytest.mark.slow
def test_the_demo_maps_the_sample_says_what_to_open_and_runs_again(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = CliRunner().invoke(cli, ["demo", str(out)])
    assert done.exit_code == 0, done.stderr
    opened = [line.split()[0] for line in done.stdout.partition("Open:\n")[2].splitlines()]
    pages = (
        "report.html",
        "project.qgz",
        "mask.tif",
        "polygons.gpkg",
        "change/report.html",
        "change/project.qgz",
        "change/change.tif",
        "change/polygons.gpkg",
    )
    assert opened == [str(out / name) for name in pages]
    assert all(Path(path).is_file() for path in opened)
    run = json.loads((out / "run.json").read_text())
    assert run["plan"]["shape"] == [246, 489] and run["polygons"] > 0
    opened_twice = [name for name in pages if not name.endswith(".html")]
    before = {
        name: (out / name).read_bytes() for name in (*opened_twice, "areas.csv", "confidence.tif", "landcover_1996.tif")
    }
    again = CliRunner().invoke(cli, ["demo", str(out)])
    assert again.exit_code == 4 and "--overwrite" in again.stderr and again.stderr.count("\n") == 1
    assert CliRunner().invoke(cli, ["demo", str(out), "--overwrite"]).exit_code == 0
    assert {name: (out / name).read_bytes() for name in before} == before


def test_the_change_of_the_demo_says_what_it_is(sample: Path, tmp_path: Path) -> None:
    scene = open_classes(sample / "labels.tif")
    legend = open_bundle(sample / "bundle").legend
    job.write_earlier(sample / "labels.tif", tmp_path / "earlier.tif", legend)
    earlier = open_classes(tmp_path / "earlier.tif").read(Window(0, 0, *scene.geobox.shape))
    labels = scene.read(Window(0, 0, *scene.geobox.shape))
    known = {1: "built", 3: "low vegetation", 4: "low vegetation", 5: "tree", 6: "water"}
    for code, name in known.items():
        assert (earlier[labels == code] == legend.value_of(name)).all()
    assert (earlier[~np.isin(labels, list(known))] == 0).all(), "sediment is no class of the bundle"
    later = earlier.copy()
    later[100:140, 100:140][later[100:140, 100:140] > 0] = legend.value_of("built")
    later[:20] = 0
    write_mask(tmp_path / "mask.tif", scene.geobox, legend, [(0, later)])
    made = job.change_since_1996(sample, tmp_path)
    page = (tmp_path / "change" / "report.html").read_text(encoding="utf-8")
    scores = json.loads((sample / "bundle" / "scores.json").read_text())
    differ = f"{1 - scores['overall']['overall_accuracy']['value']:.0%}"
    for said in (
        "made in different ways",
        "disagreement, not change",
        f"differs from it on {differ}",
        "are not known",
        "geoseg sample",
    ):
        assert said in page, said
    assert 0 < made.transitions.changed_share < 0.02 and made.run["before"]["name"] == "landcover_1996"


def test_a_demo_that_was_stopped_before_its_change_goes_on_there(sample: Path, tmp_path: Path) -> None:
    (tmp_path / job.MARK).touch()
    (tmp_path / "run.json").write_text('{"scene": {"name": "scene"}, "kept": 1}')
    scene = open_classes(sample / "labels.tif")
    job.write_earlier(sample / "labels.tif", tmp_path / "mask.tif", open_bundle(sample / "bundle").legend)
    assert scene.geobox.shape == (246, 489)
    result = job.demo(tmp_path)
    assert result.map.run["kept"] == 1 and result.change.transitions.changed_share == 0
    with pytest.raises(Conflict, match="--overwrite"):
        job.demo(tmp_path)


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
