"""The VRT of a scene of several files: what GDAL reads through it is what the files hold, wherever the folder is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.grid.geobox import GeoBox
from geoseg.raster.overview import read_overview
from geoseg.raster.scene import Scene, open_scene
from geoseg.report.qgis_scene import VRT, Seen, scene_layers, vrt_xml
from tests.helpers.rasters import write_raster


def image(rows: int, cols: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 9000, (1, rows, cols)).astype(np.uint16)


def opened(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Red of 10 m, nir of 20 m, blue of 10 m that begins elsewhere."""
    red = write_raster(tmp_path / "in/red.tif", image(20, 30, 1), nodata=0)
    nir = write_raster(tmp_path / "in/nir & 'x'.tif", image(10, 15, 2), res=20)
    blue = write_raster(tmp_path / "in/blue.tif", image(24, 40, 3), corner=(500_000 - 50, 5_000_000 + 20))
    return open_scene([red, nir, blue], bands=("red", "nir", "blue"))


def test_bands_of_other_grids_lie_where_they_are(scene: Scene, tmp_path: Path) -> None:
    home = tmp_path / "ö out"
    home.mkdir()
    layers = scene_layers(scene, Seen(*read_overview(scene)), home=home, made=home)
    assert layers[""].source == f"./{VRT}"
    red, nir, blue = opened(home / VRT)
    np.testing.assert_array_equal(red, image(20, 30, 1)[0])
    np.testing.assert_array_equal(nir, np.kron(image(10, 15, 2)[0], np.ones((2, 2))))
    np.testing.assert_array_equal(blue, image(24, 40, 3)[0, 2:22, 5:35])
    with rasterio.open(home / VRT) as dataset:
        assert dataset.descriptions == ("red", "nir", "blue")
        assert dataset.crs == rasterio.CRS.from_wkt(scene.geobox.crs) and dataset.transform == scene.geobox.affine
        assert dataset.nodatavals[0] == 0
    assert str(tmp_path) not in (home / VRT).read_text(encoding="utf-8")


def test_a_folder_behind_a_link_finds_its_files(scene: Scene, tmp_path: Path) -> None:
    real, link = tmp_path / "far/away/out", tmp_path / "out"
    real.mkdir(parents=True)
    link.symlink_to(real)
    scene_layers(scene, Seen(*read_overview(scene)), home=link, made=link)
    for way in (link, real):
        np.testing.assert_array_equal(opened(way / VRT)[0], image(20, 30, 1)[0])


def test_a_turned_grid_keeps_its_place(tmp_path: Path) -> None:
    turned = Affine(8, 6, 500_000, 6, -8, 5_000_000)
    paths = [write_raster(tmp_path / f"{i}.tif", image(5, 7, i), transform=turned) for i in (0, 1, 2)]
    scene = open_scene(paths, bands=("red", "green", "blue"))
    (tmp_path / VRT).write_text(vrt_xml(scene.bands, scene.geobox, tmp_path), encoding="utf-8")
    with rasterio.open(tmp_path / VRT) as dataset:
        assert GeoBox.of(dataset.shape, dataset.transform, "") == GeoBox.of((5, 7), turned, "")
        np.testing.assert_array_equal(dataset.read(2), image(5, 7, 1)[0])


@pytest.mark.parametrize("own", [1.0, 0.0001])
def test_the_stretch_is_what_qgis_reads_from_the_file(tmp_path: Path, own: float) -> None:
    rows = np.linspace(0, 10000, 100).astype(np.uint16).reshape(1, 1, 100).repeat(4, 1)
    path = write_raster(tmp_path / "s.tif", rows)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (own,)
    scene = open_scene(path, bands=("nir",), scale=0.0002, offset=-0.1)
    layer = scene_layers(scene, Seen(*read_overview(scene)), home=tmp_path, made=tmp_path)[""]
    assert layer.source == "./s.tif" and "singlebandgray" in layer.style
    low, high = (float(layer.style.split(f"<{tag}>")[1].split("<")[0]) for tag in ("minValue", "maxValue"))
    assert low == pytest.approx(200 * own, abs=60 * own) and high == pytest.approx(9800 * own, abs=60 * own)
