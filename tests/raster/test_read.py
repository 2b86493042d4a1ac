import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.read import close_datasets, read_window
from geoseg.raster.scene import Scene, open_scene
from tests.helpers.rasters import CORNER, UTM, make_safe, numbers, write_jp2, write_raster


def whole(scene: Scene) -> Window:
    return Window(0, 0, *scene.geobox.shape)


def read(scene: Scene) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    return read_window(scene, whole(scene))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    """A scene of each kind of source, all 700 x 640 pixels or so."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(5)
    holes = numbers((3, 700, 640), seed=1)
    holes[rng.random(holes.shape) < 0.02] = 0
    mask = rng.random((700, 640)) > 0.1
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    one = write_raster(folder / "one.tif", holes, nodata=0, names=["a", "b", "c"], **tiled)
    masked = write_raster(folder / "masked.tif", numbers((2, 700, 640), "int16", seed=2), mask=mask, **tiled)
    coarse = numbers((1, 350, 330), seed=3)
    coarse[0, 20:40, 30:60] = 0
    twenty = write_raster(folder / "twenty.tif", coarse, res=20, nodata=0)
    floats = numbers((1, 700, 640), "float32", seed=4)
    floats[0, 5:9, :] = np.nan
    floats[0, :, 7] = np.inf
    floating = write_raster(folder / "floats.tif", floats, nodata=-99999.0)
    other = write_raster(
        folder / "other.tif", coarse, transform=from_origin(9.0, 45.155, 0.00026, 0.00019), crs="EPSG:4326", nodata=0
    )
    turned = Affine.translation(*CORNER) @ Affine.rotation(7) @ Affine.scale(19, -21)
    rotated = write_raster(
        folder / "rotated.tif",
        numbers((2, 400, 400), seed=6),
        transform=turned,
        mask=numbers((400, 400), high=9)[:] > 2,
    )
    jp2 = write_jp2(folder / "one.jp2", numbers((1, 700, 640), seed=7), 10)
    clear = np.concatenate([numbers((3, 350, 330), seed=8), np.full((1, 350, 330), 65535, "uint16")])
    clear[3, 100:150, 100:150] = 0
    alpha = write_raster(
        folder / "alpha.tif",
        clear,
        transform=from_origin(9.0, 45.155, 0.00026, 0.00019),
        crs="EPSG:4326",
        photometric="RGB",
        alpha="yes",
    )
    flags = write_raster(folder / "flags.tif", numbers((1, 350, 320), "uint8", high=9), res=20)
    return {
        "one file": open_scene([one]),
        "bands of one file in another order": open_scene([one]).select(["c", "a"]),
        "mask inside": open_scene([masked]),
        "mixed types": open_scene([one, floating, masked], bands=list("abcdef")),
        "20 m onto 10 m": open_scene([one, twenty], bands=list("abcd")),
        "another CRS": open_scene([one, other], bands=list("abcd")),
        "turned": open_scene([one, rotated], bands=list("abcde")),
        "flags of 20 m": open_scene([one], quality=f"{flags}:values=3,5"),
        "flags in another CRS": open_scene([one], quality=f"{other}:bits=0,3"),
        "alpha in another CRS": open_scene([one, alpha], bands=list("abcdef")),
        "jpeg 2000": open_scene([jp2, one], bands=list("abcd")),
    }


KINDS = [
    "one file",
    "bands of one file in another order",
    "mask inside",
    "mixed types",
    "20 m onto 10 m",
    "another CRS",
    "turned",
    "flags of 20 m",
    "flags in another CRS",
    "jpeg 2000",
    "alpha in another CRS",
]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(row=st.integers(0, 699), col=st.integers(0, 639), height=st.integers(1, 400), width=st.integers(1, 400))
def test_a_window_is_the_part_of_the_whole(
    scenes: dict[str, Scene], kind: str, row: int, col: int, height: int, width: int
) -> None:
    scene = scenes[kind]
    if kind not in _WHOLE:
        _WHOLE[kind] = read(scene)
    image, valid = _WHOLE[kind]
    window = Window(row, col, height, width).intersect(whole(scene))
    part, known = read_window(scene, window, threads=1 + row % 2)
    np.testing.assert_array_equal(known, valid[window.slices])
    np.testing.assert_array_equal(part[:, known], image[(slice(None), *window.slices)][:, known])
    assert part.dtype == image.dtype


_WHOLE: dict[str, tuple[NDArray[np.generic], NDArray[np.bool_]]] = {}


def test_the_image_is_the_file_as_rasterio_reads_it(scenes: dict[str, Scene]) -> None:
    scene = scenes["bands of one file in another order"]
    image, valid = read(scene)
    with rasterio.open(scene.bands[0].path) as file:
        np.testing.assert_array_equal(image, file.read([3, 1]))
        np.testing.assert_array_equal(valid, (file.read([3, 1]) != 0).all(axis=0))
    assert image.dtype == np.uint16


def test_valid_means_that_every_band_has_data(scenes: dict[str, Scene]) -> None:
    scene = scenes["mixed types"]
    image, valid = read(scene)
    expected = np.ones(valid.shape, bool)
    for path in {band.path for band in scene.bands}:
        with rasterio.open(path) as file:
            expected &= (file.read_masks() > 0).all(axis=0) & np.isfinite(file.read()).all(axis=0)
    np.testing.assert_array_equal(valid, expected)
    assert image.dtype == np.float32


def test_without_masked_only_what_is_no_number_is_invalid(scenes: dict[str, Scene]) -> None:
    from dataclasses import replace

    _, valid = read(replace(scenes["mixed types"], masked=False))
    with rasterio.open(scenes["mixed types"].bands[3].path) as file:
        np.testing.assert_array_equal(valid, np.isfinite(file.read(1)))


def test_a_band_in_another_crs_agrees_with_a_warp_of_the_whole(scenes: dict[str, Scene]) -> None:
    scene = scenes["another CRS"]
    image, valid = read(scene)
    with rasterio.open(scene.bands[3].path) as file:
        expected = np.full(scene.geobox.shape, np.nan, "float32")
        reproject(
            file.read(1).astype("float32"),
            expected,
            src_transform=file.transform,
            src_crs=file.crs,
            src_nodata=0,
            dst_transform=scene.geobox.affine,
            dst_crs=scene.geobox.crs,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
    both = valid & np.isfinite(expected)
    assert both.sum() > 0.5 * valid.size
    assert np.abs(image[3][both] - expected[both]).mean() < 2 * 0.02 * 3000  # two roundings of the position
    assert (valid != (np.isfinite(expected) & (image[:3] != 0).all(axis=0))).mean() < 0.002


def test_alpha_of_a_warped_file_says_where_there_is_data(scenes: dict[str, Scene]) -> None:
    scene = scenes["alpha in another CRS"]
    _, valid = read(scene)
    covered = read(scene.select(["a", "b", "c"]))[1]
    with rasterio.open(scene.bands[3].path) as file:
        hole = np.zeros(scene.geobox.shape, "uint8")
        reproject(
            (file.read(4) == 0).astype("uint8"),
            hole,
            src_transform=file.transform,
            src_crs=file.crs,
            dst_transform=scene.geobox.affine,
            dst_crs=scene.geobox.crs,
        )
    inside = hole == 1
    assert inside.sum() > 1000
    assert valid[inside].mean() < 0.05  # a pixel at the edge of the hole still has a neighbour with data
    assert valid[covered & ~inside].mean() > 0.9


def test_bands_of_different_extent_are_valid_where_all_have_data(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "one.tif", numbers((1, 60, 60)))
    two = write_raster(tmp_path / "two.tif", numbers((1, 60, 60), seed=1), corner=(CORNER[0] + 200, CORNER[1] - 100))
    scene = open_scene([one, two], bands=["a", "b"])
    image, valid = read(scene)
    expected = np.zeros((60, 60), bool)
    expected[10:, 20:] = True
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(image[1, 10:, 20:], numbers((1, 60, 60), seed=1)[0, :50, :40])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", -9999.0), ("uint8", 1e30), ("int16", 0.5), ("uint16", float("nan"))]
)
def test_nodata_that_no_value_can_have_is_tolerated(tmp_path: Path, dtype: str, nodata: float) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 5, 5), dtype))
    assert read(open_scene([path], nodata=nodata))[1].all()


@pytest.mark.parametrize("nodata", [-3.4028234663852886e38, -99999.0, 0.1])
def test_nodata_of_float_files_is_compared_in_their_own_precision(tmp_path: Path, nodata: float) -> None:
    image = numbers((1, 5, 5), "float32")
    image[0, 2, 2] = np.float32(nodata)
    path = write_raster(tmp_path / "a.tif", image, nodata=nodata)
    assert (~read(open_scene([path]))[1]).sum() == 1


def test_nodata_of_files_with_mixed_nodata_holds_for_each_band(tmp_path: Path) -> None:
    image = np.array([[[5, 7, 1]]], "int16")
    paths = [write_raster(tmp_path / f"{i}.tif", image, nodata=i) for i in (5, 7)]
    np.testing.assert_array_equal(read(open_scene(paths))[1], [[False, False, True]])


def test_flags_turn_pixels_to_nodata(tmp_path: Path) -> None:
    image = np.concatenate([numbers((1, 4, 4)), np.arange(16).reshape(1, 4, 4).astype("uint16")])
    path = write_raster(tmp_path / "a.tif", image, names=["red", "qa"])
    by_value = open_scene([path], quality="qa:values=3,8")
    assert [band.name for band in by_value.bands] == ["red"]
    np.testing.assert_array_equal(~read(by_value)[1], np.isin(image[1], [3, 8]))
    by_bit = open_scene([path], quality="qa:bits=1,3")
    np.testing.assert_array_equal(~read(by_bit)[1], image[1] & 0b1010 != 0)


def test_threads_read_the_same_at_the_same_time(scenes: dict[str, Scene]) -> None:
    scene = scenes["20 m onto 10 m"]
    expected = read(scene)
    windows = [Window(i * 40, i * 30, 333, 300) for i in range(8)]
    bad: list[Window] = []

    def work() -> None:
        for window in windows:
            image, valid = read_window(scene, window, threads=1)
            same = np.array_equal(valid, expected[1][window.slices]) and np.array_equal(
                image[:, valid], expected[0][(slice(None), *window.slices)][:, valid]
            )
            if not same:
                bad.append(window)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not bad


def open_files(folder: Path) -> int:
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(str(folder) in os.readlink(link) for link in links if link.is_symlink())


def test_open_files_are_few_and_close_with_their_thread(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{i}.tif", numbers((1, 4, 4), seed=i)) for i in range(40)]
    scene = open_scene(paths)
    counts: list[int] = []

    def work() -> None:
        read(scene)
        read(scene)
        counts.append(open_files(tmp_path))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()
    assert 0 < counts[0] <= 32
    assert open_files(tmp_path) == 0
    read(scene)
    close_datasets()
    assert open_files(tmp_path) == 0


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)))
    scene = open_scene([path])
    read(scene)
    path.unlink()
    write_raster(path, numbers((1, 4, 4), seed=1))
    np.testing.assert_array_equal(read(scene)[0], numbers((1, 4, 4), seed=1))


def test_pixels_that_cannot_be_decoded_are_refused_and_leave_nothing_open(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 600, 600)), compress="lzw", tiled=True)
    scene = open_scene([path])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
    path.write_bytes(bytes(data))
    with pytest.raises(InputRefused, match=r"^READ: .*a.tif: its pixels cannot be decoded"):
        read(scene)
    assert open_files(tmp_path) == 0
    path.unlink()
    with pytest.raises(InputRefused, match=r"^(OPEN|NOT_FOUND): .*a.tif"):
        read(scene)


def test_a_safe_reads_its_coarse_bands_between_the_pixels(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, bands=["B02", "B11"])])
    image, valid = read(scene)
    with rasterio.open(scene.bands[1].path) as file:
        coarse = file.read(1).astype(float)
    assert valid.all()
    centre = coarse[3, 4] * 9 / 16 + coarse[3, 3] * 3 / 16 + coarse[2, 4] * 3 / 16 + coarse[2, 3] / 16
    assert image[1, 6, 8] == np.floor(centre + 0.5)


def test_an_assumed_crs_serves_files_on_different_grids(tmp_path: Path) -> None:
    fine = write_raster(tmp_path / "fine.tif", numbers((1, 20, 20)), crs=None)
    coarse = write_raster(tmp_path / "coarse.tif", numbers((1, 10, 10)), res=20, crs=UTM)
    scene = open_scene([fine, coarse], bands=["a", "b"], assume_crs=UTM)
    assert read(scene)[1].all()
