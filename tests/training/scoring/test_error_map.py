"""Error map and areas: what is in the files is what the pixels are."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from geoseg.training.scoring.error_map import areas, error_legend, write_error_map
from geoseg.training.scoring.evaluate import evaluate
from geoseg.training.scoring.mapper import Labelled
from geoseg.vector.measure import AreaCounter
from tests.helpers.mapping import LEGEND, ArrayMapper, ArrayScene, random_scene


def written(folder: Path, scene: ArrayScene, legend: Legend = LEGEND) -> tuple[dict[int, int], list[list[object]]]:
    found: list[object] = []

    def write(labelled: Labelled, pairs, confusion) -> None:
        box = labelled.scene.geobox
        found.append(write_error_map(folder / "errors.tif", box, pairs, legend=legend, confusion=confusion))
        found.append(areas(box, pairs, legend)[1])

    evaluate(ArrayMapper(legend), [scene], on_scene=write)
    return found[0], found[1]


def test_the_map_says_which_class_is_taken_for_which(tmp_path: Path) -> None:
    scene = random_scene((60, 70))
    counts, _ = written(tmp_path, scene)
    scored = scene.valid & (scene.label > 0)
    expected = np.where(scored, scene.label.astype(np.uint16) * 256 + scene.mask, 0)
    with rasterio.open(tmp_path / "errors.tif") as dataset:
        assert np.array_equal(dataset.read(1), expected) and dataset.nodata == 0
        assert dataset.crs == "EPSG:32632" and dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    raster = open_classes(tmp_path / "errors.tif")
    names = raster.legend.names
    assert names[257] == "water, right" and names[2 * 256 + 5] == "tree, mapped as built"
    assert names[5 * 256] == "built, not mapped"
    assert raster.legend.colours[2 * 256 + 5] == LEGEND.colours[5] and raster.legend.colours[257] == (225, 225, 225)
    assert counts == {value: (expected == value).sum() for value in (0, *names)}


def test_only_pairs_that_occur_have_a_name_and_right_ones_always() -> None:
    ones = np.ones((40, 40), np.uint8)
    c = evaluate(ArrayMapper(), [ArrayScene(ones, ones, ones > 0)]).confusion
    assert list(error_legend(LEGEND, c).names.values()) == ["water, right", "tree, right", "built, right"]


def test_a_legend_with_a_class_of_value_0_has_another_nodata(tmp_path: Path) -> None:
    legend = Legend.of({0: "other", 1: "field"})
    label = np.random.default_rng(0).choice(np.array([0, 1, 255], np.uint8), (40, 40))
    mask = np.where(label == 255, 0, label)
    mask[:5] = 255
    counts, _ = written(tmp_path, ArrayScene(mask.astype(np.uint8), label, np.ones((40, 40), bool)), legend)
    with rasterio.open(tmp_path / "errors.tif") as dataset:
        found = dataset.read(1)
        assert dataset.nodata == 65535
    assert ((found == 65535) == (label == 255)).all()
    assert ((found == 0) == ((label == 0) & (mask == 0))).all()
    assert counts[0 * 256 + 255] == ((label == 0) & (mask == 255)).sum()


def test_areas_are_those_of_the_scored_pixels(tmp_path: Path) -> None:
    scene = random_scene((60, 70))
    _, rows = written(tmp_path, scene)
    scored = scene.valid & (scene.label > 0)
    for values, at in ((scene.label, 2), (scene.mask, 5)):
        counter = AreaCounter(scene.scene.geobox, LEGEND)
        counter.add(0, np.where(scored, values, 0).astype(np.uint8))
        for row, expected in zip(rows, counter.rows(), strict=True):
            assert row[at] == expected.n_pixels and float(str(row[at + 1])) == pytest.approx(expected.area_m2, abs=1e-3)
