import http.client
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from geoseg.errors import Conflict, UsageError
from geoseg.raster.georef import lonlat
from geoseg.raster.mercator import map_bounds
from geoseg.view.found import find_run
from geoseg.view.server import MapServer
from tests.helpers.mapped import LEGEND, PLACES, UTM, make_change, make_run, tile_at
from tests.helpers.vectortiles import read_tile as read_vector_tile


@contextmanager
def served(run: Path) -> Iterator[MapServer]:
    server = MapServer(find_run(run), "127.0.0.1:0")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MapServer]:
    with served(make_run(tmp_path / "run")) as server:
        yield server


def ask(server: MapServer, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request with the token, but for what ``headers`` say (empty: left out)."""
    given = {"Host": f"127.0.0.1:{server.port}", "Authorization": f"Bearer {server.token}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, value in given.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def picture(server: MapServer, path: str) -> NDArray[np.uint8]:
    code, headers, body = ask(server, path)
    assert code == 200 and headers["Content-Type"] == "image/png", body
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))


def middle(server: MapServer, more: int = 0) -> str:
    west, south, east, north = map_bounds(server.found.geobox)
    tile = tile_at((west + east) / 2, (south + north) / 2, server.tiles.zoom + more)
    return "/".join(map(str, tile))


def colours(seen: NDArray[np.uint8]) -> set[tuple[int, ...]]:
    return {tuple(int(part) for part in colour) for colour in np.unique(seen[seen[..., 3] > 0], axis=0)}


def json_of(server: MapServer, path: str) -> Any:
    code, _, body = ask(server, path)
    assert code == 200, body
    return json.loads(body)


def test_the_page_learns_what_there_is(server: MapServer, tmp_path: Path) -> None:
    found = json_of(server, "/api/run")
    assert [layer["key"] for layer in found["layers"]] == ["scene", "confidence", "mask"]
    assert [item["name"] for item in found["legend"]] == list(LEGEND.names.values())
    assert found["polygons"]["n"] == 3 and found["polygons"]["min_zoom"] == 0
    assert str(tmp_path) not in json.dumps(found)


def test_tiles_have_the_legends_colours_and_leave_out_what_is_hidden(server: MapServer) -> None:
    water, tree = (0, 0, 255, 255), (0, 160, 0, 255)
    assert colours(picture(server, f"/tile/mask/{middle(server)}")) == {water, tree}
    assert colours(picture(server, f"/tile/mask/{middle(server)}?hide=1")) == {tree}
    assert colours(picture(server, f"/tile/mask/{middle(server)}?hide=1,2,900")) == set()
    assert not picture(server, "/tile/mask/1/0/1").any()
    assert len(colours(picture(server, f"/tile/confidence/{middle(server)}"))) == 2


def test_a_scene_is_drawn_with_its_contrast(server: MapServer) -> None:
    seen = [picture(server, f"/tile/scene/{middle(server)}?stretch={name}&bands=true") for name in ("normal", "full")]
    for one in seen:
        there = one[..., 3] > 0
        assert there.mean() > 0.03
        col = np.nonzero(there.any(axis=0))[0]
        red = [one[..., 0][there[:, at], at].mean() for at in (col[0], col[-1])]
        assert red[0] + 20 < red[1]  # red grows to the right
    assert (seen[0] != seen[1]).any()
    assert ask(server, f"/tile/scene/{middle(server)}?stretch=other")[0] == 400
    assert ask(server, f"/tile/scene/{middle(server)}?bands=../../etc/passwd")[0] == 200  # the first composite


def test_polygons_come_as_vector_tiles(server: MapServer) -> None:
    code, headers, body = ask(server, f"/polygons/{middle(server)}")
    assert code == 200 and headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert {attributes["class_id"] for attributes, _ in read_vector_tile(body)} == {1, 2}
    assert ask(server, "/polygons/1/0/1")[0] == 200


def test_a_place_tells_its_values_and_its_polygon(server: MapServer) -> None:
    ((lon, lat),) = lonlat(UTM, [(24.5, 62.5)])
    found = json_of(server, f"/api/at?lon={lon}&lat={lat}&zoom=12")
    assert dict(found["values"])["Class map"] == "water" and dict(found["values"])["Confidence"] == "40 %"
    assert "red" in dict(found["values"])["Scene"]
    assert found["polygon"]["class_name"] == "water" and found["polygon"]["area_ha"] == pytest.approx(1, rel=0.01)
    assert found["outline"]["geometry"]["type"] == "MultiPolygon"
    assert json_of(server, f"/api/at?lon={lon + 360}&lat={lat}&zoom=12")["polygon"] == found["polygon"]
    nothing = json_of(server, "/api/at?lon=0&lat=-89.9&zoom=0")
    assert nothing == {"values": [], "polygon": None, "outline": None}


def test_a_change_has_three_layers_and_two_legends(tmp_path: Path) -> None:
    with served(make_change(tmp_path / "run")) as server:
        at = middle(server)
        assert colours(picture(server, f"/tile/before/{at}")) == {(0, 0, 255, 255), (0, 160, 0, 255)}
        assert colours(picture(server, f"/tile/change/{at}")) == {(0, 128, 51, 255)}  # four parts tree, one water
        assert colours(picture(server, f"/tile/change/{at}?from=1")) == set()
        assert colours(picture(server, f"/tile/change/{at}?hide=2")) == set()
        assert colours(picture(server, f"/tile/change/{at}?hide=1&from=2")) == {(0, 128, 51, 255)}
        assert colours(picture(server, f"/tile/before/{at}?from=1")) == {(0, 160, 0, 255)}
        ((lon, lat),) = lonlat(UTM, [(37.5, 15.5)])
        found = json_of(server, f"/api/at?lon={lon}&lat={lat}&zoom=12")
        assert found["polygon"]["from_name"] == "water" and found["polygon"]["to_name"] == LEGEND.names[2]
        assert dict(found["values"])["Change"] == f"water → {LEGEND.names[2]}"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": ""}, 401), ({"Authorization": "Bearer x"}, 401), ({"Authorization": "Bearer \xfc"}, 401),
        ({"Host": "evil.example"}, 421), ({"Host": "127.0.0.1"}, 421), ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403), ({"Sec_Fetch_Site": "cross-site"}, 403), ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)  # fmt: skip
def test_others_see_nothing(server: MapServer, headers: dict[str, str], code: int) -> None:
    for path in (
        "/api/run",
        "/api/at?lon=9&lat=48&zoom=9",
        f"/tile/mask/{middle(server)}",
        f"/polygons/{middle(server)}",
    ):
        found, _, body = ask(server, path, **headers)
        assert found == code and b"water" not in body and b"PNG" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/../run.json", "/run.json", "/mask.tif", "/map.html", "/maplibre/LICENSE.txt", "/..%2f..%2fetc%2fpasswd", "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd", "/maplibre-gl.mjs/../../server.py", "/map.js%00.html", "/tile/../run.json",
        "/tile/..%2f..%2frun.json/1/0/0", "/tile/mask.tif/1/0/0", "/tile/none/1/0/0", "/tile/mask/1/0/0/0", "/tile/mask/-1/0/0",
        "/tile/mask/99/0/0", "/tile/mask/3/8/0", "/tile/mask/3/0/8", "/tile/mask/999999999999/0/0", "/tile/mask/22/99999999/0",
        "/tile/mask/1/0/999999999999999999999", "/tile/mask/1/0/0.png", "/tile/mask/1/0/%D9%A1", "/tile/mask/1e1/0/0",
        "/polygons/24/0/0", "/polygons/1/2/0", "/tile//1/0/0", "/api/", "/api/run/x", "http://evil.example/api/run",
    ],
)  # fmt: skip
def test_nothing_else_is_there(server: MapServer, path: str) -> None:
    code, _, body = ask(server, path)
    assert code in (400, 404, 421), body[:200]
    assert b"water" not in body and b"root:" not in body


@pytest.mark.parametrize(
    "query",
    [
        "hide=x", "hide=-1", "hide=1,,2", "hide=999999", "hide=" + "1," * 5000 + "1", "from=1;2", "hide=%D9%A1", "stretch=",
    ],
)  # fmt: skip
def test_odd_numbers_are_refused(server: MapServer, query: str) -> None:
    code, _, _ = ask(server, f"/tile/mask/{middle(server)}?{query}")
    assert code == 400


def test_odd_places_are_refused(server: MapServer) -> None:
    for query in (
        "",
        "lon=1&lat=2",
        "lon=nan&lat=2&zoom=1",
        "lon=1&lat=91&zoom=1",
        "lon=1e9&lat=2&zoom=1",
        "lon=1&lat=2&zoom=x",
    ):
        assert ask(server, f"/api/at?{query}")[0] == 400, query


def test_only_get_is_answered(server: MapServer) -> None:
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for path in ("/", "/api/run", f"/tile/mask/{middle(server)}"):
            assert ask(server, path, method)[0] == 405, (method, path)


def test_every_answer_is_closed_to_others(server: MapServer) -> None:
    static = ("/", "/map.js", "/maplibre-gl.mjs", "/maplibre-gl-worker.mjs?v=6")
    for path in (*static, "/api/run", "/none", f"/tile/mask/{middle(server)}"):
        _, headers, _ = ask(server, path, **({"Authorization": ""} if path in static else {}))
        policy = headers["Content-Security-Policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "blob:" not in policy and "http" not in policy
        )
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers and "ornado" not in headers["Server"]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_on_earth_has_a_map(tmp_path: Path, place: str) -> None:
    with served(make_run(tmp_path / "run", PLACES[place])) as server:
        assert colours(picture(server, f"/tile/mask/{middle(server)}"))
        assert picture(server, f"/tile/scene/{middle(server)}")[..., 3].any()
        assert not server.notes or place in ("round the pole", "the whole world")


def test_a_map_of_a_mask_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scene=False, leave_out=("confidence.tif", "polygons.gpkg"))
    with served(run) as server:
        assert json_of(server, "/api/run")["polygons"] is None and len(server.notes) == 2
        assert ask(server, "/polygons/0/0/0")[0] == 404
        assert colours(picture(server, f"/tile/mask/{middle(server)}"))


def test_a_file_that_goes_while_it_is_shown_is_said(server: MapServer, tmp_path: Path) -> None:
    picture(server, f"/tile/mask/{middle(server)}")
    (tmp_path / "run" / "mask.tif").unlink()
    code, _, body = ask(server, f"/tile/mask/{middle(server, 2)}")
    assert code == 404 and b"error" in body
    picture(server, f"/tile/mask/{middle(server)}")  # what was seen is still known


def test_a_port_that_is_taken_and_an_address_of_others_are_refused(server: MapServer, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="--port"):
        MapServer(server.found, f"127.0.0.1:{server.port}").start()
    with pytest.raises(UsageError):
        MapServer(server.found, "0.0.0.0:0")
