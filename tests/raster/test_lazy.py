"""Lazy views of scenes: the numbers of a read, nothing read at opening, and a CRS that others understand."""

import pickle
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.raster import lazy
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene

CRS = "EPSG:32633"
UPRIGHT = Affine(10, 0, 500_000, 0, -10, 5_400_000)


def scene_of(path: Path, *, transform: Affine = UPRIGHT, dtype: str = "uint16") -> Scene:
    values = np.random.default_rng(1).integers(1, 4000, (3, 70, 90)).astype(dtype)
    values[:, :8, :5] = 0
    profile = {"crs": CRS, "transform": transform, "nodata": 0, "tiled": True, "blockxsize": 32, "blockysize": 32}
    with rasterio.open(path, "w", "GTiff", 90, 70, 3, dtype=dtype, **profile) as file:
        file.write(values)
        file.descriptions = ("blue", "red", "nir")
    return open_scene(path, scale=0.0001, offset=-0.1)


@pytest.mark.parametrize("chunk", [1000, 32, 33])
def test_the_numbers_are_those_of_a_read_in_the_scenes_units(tmp_path: Path, chunk: int) -> None:
    scene = scene_of(tmp_path / "scene.tif")
    array = scene.to_xarray(chunk=chunk)
    image, valid = read_window(scene, Window(0, 0, 70, 90))
    expected = np.where(valid, image * 0.0001 - 0.1, np.nan)
    assert array.dims == ("band", "y", "x") and array.dtype == np.float32
    assert array.shape == (3, 70, 90) and array.band.values.tolist() == ["blue", "red", "nir"]
    np.testing.assert_allclose(array.values, expected, rtol=1e-6, atol=1e-7)
    assert np.isnan(array.values[:, :8, :5]).all()


def test_nothing_is_read_before_a_result_is_asked_for_and_then_only_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, read = scene_of(tmp_path / "scene.tif"), []

    def noted(scene: Scene, window: Window, *, threads: int | None = None) -> object:
        read.append(window)
        return read_window(scene, window, threads=threads)

    monkeypatch.setattr(lazy, "read_window", noted)
    array = scene.to_xarray(chunk=32)
    index = array.sel(band="nir") - array.sel(band="red")
    assert not read and array.data.npartitions == 9
    assert index[40:50, 70:80].shape == (10, 10) and not read
    index[40:50, 70:80].compute()
    assert set(read) == {Window(32, 64, 32, 26)}


def test_what_travels_to_a_worker_is_small(tmp_path: Path) -> None:
    array = scene_of(tmp_path / "scene.tif").to_xarray(chunk=32)
    from dask.base import collections_to_expr

    assert len(pickle.dumps(collections_to_expr([array.data]))) < 200_000 if hasattr(array.data, "expr") else True
    tasks = dict(array.data.dask)
    assert len(tasks) <= 2 * array.data.npartitions


def test_places_and_the_crs_are_the_scenes(tmp_path: Path) -> None:
    array = scene_of(tmp_path / "scene.tif").to_xarray()
    assert float(array.x[0]) == 500_005 and float(array.y[0]) == 5_399_995
    assert float(array.x[1] - array.x[0]) == 10 and float(array.y[1] - array.y[0]) == -10
    told = array.coords["spatial_ref"].attrs
    assert pyproj.CRS.from_wkt(told["crs_wkt"]) == pyproj.CRS(CRS) == pyproj.CRS.from_cf(told)
    assert [float(n) for n in told["GeoTransform"].split()] == [500_000, 10, 0, 5_400_000, 0, -10]
    assert array.encoding["grid_mapping"] == "spatial_ref"
    assert array.x.attrs["standard_name"] == "projection_x_coordinate" and array.x.attrs["units"] == "metre"


def test_a_rotated_scene_has_a_transform_and_no_axes(tmp_path: Path) -> None:
    turned = Affine.translation(500_000, 5_400_000) @ Affine.rotation(20) @ Affine.scale(10, -10)
    array = scene_of(tmp_path / "scene.tif", transform=turned).to_xarray()
    assert "x" not in array.coords and "y" not in array.coords
    numbers = [float(n) for n in array.coords["spatial_ref"].attrs["GeoTransform"].split()]
    assert Affine.from_gdal(*numbers).almost_equals(turned)


def test_equal_views_have_one_name_and_others_another(tmp_path: Path) -> None:
    scene = scene_of(tmp_path / "scene.tif")
    names = {scene.to_xarray(chunk=chunk).data.name for chunk in (32, 32, 64)}
    names.add(scene.select(["red", "blue"]).to_xarray(chunk=32).data.name)
    assert len(names) == 3


def test_a_side_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CHUNK: 0"):
        scene_of(tmp_path / "scene.tif").to_xarray(chunk=0)


def test_a_file_that_went_away_is_an_error_of_ours(tmp_path: Path) -> None:
    array = scene_of(tmp_path / "scene.tif").to_xarray()
    (tmp_path / "scene.tif").unlink()
    with pytest.raises((InputRefused, FileNotFoundError)):
        array.compute()


def test_a_netcdf_file_keeps_the_crs_and_the_flags(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    scene_of(tmp_path / "scene.tif").to_xarray(chunk=32).to_dataset().to_netcdf(
        tmp_path / "scene.nc", engine="h5netcdf"
    )
    with xarray.open_dataset(tmp_path / "scene.nc", engine="h5netcdf", decode_coords="all") as again:
        assert pyproj.CRS.from_wkt(again.spatial_ref.attrs["crs_wkt"]) == pyproj.CRS(CRS)
        assert again["scene"].encoding["grid_mapping"] == "spatial_ref"
