"""Each kind of run leaves a QGIS project that opens in QGIS with every layer, and goes where the run goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geoseg
from tests.helpers.changes import changed, patchy, write_map
from tests.helpers.qgis_here import look
from tests.helpers.rasters import write_raster
from tests.helpers.runs import pixel_bundle, write_scene

PROJECT = "project.qgz"
SHAPE = (70, 90)
PLAIN: dict[str, Any] = {"backend": "torch", "precision": "fp32", "workers": 0}


def opened(folder: Path, tmp_path: Path) -> dict[str, list[str]]:
    """Groups with the names of their layers, all of which open; run.json's folder and item.json know the project."""
    told = look("project", folder / PROJECT, tmp_path / "drawn.png", home=tmp_path)
    assert all(layer["valid"] for layer in told["layers"])
    item = json.loads((folder / "item.json").read_text())
    assert item["assets"]["project"]["href"] == f"./{PROJECT}"
    groups: dict[str, list[str]] = {name: [] for name in told["groups"]}
    for layer in told["layers"]:
        groups[layer["group"]].append(layer["name"])
    return groups


def test_segment_leaves_a_project_and_only_mask_takes_it_away(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", SHAPE)
    bundle = pixel_bundle(tmp_path / "bundle")
    geoseg.segment(scene, bundle, tmp_path / "out", confidence=True, **PLAIN)
    (tmp_path / "out/scene.vrt").write_text("of an earlier run")
    assert opened(tmp_path / "out", tmp_path) == {
        "polygons": ["polygons"], "confidence": ["confidence (percent)"], "map": ["class"], "scene": ["scene"],
    }  # fmt: skip
    geoseg.segment(scene, bundle, tmp_path / "out", only="mask", overwrite=True, **PLAIN)
    assert not {PROJECT, "scene.vrt", "confidence.qml"} & {path.name for path in (tmp_path / "out").iterdir()}


def test_change_leaves_a_project(tmp_path: Path) -> None:
    before = patchy(SHAPE)
    maps = write_map(tmp_path / "a.tif", before), write_map(tmp_path / "b.tif", changed(before))
    geoseg.change(*maps, tmp_path / "out", max_shift=0)
    groups = opened(tmp_path / "out", tmp_path)
    assert groups == {"polygons": ["polygons"], "change": ["change"], "after": ["b"], "before": ["a"]}


@pytest.mark.slow
@pytest.mark.parametrize("flicker", [False, True])
def test_a_series_of_maps_leaves_a_project(tmp_path: Path, flicker: bool) -> None:
    values = [patchy(SHAPE), changed(patchy(SHAPE)), changed(patchy(SHAPE), seed=2)]
    maps = [write_map(tmp_path / f"{name}.tif", one) for name, one in zip("abc", values, strict=True)]
    options: dict[str, Any] = {"flicker": True, "errors": ("0.9",)} if flicker else {}
    geoseg.trajectory(maps, tmp_path / "out", dates=("1990", "2000", "2010"), max_shift=0, **options)
    groups = opened(tmp_path / "out", tmp_path)
    assert groups["trajectory"] == ["trajectory"]
    assert groups["dates"] == ["first change", "last change", "changes"]
    names = [f"mask_{year}.tif" for year in (1990, 2000, 2010)] if flicker else ["a", "b", "c"]
    assert groups["maps"] == names


@pytest.mark.slow
def test_two_images_leave_a_project(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    one = draw.normal(1000, 100, (3, *SHAPE)).astype(np.float32)
    two = one + draw.normal(0, 10, one.shape).astype(np.float32)
    two[:, 20:40, 30:60] += 800
    names = ("blue", "green", "red")
    images = [write_raster(tmp_path / f"{name}.tif", image, names=names) for name, image in (("a", one), ("b", two))]
    geoseg.compare_images(*images, tmp_path / "out", method="cva")
    groups = opened(tmp_path / "out", tmp_path)
    assert list(groups) == ["polygons", "change", "magnitude", "after", "before"]
    assert groups["before"] == ["before"] and (tmp_path / "out/scene.vrt").exists()
