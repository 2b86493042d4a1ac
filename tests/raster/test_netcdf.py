from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene

xarray = pytest.importorskip("xarray")
from rasterio.crs import CRS  # noqa: E402


def write_netcdf(
    path: Path,
    *,
    form: str = "NETCDF3_CLASSIC",
    rising: bool = False,
    times: int = 0,
    crs: bool = True,
    **changes: object,
) -> Path:
    """Two variables of 12 x 10 pixels of 20 m and an SCL; the first row is the north's unless ``rising``."""
    y = 5_000_000 - 10 - 20 * np.arange(12)
    x = 500_000 + 10 + 20 * np.arange(10)
    values = np.arange(120, dtype="int16").reshape(12, 10)
    data = {"red": values, "nir": values + 500, "SCL": np.where(values < 20, 9, 4).astype("int16")}
    dims: tuple[str, ...] = ("y", "x")
    coords: dict[str, object] = {"y": y[::-1] if rising else y, "x": x}
    if times:
        data = {
            name: np.stack([array + 1000 * i if name != "SCL" else array for i in range(times)])
            for name, array in data.items()
        }
        dims = ("time", "y", "x")
        coords["time"] = np.datetime64("2020-05-30") + np.arange(times)
    dataset = xarray.Dataset(
        {
            name: (dims, array[..., ::-1, :] if rising else array, {"grid_mapping": "spatial_ref"})
            for name, array in data.items()
        },
        coords=coords,
    )
    dataset["red"].attrs["_FillValue"] = np.int16(7)
    if crs:
        dataset["spatial_ref"] = ((), np.int32(0), {"crs_wkt": CRS.from_epsg(32632).to_wkt()})
    engine = "scipy" if form.startswith("NETCDF3") else "h5netcdf"
    dataset.assign(changes).to_netcdf(path, engine=engine, **({"format": form} if engine == "scipy" else {}))
    return path


def forms() -> list[object]:
    has_hdf5 = pytest.importorskip("importlib.util").find_spec("h5netcdf") is not None
    skip = pytest.mark.skipif(not has_hdf5, reason="h5netcdf is not installed (extra netcdf)")
    return ["NETCDF3_CLASSIC", "NETCDF3_64BIT", pytest.param("NETCDF4", marks=skip)]


def read(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    return read_window(scene, Window(0, 0, *scene.geobox.shape))


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("form", forms())
def test_variables_are_bands_and_row_0_is_in_the_north(tmp_path: Path, form: str, rising: bool) -> None:
    scene = open_scene([write_netcdf(tmp_path / "a.nc", form=form, rising=rising)])
    assert [band.name for band in scene.bands] == ["red", "nir"]
    assert scene.geobox.transform == (20.0, 0.0, 500_000.0, 0.0, -20.0, 5_000_000.0)
    assert scene.units == "dn"
    values = np.arange(120).reshape(12, 10)
    image, valid = read(scene)
    np.testing.assert_array_equal(image[1], values + 500)
    np.testing.assert_array_equal(valid, values != 7)
    part, known = read_window(scene, Window(0, 3, 5, 6))
    np.testing.assert_array_equal(part, image[:, :5, 3:9])
    np.testing.assert_array_equal(known, valid[:5, 3:9])


@pytest.mark.parametrize("form", forms())
def test_of_several_time_steps_one_must_be_chosen(tmp_path: Path, form: str) -> None:
    path = write_netcdf(tmp_path / "a.nc", form=form, times=3)
    with pytest.raises(InputRefused, match=r"^TIME: .*3 time steps, 2020-05-30 to 2020-06-01. .*--time"):
        open_scene([path])
    with pytest.raises(InputRefused, match=r"^TIME: .*2 of its 3 .* match --time 2020-05"):
        open_scene([path], time="2020-05")
    scene = open_scene([path], time="2020-06", quality="clouds")
    assert scene.datetime == "2020-06-01"
    image, valid = read(scene)
    assert image[1, 0, 0] == 2500
    np.testing.assert_array_equal(valid[:2], False)
    assert valid[2:].all()
    assert scene.fingerprint != open_scene([path], time="2020-05-31", quality="clouds").fingerprint


def test_variables_take_the_users_names_in_order(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc")
    assert [band.name for band in open_scene([path], bands=["-", "nir08"]).bands] == ["nir08"]


def test_a_netcdf_without_a_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"^FORMAT: .*no CRS .*--assume-crs"):
        open_scene([write_netcdf(tmp_path / "a.nc", crs=False)])
    assert open_scene([tmp_path / "a.nc"], assume_crs="EPSG:32632").geobox.shape == (12, 10)
    uneven = ("x", np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 19]))
    with pytest.raises(InputRefused, match=r"^FORMAT: .*x is not evenly spaced"):
        open_scene([write_netcdf(tmp_path / "b.nc", x=uneven)])


@pytest.mark.parametrize("head", [b"CDF\x01", b"CDF\x02\x00", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_only_starts_like_netcdf_is_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(head)
    with pytest.raises(InputRefused, match=r"^FORMAT: .*a.nc"):
        open_scene([path])


def test_a_truncated_netcdf_is_refused(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc")
    data = path.read_bytes()
    for length in (40, 300, len(data) // 2, len(data) - 40):
        path.write_bytes(data[:length])
        with pytest.raises(InputRefused, match=r"^(FORMAT|READ): .*a.nc"):
            read(open_scene([path]))


def test_values_that_lie_in_another_file_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    other = write_netcdf(tmp_path / "other.nc", form="NETCDF4")
    with h5py.File(tmp_path / "link.nc", "w") as file:
        file["red"] = h5py.ExternalLink(str(other), "/red")
    with h5py.File(tmp_path / "raw.nc", "w") as file:
        file.create_dataset("red", (4, 4), "u1", external=[(str(other), 0, 16)])
    with h5py.File(tmp_path / "virtual.nc", "w") as file:
        layout = h5py.VirtualLayout((12, 10), "i2")
        layout[:] = h5py.VirtualSource(str(other), "red", (12, 10))
        file.create_virtual_dataset("red", layout)
    for name in ("link", "raw", "virtual"):
        with pytest.raises(InputRefused, match=rf"^EXTERNAL_REF: .*{name}.nc"):
            open_scene([tmp_path / f"{name}.nc"])


def test_a_netcdf_is_not_brought_onto_another_grid(tmp_path: Path) -> None:
    from tests.helpers.rasters import numbers, write_raster

    path = write_netcdf(tmp_path / "a.nc")
    flags = write_raster(tmp_path / "flags.tif", numbers((1, 24, 20), "uint8"), res=10)
    scene = open_scene([path], quality=f"{flags}:values=1")  # flags may be finer: they move, the scene does not
    assert [flags.warped for flags in scene.flags] == [True]
    assert read(scene)[1].shape == (12, 10)
