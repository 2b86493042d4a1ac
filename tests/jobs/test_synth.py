"""geoseg.synth: a folder whole or not there, the same bytes each time, and tables that the masks bear out."""

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geoseg
from geoseg.errors import Conflict, UsageError
from geoseg.jobs import synth as job
from geoseg.raster.classes import open_classes
from geoseg.raster.sidecars import sidecars
from geoseg.training.synth.spectra import BANDS, legend

SMALL = {"size": (90, 130), "seed": 1}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dates with everything on."""
    out = tmp_path_factory.mktemp("synth") / "series"
    geoseg.synth(out, **SMALL, dates=3, clouds=0.2, change=0.1, shift=0.4, collar=True)
    return out


def test_one_date_is_a_scene_and_its_truth(tmp_path: Path) -> None:
    made = geoseg.synth(tmp_path / "land", **SMALL)
    assert set(os.listdir(tmp_path / "land")) == {
        "scene.tif", "truth.tif", *sidecars("truth.tif"), "synth.json"
    }  # fmt: skip
    assert made.transitions is None and os.listdir(tmp_path) == ["land"]
    scene = geoseg.open_scene(made.scenes[0])
    assert [band.name for band in scene.bands] == list(BANDS)
    assert {(band.scale, band.offset, band.nodata) for band in scene.bands} == {(1e-4, 0.0, 0.0)}
    assert scene.geobox.shape == (90, 130) and scene.geobox.res == (10, 10)
    truth = open_classes(str(made.truths[0]))
    assert truth.legend == legend(clouds=False) and truth.geobox == scene.geobox
    pixels = read(made.scenes[0])
    assert pixels.min() >= 1 and 100 < np.median(pixels) < 5000
    found = np.bincount(read(made.truths[0]).ravel(), minlength=7)
    told = json.loads((tmp_path / "land" / "synth.json").read_text())
    assert {name: found[legend(clouds=False).value_of(name)] for name in told["pixels"][0] if name != "nodata"} == {
        name: count for name, count in told["pixels"][0].items() if name != "nodata"
    }
    assert told["settings"]["size"] == [90, 130] and told["geoseg"] == geoseg.__version__


def test_the_same_settings_give_the_same_bytes_for_any_threads_and_strips(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "STRIP", 17)
    geoseg.synth(tmp_path / "again", **SMALL, dates=3, clouds=0.2, change=0.1, shift=0.4, collar=True, threads=1)
    assert digests(tmp_path / "again") == digests(series)


def test_transitions_are_the_counts_of_pairs_of_the_truths(series: Path) -> None:
    truths = [read(series / f"truth_{i}.tif")[0].astype(int) for i in (1, 2, 3)]
    table = list(csv.DictReader((series / "transitions.csv").read_text().splitlines()))
    names = legend(clouds=True).names
    for step in (1, 2):
        pairs = truths[step - 1] * 256 + truths[step]
        known = (truths[step - 1] > 0) & (truths[step] > 0)
        expected = dict(zip(*np.unique(pairs[known], return_counts=True), strict=True))
        rows = [row for row in table if row["before"] == str(step)]
        assert {int(row["from_id"]) * 256 + int(row["to_id"]): int(row["n_pixels"]) for row in rows} == expected
        for row in rows:
            assert row["after"] == str(step + 1)
            assert (names[int(row["from_id"])], names[int(row["to_id"])]) == (row["from_name"], row["to_name"])
            assert float(row["area_ha"]) == pytest.approx(int(row["n_pixels"]) * 0.01, rel=2e-3)
        land = known & (truths[step - 1] < 7) & (truths[step] < 7)
        share = (truths[step - 1] != truths[step])[land].mean()
        assert json.loads((series / "synth.json").read_text())["changed_share"][step - 1] == pytest.approx(
            share, abs=1e-6
        )


def test_a_collar_is_no_data_in_picture_and_truth_alike(series: Path) -> None:
    for i in (1, 2, 3):
        empty = read(series / f"truth_{i}.tif")[0] == 0
        assert 0.02 < empty.mean() < 0.5
        np.testing.assert_array_equal((read(series / f"scene_{i}.tif") == 0), np.broadcast_to(empty, (6, 90, 130)))


def test_the_scene_lies_where_it_was_asked_to(tmp_path: Path) -> None:
    made = geoseg.synth(tmp_path / "a", size=16, res=20, crs="EPSG:32633", origin=(400_000, 4_000_000))
    with rasterio.open(made.scenes[0]) as dataset:
        assert dataset.crs.to_epsg() == 32633
        assert tuple(dataset.transform)[:6] == (20, 0, 400_000, 0, -20, 4_000_000)


def test_nothing_foreign_is_replaced_and_nothing_unasked(series: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(Conflict, match="EXISTS"):
            geoseg.synth(tmp_path / "mine", size=8, overwrite=overwrite)
    with pytest.raises(Conflict, match="overwrite"):
        geoseg.synth(series, size=8)
    geoseg.synth(tmp_path / "land", size=8)
    geoseg.synth(tmp_path / "land", size=9, overwrite=True)
    assert read(tmp_path / "land" / "scene.tif").shape == (6, 9, 9)
    assert sorted(os.listdir(tmp_path)) == ["land", "mine"]


def test_a_stopped_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(name: str, done: int, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        geoseg.synth(tmp_path / "land", size=40, on_progress=stop)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"crs": "EPSG:4326"}, "CRS"), ({"crs": "EPSG:2225"}, "CRS"), ({"crs": "nowhere"}, "CRS"), ({"size": 0}, "SIZE"),
        ({"size": (8, 1 << 21)}, "SIZE"), ({"dates": 2, "change": 0.5}, "CHANGE"), ({"res": 0.1}, "SETTING"),
        ({"sise": 8}, "SETTING"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_says_why(tmp_path: Path, options: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError, match=f"^{code}"):
        geoseg.synth(tmp_path / "land", **{"size": 24, **options})
    assert os.listdir(tmp_path) == []


def test_classes_show_in_the_spectra_but_not_perfectly(tmp_path: Path) -> None:
    """Nearest neighbours of single pixels: between 75 and 97 %, for borders are mixed and some fields are bare."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    made = geoseg.synth(tmp_path / "land", size=300, seed=1)
    pixels, truth = read(made.scenes[0]).reshape(6, -1).T, read(made.truths[0]).ravel()
    rng = np.random.default_rng(0)
    learn, check = np.split(rng.permutation(len(truth))[:16_000], 2)
    fitted = neighbors.KNeighborsClassifier(7).fit(pixels[learn], truth[learn])
    found = fitted.predict(pixels[check])
    assert 0.75 < (found == truth[check]).mean() < 0.97
    for value in np.unique(truth[check]):
        assert (found[truth[check] == value] == value).mean() > 0.3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Peak of a process that makes 1024 and one that makes 8192 rows of 512 columns."""
    import subprocess
    import sys

    code = (
        "import resource, sys, geoseg; geoseg.synth(sys.argv[1], size=(int(sys.argv[2]), 512), threads=2);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
    )
    peaks = []
    for rows in (1024, 8192):
        run = [sys.executable, "-c", code, str(tmp_path / str(rows)), str(rows)]
        done = subprocess.run(run, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.15 * peaks[0], peaks
