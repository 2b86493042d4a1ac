"""Labelled scenes, their statistics and their digest: units settled, only the training part counts, every pixel matters."""

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.training.data.digest import dataset_digest
from geoseg.training.data.labelled import LabelledScene, distinct_names, open_labelled
from geoseg.training.data.labels import windows_of
from geoseg.training.data.statistics import Moments, statistics
from geoseg.training.splits.split import TEST, TRAIN, SceneSplit, Split, whole
from tests.helpers.jobs import job, scene_file
from tests.helpers.jobs import whole as all_of
from tests.helpers.rasters import numbers, write_raster

SHAPE = (40, 60)


def label_file(path: Path, seed: int = 0, shape: tuple[int, int] = SHAPE) -> Path:
    label = np.random.default_rng(seed).choice([0, 1, 4, 5], shape).astype(np.uint8)
    return write_raster(path, label[None], nodata=0)


def entry(folder: Path, stem: str, seed: int = 0, **options: Any) -> dict[str, Any]:
    scene = scene_file(folder / f"{stem}.tif", SHAPE, seed=seed)
    return {"scene": str(scene), "labels": str(label_file(folder / f"{stem}-labels.tif", seed)), **options}


def left_of(col: int, shape: tuple[int, int] = SHAPE) -> SceneSplit:
    return SceneSplit.of(shape, (0, shape[0]), (0, col, shape[1]), codes=np.array([[TRAIN, TEST]], np.uint8), buffer=0)


@given(rows=st.integers(1, 900), cols=st.integers(1, 20_000))
def test_windows_cover_each_pixel_once(rows: int, cols: int) -> None:
    assert sum(w.height * w.width for w in windows_of((rows, cols))) == rows * cols
    windows = list(windows_of((rows, cols)))
    for one, other in pairwise(windows):
        both = one.intersect(other)
        assert not both.height * both.width


def test_a_scene_reads_its_bands_by_name_and_no_label_where_it_has_no_data(tmp_path: Path) -> None:
    pixels = numbers((3, *SHAPE))
    pixels[:, :5] = 0
    write_raster(tmp_path / "s.tif", pixels, names=("blue", "red", "nir"), nodata=0)
    (scene,) = open_labelled(job({"scene": str(tmp_path / "s.tif"), "labels": str(label_file(tmp_path / "l.tif"))}))
    image, valid, label = pickle.loads(pickle.dumps(scene)).read(Window(2, 7, 20, 30))
    assert (image == pixels[1:, 2:22, 7:37]).all()
    assert not valid[:3].any() and valid[3:].all()
    assert (label[:3] == 0).all() and (label[3:] == scene.labels.read(Window(5, 7, 17, 30))).all()


def test_units_are_reflectance_where_every_scene_states_it(tmp_path: Path) -> None:
    stated = entry(tmp_path, "a", scale=1e-4, offset=-0.1)
    both = open_labelled(job(stated, entry(tmp_path, "b", scale=1e-4)))
    assert [scene.scene.units for scene in both] == ["reflectance"] * 2
    mixed = open_labelled(job(stated, entry(tmp_path, "b")))
    assert [scene.scene.units for scene in mixed] == ["dn"] * 2
    assert mixed[0].scene.bands[0].scale == 1.0
    with pytest.raises(InputRefused, match=r"UNITS: .*State them with scale: and offset:"):
        open_labelled(job(entry(tmp_path, "b"), units="reflectance"))


def test_names_of_scenes_are_distinct(tmp_path: Path) -> None:
    assert distinct_names(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-3", "a-2", "a-4"]
    scenes = open_labelled(job(entry(tmp_path, "a"), entry(tmp_path, "a"), entry(tmp_path, "a", name="x", part="test")))
    assert [(scene.name, scene.part) for scene in scenes] == [("a", None), ("a-2", None), ("x", "test")]


@given(cuts=st.lists(st.integers(0, 500), max_size=5), seed=st.integers(0, 99))
def test_moments_add_up_to_those_of_everything(cuts: list[int], seed: int) -> None:
    pixels = np.random.default_rng(seed).normal(1e4, 3, (2, 500))
    total = Moments.none(2)
    edges = [0, *sorted(cuts), 500]
    for start, stop in pairwise(edges):
        total += Moments.of(pixels[:, start:stop])
    assert total.n == 500
    np.testing.assert_allclose(total.mean, pixels.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(total.squares / 500), pixels.std(axis=1), rtol=1e-9)


def test_statistics_are_of_the_valid_pixels_of_the_training_part_in_units(tmp_path: Path) -> None:
    pixels = [numbers((2, 300, 60), "int16", seed) for seed in (0, 1)]
    pixels[0][0, :20] = -999  # nodata in one band is nodata for both
    entries = []
    for i, (image, offset) in enumerate(zip(pixels, (-0.1, 0.0), strict=True)):
        path = write_raster(tmp_path / f"{i}.tif", image, names=("red", "nir"), nodata=-999)
        labels = label_file(tmp_path / f"{i}-l.tif", i, (300, 60))
        entries.append({"scene": str(path), "labels": str(labels), "scale": 1e-4, "offset": offset})
    scenes = open_labelled(job(*entries))
    split = Split("split", (left_of(37, (300, 60)), left_of(50, (300, 60))))
    used = np.concatenate(
        [pixels[0][:, 20:, :37].reshape(2, -1) * 1e-4 - 0.1, pixels[1][:, :, :50].reshape(2, -1) * 1e-4], axis=1
    )
    for band, values in zip(statistics(scenes, split), used, strict=True):
        assert (band.mean, band.std) == (pytest.approx(values.mean()), pytest.approx(values.std()))


def test_a_constant_band_has_a_harmless_deviation_and_no_pixel_is_refused(tmp_path: Path) -> None:
    image = np.stack([np.full(SHAPE, 7), numbers(SHAPE)]).astype(np.uint16)
    write_raster(tmp_path / "s.tif", image, names=("red", "nir"))
    scenes = open_labelled(job({"scene": str(tmp_path / "s.tif"), "labels": str(label_file(tmp_path / "l.tif"))}))
    assert (statistics(scenes, whole(scenes))[0].mean, statistics(scenes, whole(scenes))[0].std) == (7.0, 7.0)
    with pytest.raises(InputRefused, match="EMPTY"):
        statistics(scenes, Split("split", (SceneSplit.all_of(SHAPE, TEST),)))


def digest(folder: Path, *, seed: int = 0, split: Split | None = None, **changes: Any) -> str:
    settings = job(entry(folder, "a", seed), **changes)
    scenes = open_labelled(settings)
    return dataset_digest(scenes, settings, [split or whole(scenes)]).digest


def test_the_digest_is_of_contents_and_not_of_places(tmp_path: Path) -> None:
    one = digest(tmp_path / "here")
    assert digest(tmp_path / "there") == one
    assert digest(tmp_path / "here", seed=1) != one
    assert digest(tmp_path / "here", recode={1: 1, 4: 4, 5: 5}) != one
    assert digest(tmp_path / "here", split=Split("split", (left_of(31),))) != one
    assert digest(tmp_path / "here", bands=("nir", "red")) != one
    assert digest(tmp_path / "here", description="another one", fit={"steps": 3}) == one


@pytest.mark.parametrize("changed", ["label", "pixel", "nodata", "nothing"])
def test_one_label_or_pixel_changes_the_digest_and_nodata_s_values_do_not(tmp_path: Path, changed: str) -> None:
    pixels, labels = numbers((2, 300, 60)), np.ones((1, 300, 60), np.uint8)
    valid = np.ones((300, 60), bool)
    valid[280:] = False

    def made() -> str:
        write_raster(tmp_path / "s.tif", pixels, names=("red", "nir"), mask=valid)
        write_raster(tmp_path / "l.tif", labels)
        settings = job({"scene": str(tmp_path / "s.tif"), "labels": str(tmp_path / "l.tif")})
        scenes = open_labelled(settings)
        return dataset_digest(scenes, settings, [whole(scenes)]).digest

    before = made()
    if changed == "label":
        labels[0, 277, 33] = 4
    elif changed == "pixel":
        pixels[1, 277, 33] += 1
    elif changed == "nodata":
        pixels[1, 290, 33] += 1
        labels[0, 290, 33] = 4
    assert (made() == before) == (changed in ("nothing", "nodata"))


def test_facts_of_the_data_are_json_and_count_labels(tmp_path: Path) -> None:
    settings = job(entry(tmp_path, "a"), entry(tmp_path, "b", part="test"))
    scenes: tuple[LabelledScene, ...] = open_labelled(settings)
    facts = dataset_digest(scenes, settings, [whole(scenes)]).facts
    label = scenes[0].labels.read(all_of(scenes[0].scene.geobox))
    assert facts["scenes"][0]["labels"] == {
        "water": (label == 1).sum(),
        "crop": (label == 4).sum(),
        "built": (label == 5).sum(),
    }
    assert facts["labels"]["water"] == 2 * (label == 1).sum()
    assert facts["scenes"][1]["part"] == "test" and facts["scenes"][0]["crs"] == "EPSG:32632"


def test_labels_may_have_a_recode_of_their_own(tmp_path: Path) -> None:
    one, other = entry(tmp_path, "a"), entry(tmp_path, "b")
    other["labels"] = {"path": other["labels"], "recode": {1: "built", 5: "water"}}
    settings = job(one, other, classes=(), recode={1: "water", 4: "cropland"})
    assert settings.legend.values == (1, 4, 5)
    first, second = (scene.labels.read(all_of(scene.scene.geobox)) for scene in open_labelled(settings))
    raw = np.random.default_rng(0).choice([0, 1, 4, 5], SHAPE)
    assert (first == np.select([raw == 1, raw == 4], [1, 4], 0)).all()
    assert (second == np.select([raw == 1, raw == 5], [5, 1], 0)).all()
    with pytest.raises(UsageError, match=r"LEGEND: recode to watter: is no harmonised class; did you mean 'water'"):
        _ = job(one, classes=(), recode={1: "watter"}).legend
