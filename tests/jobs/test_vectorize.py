"""Polygonize as a job: the order of its steps, the same file for any cut, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

import geoseg
from geoseg.errors import Conflict, InputRefused, UsageError
from tests.helpers.rasters import UTM, write_raster

MASK = np.kron(np.random.default_rng(3).integers(0, 5, (20, 30)), np.ones((3, 4))).astype(np.uint8)


@pytest.fixture
def mask(tmp_path: Path) -> str:
    return str(write_raster(tmp_path / "mask.tif", MASK[None], nodata=0))


def read(path: Path):
    return pyogrio.read_dataframe(path, layer="landcover")


def test_each_pixel_of_a_class_lies_in_one_polygon_of_it(mask: str, tmp_path: Path) -> None:
    result = geoseg.polygonize(mask, tmp_path / "p.gpkg")
    back = read(tmp_path / "p.gpkg")
    assert result.polygons == len(back) and result.files == (tmp_path / "p.gpkg",)
    counts = np.bincount(MASK.ravel())
    assert {row.class_id: row.n_pixels for row in result.classes} == {v: int(counts[v]) for v in range(1, 5)}
    assert shapely.union_all(back.geometry.to_numpy()).area == pytest.approx(counts[1:].sum() * 100)
    assert back.geometry.area.sum() == pytest.approx(counts[1:].sum() * 100)


@pytest.mark.parametrize("options", [{"block_size": 16}, {"block_size": 64, "workers": 1}])
def test_the_file_does_not_depend_on_strips_and_workers(mask: str, tmp_path: Path, options: dict) -> None:
    steps = {"min_area": 1500, "simplify": 12, "smooth": True}
    geoseg.polygonize(mask, tmp_path / "a" / "p.gpkg", **steps)
    geoseg.polygonize(mask, tmp_path / "b" / "p.gpkg", **steps, **options)
    assert (tmp_path / "a" / "p.gpkg").read_bytes() == (tmp_path / "b" / "p.gpkg").read_bytes()


def test_classes_are_chosen_after_the_sieve_and_simplified_with_their_neighbours(mask: str, tmp_path: Path) -> None:
    steps = {"min_area": 1500, "simplify": 12, "smooth": True}
    whole = geoseg.polygonize(mask, tmp_path / "all.gpkg", **steps)
    some = geoseg.polygonize(mask, tmp_path / "some.gpkg", **steps, classes=("2", "4"))
    everything, chosen = read(tmp_path / "all.gpkg"), read(tmp_path / "some.gpkg")
    everything = everything[everything.class_id.isin([2, 4])].reset_index(drop=True)
    assert everything.equals(chosen) and whole.regions_merged == some.regions_merged > 0
    assert [row.class_id for row in some.classes] == [2, 4]
    assert some.classes == tuple(row for row in whole.classes if row.class_id in (2, 4))
    assert any(row.drift for row in some.classes)


def test_confidence_is_averaged_and_nodata_counts_as_0(mask: str, tmp_path: Path) -> None:
    percent = np.full(MASK.shape, 80, np.uint8)
    percent[0, 0] = 255
    path = write_raster(tmp_path / "c.tif", percent[None], nodata=255)
    geoseg.polygonize(mask, tmp_path / "p.gpkg", confidence=str(path))
    mean = read(tmp_path / "p.gpkg").conf_mean
    assert (mean == 80).sum() >= len(mean) - 1 and mean.min() <= 80


@pytest.mark.parametrize(
    ("image", "options", "code"),
    [
        (np.full((1, 10, 10), 50, np.uint8), {}, "GRID"),
        (np.full((1, *MASK.shape), 50, np.uint8), {"res": 20.0}, "GRID"),
        (np.full((1, *MASK.shape), 50, np.uint8), {"crs": "EPSG:32633"}, "GRID"),
        (np.full((1, *MASK.shape), 150, np.uint8), {"nodata": 255}, "CONFIDENCE"),
        (np.full((1, *MASK.shape), 255, np.uint8), {}, "CONFIDENCE"),
        (np.full((1, *MASK.shape), 0.5, np.float32), {}, "CONFIDENCE"),
    ],
)
def test_a_raster_that_is_no_confidence_of_this_mask_is_refused(
    mask: str, tmp_path: Path, image: np.ndarray, options: dict, code: str
) -> None:
    path = write_raster(tmp_path / "c.tif", image, **options)
    with pytest.raises(InputRefused, match=code):
        geoseg.polygonize(mask, tmp_path / "p.gpkg", confidence=str(path))
    assert not list(tmp_path.glob("*p.gpkg*"))


def test_an_unknown_class_is_refused_with_the_known_ones(mask: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"LEGEND: 9: .*1, 2, 3, 4"):
        geoseg.polygonize(mask, tmp_path / "p.gpkg", classes=("9",))


def test_an_input_is_not_replaced(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "mask.gpkg", MASK[None], nodata=0)  # a GeoTIFF, whatever it is called
    with pytest.raises(Conflict, match="INPUT"):
        geoseg.polygonize(raster, tmp_path / "mask.gpkg", overwrite=True)


ODD = {
    "one class": np.full((7, 9), 3, np.uint8),
    "one row": np.array([[1, 1, 2, 0, 2, 3]], np.uint8),
    "one column": np.array([[1], [1], [2]], np.uint8),
    "one pixel": np.array([[5]], np.uint8),
    "checkerboard": (np.indices((64, 64)).sum(0) % 2 + 1).astype(np.uint8),
    "whole floats": np.array([[1.0, 2.0], [2.0, np.nan]], np.float32),
    "large values": np.array([[300, 65000], [300, 0]], np.uint16),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_rasters_become_polygons(tmp_path: Path, name: str) -> None:
    mask = ODD[name]
    raster = write_raster(tmp_path / "mask.tif", mask[None], nodata=np.nan if mask.dtype.kind == "f" else 0)
    result = geoseg.polygonize(raster, tmp_path / "p.gpkg")
    back = read(tmp_path / "p.gpkg")
    there = mask[(mask != 0) & (mask == mask)]
    assert back.n_pixels.sum() == there.size and set(back.class_id) == set(there.astype(int).tolist())
    assert shapely.is_valid(back.geometry.to_numpy()).all() and result.polygons == len(back)


def test_a_raster_without_data_gives_an_empty_layer(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "mask.tif", np.zeros((1, 8, 8), np.uint8), nodata=0)
    assert geoseg.polygonize(raster, tmp_path / "p.gpkg").polygons == 0
    assert len(read(tmp_path / "p.gpkg")) == 0


def test_numbers_of_regions_are_no_classes(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "mask.tif", np.arange(65536, dtype=np.uint16).reshape(1, 256, 256))
    with pytest.raises(InputRefused, match="CLASSES"):
        geoseg.polygonize(raster, tmp_path / "p.gpkg")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing_under_the_final_name(tmp_path: Path, number: int) -> None:
    noise = np.random.default_rng(0).integers(1, 5, (1, 3000, 3000)).astype(np.uint8)
    raster = write_raster(tmp_path / "mask.tif", noise, nodata=0, crs=UTM)
    out = tmp_path / "out" / "p.gpkg"
    run = subprocess.Popen(
        [sys.executable, "-m", "geoseg", "polygonize", str(raster), str(out)], stderr=subprocess.PIPE, text=True
    )
    for _ in range(1200):
        if list(out.parent.glob(".p.gpkg.*/p.gpkg")) or run.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(run.pid, number)
    _, said = run.communicate(timeout=120)
    assert not out.exists()
    if number != signal.SIGKILL:
        assert run.returncode == (130 if number == signal.SIGINT else 143) and said.count("\n") == 1, said
        assert list(out.parent.iterdir()) == []
    small = write_raster(tmp_path / "small.tif", noise[:, :50, :50], nodata=0, crs=UTM)
    geoseg.polygonize(small, out)
    assert [path.name for path in out.parent.iterdir()] == ["p.gpkg"]
