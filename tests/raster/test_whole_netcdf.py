from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.raster.whole import check_whole


def classic(path: Path, records: int, version: int) -> None:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w", version=version) as file:
        file.history = "made by a test"
        file.createDimension("time", None)
        file.createDimension("x", 5)
        file.createVariable("x", "f8", ("x",))[:] = np.arange(5)
        for name, kind in (("a", "i2"), ("b", "i1"), ("c", "f4"))[: 3 if version == 2 else 1]:
            variable = file.createVariable(name, kind, ("time", "x"))
            variable.units = "1"
            for i in range(records):
                variable[i] = np.full(5, i)


def hdf5(path: Path, libver: str) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", libver=libver) as file:
        file["a"] = np.arange(1000)


def cut(path: Path, size: int) -> None:
    with path.open("rb+") as file:
        file.truncate(size)


@pytest.mark.parametrize(("records", "version"), [(0, 1), (1, 1), (7, 1), (3, 2)])
def test_a_classic_file_that_is_cut_anywhere_is_told(tmp_path: Path, records: int, version: int) -> None:
    path = tmp_path / "a.nc"
    classic(path, records, version)
    check_whole(path)
    size = path.stat().st_size
    for shorter in (*range(size - 4, 8, -7), 8):  # at the end up to three bytes may be padding
        cut(path, shorter)
        with pytest.raises(InputRefused, match="CUT_OFF"):
            check_whole(path)


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_a_netcdf_4_file_that_is_cut_anywhere_is_told(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "a.nc"
    hdf5(path, libver)
    check_whole(path)
    for shorter in range(path.stat().st_size - 1, 8, -97):
        cut(path, shorter)
        with pytest.raises(InputRefused, match="CUT_OFF"):
            check_whole(path)


def test_no_damage_takes_long_or_ends_in_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    classic(path, 3, 2)
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(sound)
        for place in rng.integers(4, len(data), 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            check_whole(path)
        except InputRefused:
            continue
