"""The locked-down environment: no neighbour file, no network, a capped cache, in every thread."""

from __future__ import annotations

import http.server
import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio._env import get_gdal_config

from geoseg.errors import InputRefused
from geoseg.raster.admit import admit, open_admitted
from geoseg.raster.env import GDAL_ERRORS, gdal_env, is_locked


class RangeHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.body
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = body[int(first) : int(last or len(body)) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(part)

    def do_HEAD(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(scene):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler) as server:
        server.asked, server.body = [], scene.read_bytes()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    profile = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", width=32, height=32, count=1, **profile) as dataset:
        dataset.write(np.arange(1024, dtype="uint8").reshape(1, 32, 32))
    return path


def url(server):
    return f"http://127.0.0.1:{server.server_port}/scene.tif"


@pytest.mark.parametrize("prefix", ["", "/vsicurl/", "/vsicurl_streaming/"])
def test_no_url_is_fetched_unasked(server, prefix):
    with gdal_env(), pytest.raises(GDAL_ERRORS):
        rasterio.open(prefix + url(server), driver="GTiff")
    with pytest.raises(InputRefused):
        admit(prefix + url(server))
    assert server.asked == []


def test_a_url_is_read_when_allowed(server, scene):
    remote = admit(url(server), allow_remote=True, pixels=True)
    assert remote.geobox == admit(scene).geobox
    assert set(server.asked) == {"/scene.tif"}, "only the scene is asked for, no neighbours"


def test_an_environment_for_local_files_inside_a_remote_one_is_local(server):
    with gdal_env(allow_remote=True):
        assert is_locked(allow_remote=True)
        assert not is_locked()
        with gdal_env():
            assert is_locked()
            with pytest.raises(GDAL_ERRORS):
                rasterio.open("/vsicurl/" + url(server), driver="GTiff")
    assert not is_locked()
    assert server.asked == []


def test_files_beside_the_scene_change_nothing(scene):
    before = admit(scene, pixels=True)
    scene.with_suffix(".tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    scene.with_name("scene.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/passwd</MDI></Metadata>'
        '<PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    for suffix in (".ovr", ".msk"):
        scene.with_name("scene.tif" + suffix).write_bytes(scene.read_bytes())
    assert admit(scene, pixels=True) == before


def test_the_environment_holds_in_every_thread_that_enters_it():
    seen = {}

    def look(name):
        with gdal_env():
            seen[name] = get_gdal_config("GDAL_DISABLE_READDIR_ON_OPEN")

    threads = [threading.Thread(target=look, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen.values()) == {"EMPTY_DIR"}
    assert get_gdal_config("GDAL_DISABLE_READDIR_ON_OPEN") is None


def test_nothing_of_it_stays_behind(scene):
    names = (
        "GDAL_DISABLE_READDIR_ON_OPEN",
        "GDAL_GEOREF_SOURCES",
        "CPL_VSIL_CURL_ALLOWED_FILENAME",
        "GDAL_NUM_THREADS",
    )
    before = [get_gdal_config(name) for name in names]
    admit(scene)
    assert [get_gdal_config(name) for name in names] == before


def test_a_held_environment_keeps_its_threads_and_cache(scene):
    with gdal_env(cache_mb=64, threads=3), open_admitted(scene, "GTiff"):
        assert get_gdal_config("GDAL_NUM_THREADS") == 3
        assert get_gdal_config("GDAL_CACHEMAX") == 64 << 20  # bytes
