"""What may be opened at all: each refusal has its code, and what passes is described as it is."""

from __future__ import annotations

import os
import pickle
import struct
import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from geoseg.errors import InputRefused, UsageError
from geoseg.raster.admit import admit, open_admitted
from geoseg.raster.decode import decode

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write(path, pixels=None, *, tags=None, ns=None, **profile):
    pixels = np.arange(64, dtype="uint8").reshape(1, 8, 8) if pixels is None else pixels
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": NORTH_UP, "dtype": pixels.dtype} | profile
    count, height, width = pixels.shape
    if os.path.exists(path):
        os.unlink(path)
    with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as dataset:
        dataset.write(pixels)
        if tags:
            dataset.update_tags(ns=ns, **tags)
    return path


def declare(path, side, tile, **profile):
    """A sparse scene: all pixels declared, none stored."""
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": NORTH_UP, "dtype": "uint8", "count": 1} | profile
    layout = {"tiled": True, "blockxsize": tile, "blockysize": tile, "SPARSE_OK": True}
    rasterio.open(path, "w", width=side, height=side, **layout, **profile).close()
    return path


def code(path, **how):
    with pytest.raises(InputRefused) as caught:
        admit(path, **how)
    assert str(path) in str(caught.value) or "\0" in str(path)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value.alone()))) == str(caught.value)
    return caught.value.code


def test_a_plain_geotiff_is_described(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((2, 8, 5), "int16"), nodata=-1, compress="lzw")
    admitted = admit(path, pixels=True)
    assert (admitted.driver, admitted.shape, admitted.count, admitted.dtypes) == ("GTiff", (8, 5), 2, ("int16",) * 2)
    assert admitted.geobox.transform == tuple(NORTH_UP)[:6]
    assert (admitted.nodata, admitted.compression, admitted.decoded.share) == ((-1, -1), "LZW", 1)
    assert admitted.size == path.stat().st_size
    assert pickle.loads(pickle.dumps(admitted)) == admitted


@pytest.mark.parametrize(
    "profile", [{"BIGTIFF": "YES"}, {"driver": "COG"}, {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES"}]
)
def test_the_format_is_told_by_the_bytes_not_by_the_name(tmp_path, profile):
    path = write(tmp_path / "a.jp2", **profile)
    renamed = path.rename(tmp_path / "picture.png")
    assert admit(renamed, pixels=True).driver == ("JP2OpenJPEG" if "REVERSIBLE" in profile else "GTiff")


def test_other_formats_are_refused(tmp_path):
    for driver in ("PNG", "ENVI", "VRT"):
        path = tmp_path / f"{driver}.tif"
        if driver == "VRT":
            source = write(tmp_path / "source.tif")
            path.write_text(f"<VRTDataset rasterXSize='8' rasterYSize='8'><SourceFilename>{source}</SourceFilename>")
        else:
            write(path, driver=driver)
        assert code(path) == "FORMAT"


@pytest.mark.parametrize(
    "name",
    [
        "", "a\0.tif", "GTIFF_DIR:1:a.tif", "GTIFF_RAW:a.tif", "NETCDF:a.nc:v", "zip://a.zip!a.tif", "file:///etc/passwd",
        "/vsizip/a.zip/a.tif", "/vsistdin/", "/vsimem/a.tif", "/vsisubfile/0_9,a.tif", "/VSIZIP/a.zip", "gs://b/a.tif",
        "ftp://h/a.tif", "/vsigs/b/a.tif", "/vsitar//vsicurl/http://h/a.tar",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow_remote", [False, True])
def test_gdals_other_ways_to_name_things_are_refused(name, allow_remote):
    with pytest.raises(InputRefused) as caught:
        admit(name, allow_remote=allow_remote)
    assert caught.value.code == "PATH"


@pytest.mark.parametrize(
    "name", ["http://h/a.tif", "HTTPS://h/a.tif", "s3://b/a.tif", "/vsicurl/http://h/a.tif", "/vsis3/b/a"]
)
def test_a_url_needs_leave(name):
    assert code(name) == "REMOTE"


def test_what_is_no_file_is_not_opened(tmp_path):
    assert code(tmp_path / "nothing.tif") == "NOT_FOUND"
    assert code(tmp_path) == "NOT_A_FILE"
    os.mkfifo(tmp_path / "fifo.tif")
    assert code(tmp_path / "fifo.tif") == "NOT_A_FILE"
    assert code("/dev/zero") == "NOT_A_FILE"
    (tmp_path / "empty.tif").touch()
    assert code(tmp_path / "empty.tif") == "EMPTY_FILE"
    assert code(tmp_path / ("x" * 5000)) == "PATH"


@pytest.mark.parametrize(
    "name", ["what?.tif", "a#b.tif", "GTIFF_DIR:1:x.tif", "http:a.tif", "a b%20c.tif", "ß.tif", "-.tif"]
)
def test_an_odd_name_of_a_real_file_is_just_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.rename(write("plain.tif"), name)
    assert admit(name, pixels=True).shape == (8, 8)


@pytest.mark.parametrize(
    ("ns", "tags"),
    [
        ("OVERVIEWS", {"OVERVIEW_FILE": "/etc/passwd"}),
        ("OVERVIEWS", {"OVERVIEW_FILE": ":::BASE:::other.tif"}),
        ("GEOLOCATION", {"X_DATASET": "/vsicurl/http://h/x.tif", "X_BAND": "1"}),
        ("GEOLOCATION", {"Y_DATASET": "y.tif"}),
    ],
)
@pytest.mark.parametrize("jp2", [False, True])
def test_metadata_that_name_another_file_are_refused(tmp_path, ns, tags, jp2):
    if jp2:
        path = write(tmp_path / "a.jp2", driver="JP2OpenJPEG")
        items = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in tags.items())
        xml = f'<GDALMultiDomainMetadata><Metadata domain="{ns}">{items}</Metadata></GDALMultiDomainMetadata>'.encode()
        data = path.read_bytes()
        at = data.index(b"jp2c") - 4
        path.write_bytes(data[:at] + struct.pack(">I4s", 8 + len(xml), b"xml ") + xml + data[at:])
    else:
        path = write(tmp_path / "a.tif", tags=tags, ns=ns)
    with rasterio.open(path) as dataset:
        assert tags.items() <= dataset.tags(ns=ns).items(), "GDAL would see it"
    assert code(path) == "EXTERNAL_REF"


def test_an_escaped_name_of_another_file_is_seen(tmp_path):
    path = write(tmp_path / "a.tif", tags={"OVERVIEW_FILE": "x" * 30}, ns="OVERVIEWS")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"OVERVIEW_FILE", b"OVERVIEW&#95;FILE").replace(b"xxxx", b"", 1))
    with rasterio.open(path) as dataset:
        assert "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS")
    assert code(path) == "EXTERNAL_REF"


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_are_refused(tmp_path, dtype):
    assert code(write(tmp_path / "a.tif", np.ones((1, 4, 4), dtype))) == "DTYPE"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_grid_is_needed(tmp_path):
    path = tmp_path / "a.tif"
    assert code(write(path, transform=None)) == "NO_GEOTRANSFORM"
    gcps = [GroundControlPoint(0, 0, 10, 50), GroundControlPoint(8, 8, 11, 49), GroundControlPoint(0, 8, 11, 50)]
    assert code(write(path, transform=None, gcps=gcps)) == "GCP_ONLY"
    assert code(write(path, transform=Affine(10, 10, 5e5, 10, 10, 5e6))) == "BAD_GEOTRANSFORM"
    assert code(write(path, transform=Affine(float("nan"), 0, 5e5, 0, -10, 5e6))) in (
        "BAD_GEOTRANSFORM",
        "NO_GEOTRANSFORM",
    )


def test_a_crs_is_needed_and_never_guessed(tmp_path):
    path = write(tmp_path / "a.tif", crs=None)
    assert code(path) == "NO_CRS"
    assert "32633" in admit(path, assume_crs="EPSG:32633").geobox.crs
    with pytest.raises(UsageError):
        admit(path, assume_crs="EPSG:nonsense")
    tagged = write(tmp_path / "b.tif")
    assert admit(tagged, assume_crs="EPSG:4326").geobox == admit(tagged).geobox


def test_only_places_on_earth(tmp_path):
    path = tmp_path / "a.tif"
    assert code(write(path, crs='LOCAL_CS["plan",UNIT["metre",1]]')) == "CRS_KIND"
    assert code(write(path, crs="EPSG:4978")) == "CRS_KIND"
    assert code(write(path, crs="+proj=eqc +R=1737400 +units=m")) == "CRS_BODY"
    assert code(write(path, crs="EPSG:4326", transform=NORTH_UP)) == "EXTENT"
    assert code(write(path, transform=Affine(1e9, 0, 1e12, 0, -1e9, 1e12))) == "EXTENT"
    world = Affine(45, 0, -180, 0, -22.5, 90)
    assert admit(write(path, crs="EPSG:4326", transform=world)).geobox.bounds == (-180, -90, 180, 90)
    assert admit(write(path, transform=Affine(10, 3, 5e5, 3, -10, 5e6))).shape == (8, 8), "rotated is a grid"


def test_a_palette_is_a_mask_and_no_scene(tmp_path):
    path = write(tmp_path / "a.tif", photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255)})
        assert dataset.colorinterp == (ColorInterp.palette,)
    assert code(path) == "PALETTE"
    assert admit(path, palette_ok=True).colours == ("palette",)


@pytest.mark.parametrize("cut", [1, 1000, 30_000])
@pytest.mark.parametrize("profile", [{}, {"compress": "deflate", "tiled": True}])
def test_a_truncated_file_is_found(tmp_path, cut, profile):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 200, 200), "uint8")
    path = write(tmp_path / "a.tif", pixels, **profile)
    os.truncate(path, path.stat().st_size - cut)
    assert code(path, pixels=True) in ("READ", "OPEN")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = declare(tmp_path / "a.jp2", 60_000, 1024)
    assert admit(path).shape == (60_000, 60_000)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\0" * 1000)])  # the tiles' index cut off
    assert code(path) in ("BOMB", "OPEN")


def test_a_large_sparse_scene_is_no_bomb(tmp_path):
    admitted = admit(declare(tmp_path / "a.tif", 32_768, 512, dtype="uint16", count=4), pixels=True)
    assert 0 < admitted.decoded.share < 0.05


def test_a_block_too_large_for_memory_is_refused(tmp_path):
    assert code(declare(tmp_path / "a.tif", 16_384, 16_384)) == "TOO_BIG"


def test_too_many_bands_are_refused_from_the_tag(tmp_path):
    path = write(tmp_path / "a.tif")
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHI", 277, 3, 1))
    data[at + 8 : at + 10] = struct.pack("<H", 5000)
    path.write_bytes(data)
    assert code(path) == "TOO_BIG"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_never_cause_more_than_a_refusal(tmp_path, data):
    big = data.draw(st.booleans())
    path = write(tmp_path / "a.tif", compress="deflate", BIGTIFF="YES" if big else "NO", tags={"OVERVIEW": "x"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        admit(path, pixels=True)
    except InputRefused as error:
        assert "\n" not in str(error)


def test_errors_in_a_block_of_the_caller_stay_the_callers(tmp_path):
    path = write(tmp_path / "a.tif")
    with pytest.raises(OSError, match="disk full"), open_admitted(path, "GTiff"):
        raise OSError(28, "disk full")


def test_admit_works_in_threads(tmp_path):
    path, found = write(tmp_path / "a.tif"), []
    threads = [threading.Thread(target=lambda: found.append(admit(path, pixels=True))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [admit(path, pixels=True)] * 8


def test_the_collar_is_the_zeros_that_touch_a_side(tmp_path):
    pixels = np.ones((2, 10, 10), "uint8")
    pixels[:, 0] = 0
    pixels[:, 5, :3] = 0
    pixels[:, 7, 4] = 0
    pixels[0, 9] = 0
    path = write(tmp_path / "a.tif", pixels)
    with open_admitted(path, "GTiff") as dataset:
        assert decode(dataset).collar == 13 / 100


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("budget", [1, 100_000, 10**9])
def test_the_share_decoded_is_what_the_budget_allows(tmp_path, tiled, budget):
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256} if tiled else {}
    path = write(tmp_path / "a.tif", np.ones((3, 700, 400), "uint16"), **layout)
    with open_admitted(path, "GTiff") as dataset:
        share = decode(dataset, budget=budget).share
    assert 0 < share <= 1
    assert budget < 10**9 or share == 1
