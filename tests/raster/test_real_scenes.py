"""Real scenes beside the checkout: what each is said to be, and how much of it is valid."""

from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene


@pytest.fixture(scope="module")
def data(shared: Path) -> Path:
    if not (shared / "data").is_dir():
        pytest.skip("../shared/data (real scenes) is not here")
    return shared / "data"


def read(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    return read_window(scene, Window(0, 0, *scene.geobox.shape))


def test_one_file_per_band_with_a_rotated_footprint(data: Path) -> None:
    paths = [data / "nc_landsat7_2000" / f"lsat7_2000_{i}_north.tif" for i in (10, 20, 30, 40, 50)]
    scene = open_scene(paths, bands=["blue", "green", "red", "nir", "swir1"])
    image, valid = read(scene)
    assert (scene.geobox.shape, image.dtype) == ((246, 489), np.float32)
    np.testing.assert_array_equal(valid, (image != -99999).all(axis=0))
    assert 0.8 < valid.mean() < 0.9


def test_a_band_of_another_type_with_holes_makes_holes(data: Path) -> None:
    folder = data / "nc_landsat7_2000"
    without = read(open_scene([folder / "lsat7_2000_10_north.tif"]))[1]
    image, valid = read(open_scene([folder / "lsat7_2000_10_north.tif", folder / "lsat7_2000_70_north.tif"]))
    assert image.dtype == np.float32
    assert valid.sum() < without.sum()
    assert image[:, valid].min() > -1


def test_zeros_outside_the_footprint_are_hinted_at(data: Path) -> None:
    path = data / "landsat8_224078_large" / "LC08_224078_20200518_B2B3B4.tif"
    scene = open_scene([path], bands=["blue", "green", "red"])
    assert any("--nodata 0" in note for note in scene.notes)
    scene = open_scene([path], bands=["blue", "green", "red"], nodata=0)
    assert 0.83 < read(scene)[1].mean() < 0.84


def test_nodata_on_one_file_only(data: Path) -> None:
    folder = data / "landsat7_chiapas_pair"
    first = open_scene([folder / "LE70220491999322EDC01_stack.gtif"])
    second = open_scene([folder / "LE70220492002106EDC00_stack.gtif"], quality="Band 8:values=2,4")
    assert first.bands[0].nodata == -9999.0
    assert second.bands[0].nodata is None
    assert 0.7 < read(second)[1].mean() < 0.75


def test_a_cube_of_dates(data: Path) -> None:
    pytest.importorskip("h5netcdf")
    path = data / "nrt_romania" / "sentinel2_cube_subset_romania_20m.nc"
    with pytest.raises(InputRefused, match=r"^TIME: .*140 time steps"):
        open_scene([path])
    scene = open_scene([path], time="2015-08-31", quality="clouds")
    tree_cover = open_scene([data / "nrt_romania" / "tree_cover_density_2018_romania.tif"])
    assert [band.name for band in scene.bands] == ["B11", "B3", "B4", "B8A"]
    assert scene.geobox.transform == pytest.approx(tree_cover.geobox.transform)
    assert read(scene)[1].all()


def test_a_netcdf_equals_its_geotiff_twin_but_for_their_grids(data: Path) -> None:
    pixels = [read(open_scene([data / "rasterio_samples" / name])) for name in ("RGB.nc", "RGB.byte.tif")]
    np.testing.assert_array_equal(pixels[0][0], pixels[1][0])
    np.testing.assert_array_equal(pixels[0][1], pixels[1][1])


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("ftw_s2_two_season/inference-img.tif", 8),
        ("landsat7_olinda/L7_ETMs.tif", 6),
        ("naip_north_dakota/20100629.tif", 4),
        ("pucallpa_landsat_ts/2020.tif", 4),
        ("rstoolbox_landsat5_amazon/lsat.tif", 7),
        ("terramesh_s2/S2L2A/433D_629L_3_1.tif", 12),
    ],
)
def test_other_scenes_read_whole_and_in_parts(data: Path, name: str, bands: int) -> None:
    scene = open_scene([data / name])
    image, valid = read(scene)
    assert image.shape == (bands, *scene.geobox.shape)
    assert valid.mean() > 0.5
    window = Window(scene.geobox.shape[0] // 3, 17, 101, 97)
    part, known = read_window(scene, window)
    np.testing.assert_array_equal(part, image[(slice(None), *window.slices)])
    np.testing.assert_array_equal(known, valid[window.slices])


def test_a_class_map_is_no_scene(data: Path) -> None:
    with pytest.raises(InputRefused, match=r"^PALETTE: "):
        open_scene([data / "zion_nlcd_labels" / "nlcd.tif"])
