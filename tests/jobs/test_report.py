"""Pages made again: the same bytes as the run's own, for every kind of run; what has no page to be taken from, and refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import geoseg
from geoseg.compare.images import pair_images
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.jobs.compare_images import compare_images
from geoseg.jobs.estimate import estimate
from geoseg.jobs.estimate_page import write_estimate_page
from geoseg.jobs.report import report
from geoseg.jobs.segment_page import pictures_of_scene, seen_of
from geoseg.jobs.trajectory import trajectory
from geoseg.model.contents import check_place
from geoseg.raster.classes import open_classes
from geoseg.raster.scene import open_scene
from geoseg.report.made_before import pictures_of
from tests.helpers.changes import changed, patchy, write_map
from tests.helpers.pages import HOSTILE, check_page
from tests.helpers.runs import pixel_bundle, write_scene
from tests.jobs.test_compare_images import images
from tests.jobs.test_estimate import label, olofsson_csv
from tests.jobs.test_trajectory import raster

SHAPE = (140, 190)
BEFORE = patchy(SHAPE, seed=1)
AFTER = changed(BEFORE, seed=1)


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segment")
    scene, bundle = write_scene(folder / "scene.tif", (150, 210)), pixel_bundle(folder / "bundle")
    geoseg.segment(scene, bundle, folder / "out", confidence=True, backend="torch", precision="fp32")
    return folder / "out"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("change")
    maps = write_map(folder / "a.tif", BEFORE), write_map(folder / "b.tif", AFTER)
    geoseg.change(*maps, folder / "out", max_shift=0, tolerance=1, min_area=900, notes=(HOSTILE,))
    return folder / "out"


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    maps = [write_map(folder / f"{i}.tif", values) for i, values in enumerate((BEFORE, AFTER, BEFORE))]
    trajectory(maps, folder / "out", dates=("1990", "2000", "2010"), max_shift=0)
    return folder / "out"


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    compare_images(*images(folder), folder / "out", method="cva")
    return folder / "out"


@pytest.mark.parametrize("kind", ["segmented", "compared", "dated", "pictured"])
def test_a_page_made_again_is_the_runs_own_byte_for_byte(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(kind)
    own = (folder / "report.html").read_bytes()
    check_page(own.decode())
    made = report(folder, folder / "again.html")
    assert made == folder / "again.html" and made.read_bytes() == own
    made.unlink()
    elsewhere = report(folder, tmp_path / "again.html").read_text()
    assert 'href="run.json"' in own.decode() and 'href="run.json"' not in elsewhere  # it would lead nowhere
    with pytest.raises(Conflict, match="EXISTS"):
        report(folder)
    assert report(folder, overwrite=True).read_bytes() == own


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("segmented", "no picture of the scene"),
        ("compared", "as change.tif has them"),
        ("pictured", "no pictures of both"),
    ],
)
def test_without_the_page_that_was_there_what_lacks_is_said(
    kind: str, said: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(request.getfixturevalue(kind), folder)
    (folder / "report.html").write_text("<image id='picture-scene' href='javascript:alert(1)'></image>")
    page = check_page(report(folder, overwrite=True).read_text("utf-8"))
    assert said in caplog.text
    assert page.all("image"), "what the folder's rasters show is shown"


def test_the_scene_can_be_named_where_no_page_has_its_picture(segmented: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(segmented, folder)
    (folder / "report.html").unlink()
    report(folder, scene=[segmented.parent / "scene.tif"])
    assert (folder / "report.html").read_bytes() == (segmented / "report.html").read_bytes()


def test_another_scene_is_told_from_the_runs_own(
    segmented: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_scene(tmp_path / "other.tif", (150, 210), seed=5)
    report(segmented, tmp_path / "page.html", scene=[other])
    assert "is not the scene of the run" in caplog.text


def test_a_run_says_how_sure_it_is_and_where_least(segmented: Path) -> None:
    told = json.loads((segmented / "run.json").read_text())["confidence"]
    percent = raster(segmented / "confidence.tif")
    known = percent[percent <= 100]
    assert told["histogram"] == np.bincount(known, minlength=101).tolist()
    assert told["mean"] == pytest.approx(known.mean() / 100)
    assert told["places"]
    for place in told["places"]:
        row, col = place["row"] - place["rows"] // 2, place["col"] - place["cols"] // 2
        square = percent[row : row + place["rows"], col : col + place["cols"]]
        assert place["value"] == pytest.approx(square[square <= 100].mean() / 100)
        assert place["value"] < told["mean"] and 8 < place["lon"] < 10 and 48 < place["lat"] < 49


def test_a_scene_of_two_dates_has_a_picture_of_each(tmp_path: Path) -> None:
    scene = pair_images(*(open_scene(path) for path in images(tmp_path))).scene
    later, earlier = pictures_of_scene(scene, seen_of(scene))
    assert (later.key, earlier.key) == ("scene", "scene-before")
    assert later.title == "Scene: later date: red only" and earlier.title == "Scene, earlier date: red only"
    assert later.uri != earlier.uri


def test_scenes_of_segment_runs_stand_on_the_page_of_their_change(segmented: Path, tmp_path: Path) -> None:
    geoseg.change(segmented, segmented, tmp_path / "out", max_shift=0)
    found = pictures_of(tmp_path / "out" / "report.html")
    assert set(found) == {"before", "after", "change", "before-scene", "after-scene"}
    assert found["before-scene"].photo and not found["before"].photo
    assert report(tmp_path / "out", tmp_path / "out/b.html").read_bytes() == (tmp_path / "out/report.html").read_bytes()


def test_samples_put_intervals_on_the_page_of_a_change(compared: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "samples.gpkg"
    geoseg.sample(compared / "change.tif", drawn, total=200, min_per_class=2)
    codes = raster(compared / "change.tif")
    wrong = np.random.default_rng(0).random(codes.shape) < 0.1
    other = np.where(np.roll(codes, 7, axis=1) == 0, codes, np.roll(codes, 7, axis=1))
    label(drawn, np.where(wrong, other, codes), open_classes(compared / "change.tif").geobox)
    page = check_page(report(compared, tmp_path / "a.html", samples=drawn).read_text("utf-8"))
    assert "From labelled samples" in page.words and "In brackets what labelled samples say" in page.words
    (tmp_path / "e.json").write_text(estimate(drawn, mask=compared / "change.tif").to_json(), "utf-8")
    assert (
        report(compared, tmp_path / "b.html", samples=tmp_path / "e.json").read_bytes()
        == (tmp_path / "a.html").read_bytes()
    )


def test_an_estimate_has_a_page_that_can_be_made_again(tmp_path: Path) -> None:
    strata = olofsson_csv(tmp_path / "points.csv")
    table = estimate(tmp_path / "points.csv", strata=str(strata))
    (tmp_path / "e.json").write_text(table.to_json(), "utf-8")
    write_estimate_page(table, tmp_path / "own.html", [tmp_path / "e.json"])
    page = check_page((tmp_path / "own.html").read_text("utf-8"))
    for said in ("94.7 %", "21,158", "18,000", "Deforestation", "640 labelled samples", "Olofsson et al. 2014", "ok"):
        assert said in page.words, said
    assert report(tmp_path / "e.json") == tmp_path / "e.html"
    assert (tmp_path / "e.html").read_bytes() == (tmp_path / "own.html").read_bytes()


def test_a_bundle_has_a_page_whatever_lies_beside_its_model(tmp_path: Path) -> None:
    pixel_bundle(tmp_path / "plain")
    page = check_page(report(tmp_path / "plain").read_text("utf-8"))
    assert "names no scores" in page.words and "Conv1x1" in page.words
    check_place(tmp_path / "plain", overwrite=True)  # with its page it is still nothing but a bundle


def test_the_bundle_that_ships_says_where_its_scores_were_measured(root: Path, tmp_path: Path) -> None:
    page = check_page(report(root / "samples/north_carolina/bundle", tmp_path / "b.html").read_text("utf-8"))
    for said in ("0.697 (0.664 to 0.730)", "largest class alone 0.441", "4 folds", "not generalisation", "60,774"):
        assert said in page.words, said
    assert len((tmp_path / "b.html").read_bytes()) < 3_000_000
    assert len(page.all("polyline")) >= 3, "loss, its mean, reliability"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda f: (f / "run.json").unlink(), "RUN"),
        (lambda f: (f / "run.json").write_text("{"), "RUN"),
        (lambda f: (f / "run.json").write_text("[" * 100_000), "RUN"),
        (lambda f: (f / "run.json").write_text("[]"), "RUN"),
        (lambda f: (f / "run.json").write_text('{"tasks": 1}'), "RUN"),
        (lambda f: (f / "change.tif").unlink(), "RUN"),
        (lambda f: shutil.rmtree(f), "RUN"),
    ],
)
def test_what_is_no_run_is_refused(spoil: Callable[[Path], object], code: str, compared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(compared, folder)
    spoil(folder)
    with pytest.raises(InputRefused, match=code):
        report(folder, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_record_that_lacks_what_a_page_needs_is_refused_in_words(compared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(compared, folder)
    record = json.loads((folder / "run.json").read_text())
    for spoilt in ({**record, "classes": 7}, {**record, "matrix": "x"}, {**record, "grid": None}):
        (folder / "run.json").write_text(json.dumps(spoilt))
        with pytest.raises(InputRefused, match="RUN"):
            report(folder, tmp_path / "page.html")


def test_what_belongs_to_another_kind_is_refused(compared: Path, pictured: Path, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    with pytest.raises(InputRefused, match="ESTIMATE"):
        report(tmp_path / "e.json", tmp_path / "p.html")
    with pytest.raises(UsageError, match="SCENE"):
        report(compared, tmp_path / "p.html", scene=["x.tif"])
    with pytest.raises(UsageError, match="SAMPLES"):
        report(pictured, tmp_path / "p.html", samples="x.gpkg")
    with pytest.raises(InputRefused, match="ESTIMATE"):
        report(compared, tmp_path / "p.html", samples=tmp_path / "e.json")
    (tmp_path / "folder.html").mkdir()
    for page in (compared / "change.tif", compared / "run.json", tmp_path / "page", tmp_path / "folder.html"):
        with pytest.raises(UsageError, match="FORMAT"):  # no file of a run can be replaced by its page
            report(compared, page, overwrite=True)
