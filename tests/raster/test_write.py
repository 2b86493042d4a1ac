"""Masks: what is written is what is read, the bytes depend on the pixels alone, and a file is whole or not there."""

import hashlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import ResourceError, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import HARMONISED, Legend
from geoseg.raster.cog import GHOST, TILE, Level, describe, header
from geoseg.raster.overviews import halve
from geoseg.raster.sidecars import sidecars
from geoseg.raster.write import RasterInfo, write_mask, write_raster

UTM = "EPSG:32617"
LEGEND = Legend.of({1: "water", 2: "trees & <shrubs>", 7: 'built "up"', 200: "Schnee/Eis ö"}, {1: (10, 20, 200)})


def geobox(shape: tuple[int, int], transform: Affine | None = None) -> GeoBox:
    return GeoBox.of(shape, transform or Affine(30, 0, 500_000, 0, -30, 4_000_000), UTM)


def classes(shape: tuple[int, int], legend: Legend = LEGEND, seed: int = 0) -> np.ndarray:
    values = np.array((legend.nodata, *legend.values), np.uint8)
    coarse = np.random.default_rng(seed).choice(values, (-(-shape[0] // 3), -(-shape[1] // 3)))
    return np.kron(coarse, np.ones((3, 3), np.uint8))[: shape[0], : shape[1]]


def strips(array: np.ndarray, height: int) -> Iterator[tuple[int, np.ndarray]]:
    return ((row, array[row : row + height]) for row in range(0, array.shape[0], height))


def slow_mode(array: np.ndarray, nodata: int) -> np.ndarray:
    out = np.full((-(-array.shape[0] // 2), -(-array.shape[1] // 2)), nodata, array.dtype)
    for row, col in np.ndindex(out.shape):
        square = [int(v) for v in array[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].ravel() if v != nodata]
        if square:
            out[row, col] = max(square, key=lambda v: (Counter(square)[v], -square.index(v)))
    return out


def slow_average(array: np.ndarray, nodata: int) -> np.ndarray:
    out = np.full((-(-array.shape[0] // 2), -(-array.shape[1] // 2)), nodata, array.dtype)
    for row, col in np.ndindex(out.shape):
        square = [int(v) for v in array[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].ravel() if v != nodata]
        if square:
            out[row, col] = int(np.floor(sum(square) / len(square) + 0.5))
    return out


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_halving_equals_the_slow_reference(data: st.DataObject) -> None:
    rows, cols = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    values = data.draw(st.lists(st.integers(0, 4), min_size=4 * rows * cols, max_size=4 * rows * cols))
    array = np.array(values, np.uint8).reshape(2 * rows, 2 * cols)
    np.testing.assert_array_equal(halve(array, 0, "mode"), slow_mode(array, 0))
    np.testing.assert_array_equal(halve(array, 0, "average"), slow_average(array, 0))
    np.testing.assert_array_equal(halve(array, 0, "nearest"), array[::2, ::2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (513, 2), (512, 512), (1030, 777)])
def test_a_mask_is_read_back_as_it_was_given(tmp_path: Path, shape: tuple[int, int]) -> None:
    array, path = classes(shape), tmp_path / "mask.tif"
    tags = {"plan": "abc", "inputs": "a.tif, ö.tif", "TIFFTAG_SOFTWARE": "geoseg 0.1"}
    counts = write_mask(path, geobox(shape), LEGEND, strips(array, 100), description="land cover", tags=tags)
    assert counts == {int(v): int((array == v).sum()) for v in (0, *LEGEND.values)}
    assert sorted(os.listdir(tmp_path)) == sorted(["mask.tif", *sidecars("mask.tif")])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), array)
        assert GeoBox.of(dataset.shape, dataset.transform, UTM) == geobox(shape)
        assert dataset.crs == rasterio.CRS.from_string(UTM)
        assert (dataset.nodata, dataset.dtypes[0], dataset.descriptions[0]) == (0, "uint8", "land cover")
        assert tags.items() <= dataset.tags().items()
        palette = dataset.colormap(1)
        assert palette[0] == (0, 0, 0, 0)
        assert all(palette[v] == (*LEGEND.colours[v], 255) for v in LEGEND.values)
        assert len(dataset.overviews(1)) == int(np.ceil(np.log2(max(*shape, TILE) / TILE)))


@pytest.mark.parametrize("shape", [(1030, 777), (600, 2100)])
def test_overviews_are_halved_from_level_to_level(tmp_path: Path, shape: tuple[int, int]) -> None:
    array, path = classes(shape), tmp_path / "mask.tif"
    write_mask(path, geobox(shape), LEGEND, strips(array, 100))
    expected = array
    for level in range(2):
        expected = halve(np.pad(expected, [(0, size % 2) for size in expected.shape]), 0, "mode")
        with rasterio.open(path, overview_level=level) as dataset:
            np.testing.assert_array_equal(dataset.read(1), expected)


def test_a_mask_is_a_valid_cog(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    write_mask(path, geobox((1500, 2100)), LEGEND, strips(classes((1500, 2100)), 512))
    data = path.read_bytes()
    directories = directories_of(data)
    assert data[8:].startswith(GHOST)
    sizes = [(tags[257][0], tags[256][0]) for tags in directories]
    assert sizes == [(1500, 2100), (750, 1050), (375, 525), (188, 263)]
    assert [tags.get(254, (0,))[0] for tags in directories] == [0, 1, 1, 1]
    order = [at for tags in reversed(directories) for at in tags[324]]
    assert order == sorted(order), "smallest overview first, tiles in reading order"
    for tags in directories:
        for at, size in zip(tags[324], tags[325], strict=True):
            assert struct.unpack_from("<I", data, at - 4)[0] == size
            assert data[at + size : at + size + 4] == data[at + size - 4 : at + size]
            assert len(zlib.decompress(data[at : at + size])) == TILE * TILE
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_rio_cogeo_finds_no_fault(tmp_path: Path) -> None:
    cogeo = pytest.importorskip("rio_cogeo", reason="rio-cogeo is not installed")
    for shape in ((1, 1), (512, 513), (2500, 1030)):
        write_mask(tmp_path / "mask.tif", geobox(shape), LEGEND, strips(classes(shape), 512))
        assert cogeo.cog_validate(tmp_path / "mask.tif", strict=True, quiet=True) == (True, [], [])


def test_the_bytes_depend_on_pixels_and_tags_only(tmp_path: Path) -> None:
    shape = (1300, 1700)
    array, digests = classes(shape), set()
    for i, (height, threads) in enumerate([(1300, 1), (512, 2), (77, 5), (1, 2)]):
        folder = tmp_path / str(i)
        tags = {"b": "2", "a": "1"} if i % 2 else {"a": "1", "b": "2"}
        write_mask(folder / "mask.tif", geobox(shape), LEGEND, strips(array, height), tags=tags, threads=threads)
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "transform",
    [Affine(30, 0, 5e5, 0, 30, 4e6), Affine(8.4, 10.9, 5e5, 5.4, -16.8, 4e6)],
    ids=["south-up", "rotated"],
)
def test_uncommon_transforms_are_kept(tmp_path: Path, transform: Affine) -> None:
    write_mask(tmp_path / "mask.tif", geobox((9, 7), transform), LEGEND, strips(classes((9, 7)), 2))
    with rasterio.open(tmp_path / "mask.tif") as dataset:
        assert dataset.transform.almost_equals(transform)


def test_a_legend_that_owns_zero_has_nodata_255(tmp_path: Path) -> None:
    legend = Legend.of({0: "clear", 1: "cloud"})
    array = np.array([[0, 1, 255]], np.uint8)
    assert write_mask(tmp_path / "m.tif", geobox((1, 3)), legend, [(0, array)]) == {255: 1, 0: 1, 1: 1}
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert dataset.nodata == 255
        assert dataset.colormap(1)[0] == (*legend.colours[0], 255)
        np.testing.assert_array_equal(dataset.read_masks(1), [[255, 255, 0]])


def test_names_and_colours_stand_beside_the_mask(tmp_path: Path) -> None:
    array = np.array([[1, 1, 2, 200, 0]], np.uint8)
    write_mask(tmp_path / "mask.tif", geobox((1, 5)), LEGEND, [(0, array)])
    pam = ET.parse(tmp_path / "mask.tif.aux.xml")
    categories = [node.text or "" for node in pam.iter("Category")]
    assert [categories[v] for v in (0, 1, 2, 3, 200)] == ["nodata", "water", "trees & <shrubs>", "", "Schnee/Eis ö"]
    rows = [[cell.text for cell in row] for row in pam.iter("Row")]
    assert [row[:3] for row in rows] == [
        ["1", "2", "water"], ["2", "1", "trees & <shrubs>"], ["7", "0", 'built "up"'], ["200", "1", "Schnee/Eis ö"],
    ]  # fmt: skip
    assert rows[0][3:] == ["10", "20", "200"]
    style = ET.parse(tmp_path / "mask.qml")
    entries = {node.get("value"): (node.get("label"), node.get("color")) for node in style.iter("paletteEntry")}
    assert entries["1"] == ("water", "#0a14c8")
    assert entries["7"][0] == 'built "up"'


def test_gdal_reads_the_attribute_table(tmp_path: Path) -> None:
    if shutil.which("gdalinfo") is None:
        pytest.skip("gdalinfo is not installed")
    write_mask(tmp_path / "mask.tif", geobox((9, 5)), LEGEND, [(0, classes((9, 5)))])
    done = subprocess.run(["gdalinfo", str(tmp_path / "mask.tif")], capture_output=True, text=True, check=True)
    assert "trees & <shrubs>" in done.stdout.partition("Categories:")[2].partition("Color Table")[0]
    assert '<GDALRasterAttributeTable tableType="thematic">' in done.stdout


@pytest.mark.parametrize("overviews", ["average", "nearest", "mode"])
@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 255), ("uint16", 0), ("int16", -9999), ("int32", -1)])
def test_rasters_without_a_legend_keep_their_values(tmp_path: Path, dtype: str, nodata: int, overviews: str) -> None:
    shape = (700, 600)
    array = np.random.default_rng(0).integers(0, 101, shape).astype(dtype)
    array[:50] = nodata
    info = RasterInfo("confidence", dtype=dtype, nodata=nodata, overviews=overviews, tags={"units": "percent"})
    write_raster(tmp_path / "confidence.tif", geobox(shape), strips(array, 99), info=info)
    assert os.listdir(tmp_path) == ["confidence.tif"]
    with rasterio.open(tmp_path / "confidence.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), array)
        assert (dataset.nodata, dataset.dtypes[0], dataset.tags()["units"]) == (nodata, dtype, "percent")
    with rasterio.open(tmp_path / "confidence.tif", overview_level=0) as dataset:
        np.testing.assert_array_equal(dataset.read(1), halve(array, nodata, overviews))


def test_nodata_that_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NODATA"):
        write_raster(tmp_path / "x.tif", geobox((1, 1)), [], info=RasterInfo("x", nodata=-9999))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "given_strips"),
    [
        ("STRIPS", [(0, np.ones((2, 5), np.uint8))]),
        ("STRIPS", [(1, np.ones((4, 5), np.uint8))]),
        ("STRIPS", [(0, np.ones((5, 5), np.uint8))]),
        ("STRIPS", [(0, np.ones((4, 4), np.uint8))]),
        ("STRIPS", [(0, np.ones((4, 5), np.int64))]),
        ("LEGEND", [(0, np.full((4, 5), 9, np.uint8))]),
    ],
)
def test_what_is_not_the_raster_is_refused(tmp_path: Path, code: str, given_strips: list) -> None:
    with pytest.raises(UsageError, match=code):
        write_mask(tmp_path / "mask.tif", geobox((4, 5)), LEGEND, given_strips)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_gives_back_something_else_is_found_out(tmp_path: Path) -> None:
    array = np.random.default_rng(0).choice(np.array(LEGEND.values, np.uint8), (2048, 2048))

    def tampered() -> Iterator[tuple[int, np.ndarray]]:
        yield 0, array[:2000]
        (spool,) = tmp_path.glob(".mask.tif.*/level-0")
        with spool.open("r+b") as file:
            file.seek(5000)
            file.write(b"\0" * 64)
        yield 2000, array[2000:]

    with pytest.raises(ResourceError, match="DISK"):
        write_mask(tmp_path / "mask.tif", geobox((2048, 2048)), LEGEND, tampered())
    assert os.listdir(tmp_path) == []


def test_memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    peaks = []
    for rows in (4096, 32768):
        tracemalloc.start()
        empty = np.zeros((512, 1024), np.uint8)
        write_mask(tmp_path / "m.tif", geobox((rows, 1024)), LEGEND, ((row, empty) for row in range(0, rows, 512)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] < 8 << 20


def test_a_file_beyond_4_gib_is_a_bigtiff(tmp_path: Path) -> None:
    """With tiles of 80 MiB, mostly holes in the file, so that no disk is filled."""
    tile = zlib.compress(np.full(TILE * TILE, 7, np.uint8).data)
    level = Level((512 * 7, 512 * 8), [80 << 20] * 56)
    tags = describe(geobox(level.shape), np.dtype("uint8"), nodata=0, description="class", tags={})
    head = header([level], tags)
    assert struct.unpack_from("<HH", head, 2) == (43, 8)
    assert header([Level((512, 512), [100])], tags)[2] == 42
    with (tmp_path / "big.tif").open("wb") as file:
        file.write(head)
        for i, size in enumerate(level.tile_bytes):
            file.seek(len(head) + i * (size + 8) + 4)
            file.write(tile)
        file.truncate(len(head) + level.data_bytes)
    with rasterio.open(tmp_path / "big.tif") as dataset:
        for row, col in ((0, 0), (6, 7)):
            window = rasterio.windows.Window(col * 512 + 511, row * 512 + 511, 1, 1)
            assert dataset.read(1, window=window).item() == 7
        assert dataset.transform == geobox(level.shape).affine


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)


SETUP = """
    import os, resource, signal, sys
    import numpy as np
    from geoseg.errors import ResourceError
    from geoseg.grid.geobox import GeoBox
    from geoseg.legend import HARMONISED
    from geoseg.raster.write import write_mask
    shape = (1100, 1100)
    box = GeoBox(shape, (30, 0, 5e5, 0, -30, 4e6), "EPSG:32617")
    mask = np.random.default_rng(0).integers(1, 11, shape, dtype=np.uint8)
"""


def test_a_full_disk_at_any_byte_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(
        SETUP
        + f"""
    folder = {str(tmp_path)!r}
    write_mask(folder + "/whole/m.tif", box, HARMONISED, [(0, mask)])
    size = os.path.getsize(folder + "/whole/m.tif")
    ends = [0, 1, 8, 500, 1000, 2000, 10_000, 100_000, size // 2, size - 100_000, size - 1, size, size + 1]
    for end in ends:
        resource.setrlimit(resource.RLIMIT_FSIZE, (end, resource.RLIM_INFINITY))
        try:
            write_mask(folder + f"/{{end}}/m.tif", box, HARMONISED, [(0, mask)])
            assert end >= size, end
        except ResourceError as error:
            assert "m.tif" in str(error) and error.code == "DISK", error
            assert end < size, (end, error)
            assert os.listdir(folder + f"/{{end}}") == [], end
    """
    )
    assert done.returncode == 0, done.stderr


def test_a_full_file_system_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        array = np.random.default_rng(0).integers(1, 11, (1100, 1100), dtype=np.uint8)
        with pytest.raises(ResourceError, match=r"DISK: .*m\.tif: cannot be written \(No space left"):
            write_mask(tmp_path / "m.tif", geobox((1100, 1100)), HARMONISED, [(0, array)])
        assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_killed_writer_leaves_nothing_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    done = run(
        SETUP
        + f"""
    def strips():
        yield 0, mask[:1000]
        os.kill(os.getpid(), signal.SIGKILL)
    write_mask({str(tmp_path / "m.tif")!r}, box, HARMONISED, strips())
    """
    )
    assert done.returncode == -signal.SIGKILL
    assert all(name.startswith(".") for name in os.listdir(tmp_path))
    write_mask(tmp_path / "m.tif", geobox((4, 5)), LEGEND, [(0, classes((4, 5)))])
    assert sorted(os.listdir(tmp_path)) == sorted(["m.tif", *sidecars("m.tif")])


def directories_of(data: bytes) -> list[dict[int, tuple[int, ...]]]:
    """The integer tags of each directory of a classic TIFF, read by the book (TIFF 6.0, section 2)."""
    forms = {3: "H", 4: "I"}
    found, (at,) = [], struct.unpack_from("<I", data, 4)
    while at:
        tags, (count,) = {}, struct.unpack_from("<H", data, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            number, kind, items = struct.unpack_from("<HHI", data, entry)
            if kind in forms:
                form = f"<{items}{forms[kind]}"
                where = entry + 8 if struct.calcsize(form) <= 4 else struct.unpack_from("<I", data, entry + 8)[0]
                tags[number] = struct.unpack_from(form, data, where)
        found.append(tags)
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
    return found
