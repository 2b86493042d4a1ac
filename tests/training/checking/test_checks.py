"""Checks: each finding with its place and remedy, and none on data that are as they should be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.training.checking.checks import check, tidy
from geoseg.training.checking.finding import Finding, refuse_errors
from geoseg.training.checking.likeness import Sketch
from geoseg.training.data.cells import count_cells, count_parts
from geoseg.training.data.labelled import open_labelled
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import PARTS, TEST, TRAIN, VALIDATION, SceneSplit, Split, make_splits
from tests.helpers.jobs import job
from tests.helpers.rasters import CORNER, write_raster

SHAPE = (96, 96)


def smooth(seed: int, shape: tuple[int, int] = SHAPE, low: int = 100, high: int = 2500) -> np.ndarray:
    """Two bands of fields, as a scene has them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(low, high, (2, shape[0] // 8, shape[1] // 8))
    return (np.kron(coarse, np.ones((1, 8, 8))) + rng.integers(0, 30, (2, *shape))).astype(np.uint16)


def entry(
    folder: Path, name: str, *, image: np.ndarray | None = None, label: np.ndarray | None = None, **options: Any
) -> dict[str, Any]:
    corner, nodata = options.pop("corner", CORNER), options.pop("nodata_value", None)
    image = smooth(sum(map(ord, name))) if image is None else image
    label = np.random.default_rng(1).choice([1, 4, 5], image.shape[1:]) if label is None else label
    write_raster(folder / f"{name}.tif", image, names=("red", "nir"), corner=corner, nodata=nodata)
    write_raster(folder / f"{name}-l.tif", label[None].astype(np.uint8), corner=corner, nodata=0)
    return {"scene": str(folder / f"{name}.tif"), "labels": str(folder / f"{name}-l.tif"), **options}


def findings(settings: TrainSettings, *splits: Split) -> list[Finding]:
    scenes = open_labelled(settings)
    cells = count_cells(scenes, side=16)
    parts = [PARTS[scene.part] for scene in scenes if scene.part is not None]
    if len(parts) == len(scenes):
        splits = (Split("split", tuple(SceneSplit.all_of(SHAPE, part) for part in parts)),)
    made = splits or make_splits(scenes, cells, settings.split)
    counts = [count_parts(scenes, split, cells) for split in made]
    return list(check(scenes, made, cells=cells, counts=counts, settings=settings))


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in found]


SPLIT = {"block": 16, "buffer": 0}


def halves(one: int, other: int, col: int = 48) -> Split:
    made = SceneSplit.of(SHAPE, (0, 96), (0, col, 96), codes=np.array([[one, other]], np.uint8), buffer=0)
    return Split("split", (made,))


def test_good_data_have_no_findings(tmp_path: Path) -> None:
    far = (CORNER[0] + 50_000, CORNER[1])
    assert findings(job(entry(tmp_path, "a"), entry(tmp_path, "b", corner=far), split=SPLIT)) == []


def test_a_class_that_a_part_lacks_is_an_error_in_training_and_a_warning_elsewhere(tmp_path: Path) -> None:
    label = np.random.default_rng(1).choice([1, 4], SHAPE)
    label[:, 60:] = 5
    settings = job(entry(tmp_path, "a", label=label))
    (finding,) = findings(settings, halves(TRAIN, TEST))
    assert (finding.level, finding.code, finding.where) == ("error", "CLASS_MISSING", "split: train")
    assert "no label of train is built" in finding.what and "split.block" in finding.remedy
    (finding,) = findings(settings, halves(TRAIN, VALIDATION, 80))
    assert (finding.level, finding.where) == ("warning", "split: validation") and "water or crop" in finding.what
    both = findings(settings, halves(TRAIN, TEST), halves(TEST, TRAIN))  # folds: the last network sees all
    assert {finding.level for finding in both} == {"warning"}


def test_a_class_without_any_label_is_said(tmp_path: Path) -> None:
    found = findings(job(entry(tmp_path, "a", label=np.random.default_rng(1).choice([1, 4], SHAPE)), split=SPLIT))
    assert codes(found) == [("warning", "CLASS_MISSING")] and "no label is built, in any scene" in found[0].what


def test_little_labels_and_rare_classes_are_said_with_the_setting_that_helps(tmp_path: Path) -> None:
    label = np.zeros(SHAPE, int)
    label[:30, :40] = 1
    label[40:44, :2] = 4
    label[44, :2] = 5
    found = findings(job(entry(tmp_path, "a", label=label)), halves(TRAIN, TRAIN))
    assert codes(found) == [("warning", "UNLABELLED"), ("warning", "IMBALANCE")]
    assert "86.9%" in found[0].what and "samples.labelled to 0" in found[0].remedy
    assert "water has 600 times the labels of built (2 pixels)" in found[1].what


def test_labels_on_nodata_and_scenes_without_labels_are_found(tmp_path: Path) -> None:
    image = smooth(0)
    image[:, :20] = 0
    found = findings(job(entry(tmp_path, "a", image=image, nodata_value=0)), halves(TRAIN, TRAIN))
    assert codes(found) == [("warning", "LABELS_ON_NODATA")] and "20.8%" in found[0].what
    none = entry(tmp_path, "b", label=np.zeros(SHAPE, int), corner=(CORNER[0] + 50_000, CORNER[1]))
    found = findings(job(entry(tmp_path, "a"), none), Split("split", halves(TRAIN, TRAIN).scenes * 2))
    assert ("error", "NO_LABELS") in codes(found)


def test_a_collar_without_nodata_is_found(tmp_path: Path) -> None:
    image = smooth(0, (192, 192))
    image[:, :40, :40] = 0
    found = findings(job(entry(tmp_path, "a", image=image), split={"block": 32, "buffer": 0}))
    assert codes(found) == [("warning", "COLLAR")] and found[0].remedy.endswith("nodata: 0")


def test_copies_in_two_parts_are_an_error_and_in_one_part_are_not(tmp_path: Path) -> None:
    image = smooth(3)
    brighter = (image * 1.1 + 40).astype(np.uint16)
    far = (CORNER[0] + 50_000, CORNER[1])
    pair = [entry(tmp_path, "a", image=image), entry(tmp_path, "b", image=brighter, corner=far)]
    parts = [{**one, "part": part} for one, part in zip(pair, ("train", "test"), strict=True)]
    (finding,) = findings(job(*parts))
    assert (finding.level, finding.code) == (
        "error",
        "NEAR_DUPLICATE",
    ) and "a copy of b" in f"{finding.where} {finding.what}"
    assert findings(job(*[{**one, "part": "train"} for one in pair])) == []
    other = [parts[0], entry(tmp_path, "c", corner=far, part="test")]
    assert findings(job(*other)) == []


def test_ground_that_is_trained_on_in_one_scene_and_held_out_in_another_is_said(tmp_path: Path) -> None:
    shifted = (CORNER[0] + 480, CORNER[1])
    settings = job(entry(tmp_path, "a", part="train"), entry(tmp_path, "b", corner=shifted, part="test"))
    (finding,) = findings(settings)
    assert (finding.level, finding.code) == ("warning", "SAME_GROUND")
    assert finding.where == "b" and "50% of what it holds out" in finding.what


def test_one_scene_with_the_offset_of_baseline_4_is_found_and_its_remedy_cures_it(tmp_path: Path) -> None:
    far = [(CORNER[0] + 50_000 * i, CORNER[1]) for i in range(3)]
    plain = [entry(tmp_path, name, image=smooth(i), corner=far[i]) for i, name in enumerate("ab")]
    raised = entry(tmp_path, "c", image=smooth(2) + np.uint16(1000), corner=far[2])
    (finding,) = findings(job(*plain, raised, split=SPLIT))
    assert (finding.level, finding.code, finding.where) == ("warning", "OFFSET", "c")
    assert "shifted by 1000" in finding.what and "offset: -0.1" in finding.remedy
    cured = [{**one, "scale": 1e-4, "offset": 0.0} for one in plain] + [{**raised, "scale": 1e-4, "offset": -0.1}]
    assert findings(job(*cured, split=SPLIT)) == []
    too_much = [{**one, "scale": 1e-4, "offset": -0.1} for one in (*plain, raised)]
    assert [finding.where for finding in findings(job(*too_much, split=SPLIT))] == ["a", "b"]


def test_bright_scenes_of_8_bits_are_not_compared(tmp_path: Path) -> None:
    scenes = [
        entry(
            tmp_path,
            name,
            image=smooth(i, high=200).clip(0, 255).astype(np.uint8),
            corner=(CORNER[0] + 9e4 * i, CORNER[1]),
        )
        for i, name in enumerate("ab")
    ]
    assert findings(job(*scenes, split=SPLIT)) == []


def test_a_sketch_of_a_large_scene_is_that_of_its_squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene,) = open_labelled(job(entry(tmp_path, "a")))
    one = Sketch.of(scene)
    monkeypatch.setattr("geoseg.training.checking.likeness._SMALL", 0)
    assert (Sketch.of(scene).means == one.means).all() and one.pattern is not None
    assert one.pattern @ one.pattern == pytest.approx(1)


def test_many_findings_of_a_kind_are_told_in_short_and_errors_come_first() -> None:
    many = [Finding("warning", "CODES", f"s{i}", "odd codes") for i in range(9)]
    told = tidy([*many, many[0], Finding("error", "NO_LABELS", "x", "has none", "Draw some")])
    assert [finding.level for finding in told] == ["error", *["warning"] * 6]
    assert told[-1].what == "4 more findings of this kind"
    with pytest.raises(InputRefused, match=r"NO_LABELS: x: has none\. Draw some\."):
        refuse_errors(told)
    refuse_errors(many)


def test_the_real_scenes_tell_which_of_them_has_the_offset(shared: Path) -> None:
    folder = shared / "data" / "terramesh_s2"
    bands = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
    names = ("282D_485L_3_3", "433D_629L_3_1", "609U_541L_3_0")

    def made(*offsets: float | None) -> list[Finding]:
        entries = [
            {
                "scene": str(folder / "S2L2A" / f"{name}.tif"),
                "labels": str(folder / "LULC" / f"{name}.tif"),
                "bands": bands,
            }
            | ({} if offset is None else {"scale": 1e-4, "offset": offset})
            for name, offset in zip(names, offsets, strict=True)
        ]
        recode = {1: 1, 2: 2, 3: 7, 4: 4, 5: 5, 6: 6, 7: 8, 9: 3}
        settings = job(
            *entries, bands=("B02", "B03", "B04", "B08"), classes=(), recode=recode, split={"block": 56, "buffer": 8}
        )
        return [finding for finding in findings(settings) if finding.code == "OFFSET"]

    assert {finding.where for finding in made(None, None, None)} == set(names[1:])
    assert made(0.0, -0.1, -0.1) == []
    assert [finding.where for finding in made(-0.1, -0.1, -0.1)] == [names[0]]
