"""Scenes are found by paths, patterns, tables and catalogs, in order of time, and never outside of what is allowed."""

import json
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import GeosegError, InputRefused, UsageError
from geoseg.pipeline.paths import Paths
from geoseg.pipeline.scenes import SceneEntry, find_scenes
from geoseg.pipeline.settings import Pipeline, Scenes


def _find(folder: Path, *, roots: tuple[Path, ...] | None = None, **values: Any) -> tuple[SceneEntry, ...]:
    return find_scenes(Scenes.of(**values), Paths(folder, roots))


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_patterns_are_in_order_of_time_whatever_their_names(tmp_path: Path) -> None:
    _touch(tmp_path, "a/z_20200101.tif", "a/b_2020-03-01.tif", "a/deep/c_20200201.tif", "a/x.txt")
    found = _find(tmp_path, glob="a/**/*.tif")
    assert [entry.name for entry in found] == ["z_20200101", "c_20200201", "b_2020-03-01"]
    assert found[0].date == datetime(2020, 1, 1, tzinfo=UTC) and found[0].files == (str(tmp_path / "a/z_20200101.tif"),)


@pytest.mark.parametrize(
    ("name", "pattern", "date"),
    [
        ("LC08_224078_20200518", None, "2020-05-18"), ("1985", None, "1985-01-01"), ("T32_2020_05_18", None, "2020-05-18"),
        ("123456789012", None, None), ("x20201340", None, None), ("s_18052020_x", "%d%m%Y", "2020-05-18"),
        ("y20139", "%y%j", "2020-05-18"), ("y99999", "%y%j", None), ("a_b", "%Y%m%d", None),
    ],
)  # fmt: skip
def test_dates_stand_in_names(tmp_path: Path, name: str, pattern: str | None, date: str | None) -> None:
    _touch(tmp_path, f"{name}.tif")
    (entry,) = _find(tmp_path, paths=(f"{name}.tif",), date=pattern)
    assert (entry.date and entry.date.date().isoformat()) == date


def test_since_until_and_last_choose_by_date_with_both_ends(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"s_2020{month:02d}15.tif" for month in range(1, 13)))

    def months(**values: Any) -> list[int]:
        return [entry.date.month for entry in _find(tmp_path, glob="*.tif", **values) if entry.date]

    assert months(since="2020-03", until="2020-05-15") == [3, 4, 5]
    assert months(last=2) == [11, 12] and months(since="2020") == list(range(1, 13))
    with pytest.raises(InputRefused, match="SCENES"):
        months(since="2021")
    _touch(tmp_path, "undated.tif")
    with pytest.raises(UsageError, match="DATES: undated"):
        months(last=1)


def test_a_scene_of_several_files_and_scenes_called_by_their_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "a/red.tif", "a/nir.tif", "b/red.tif", "b/nir.tif")
    groups = (("a/red.tif", "a/nir.tif"), ("b/red.tif", "b/nir.tif"))
    found = _find(tmp_path, paths=groups, name="folder")
    assert [(entry.name, len(entry.files)) for entry in found] == [("a", 2), ("b", 2)]
    with pytest.raises(InputRefused, match=r"have one name.*name: folder"):
        _find(tmp_path, paths=groups)


def test_a_table_names_paths_dates_and_whatever_else(tmp_path: Path) -> None:
    rows = "path,date,tile,name\n../a.tif;../b.tif,2020-05-18T10:30:00+02:00,T32,one\n../c.tif,2019,T33,\n"
    _touch(tmp_path, "a.tif", "b.tif", "c.tif", "lists/scenes.csv")
    (tmp_path / "lists/scenes.csv").write_text(rows)
    two, one = _find(tmp_path, table="lists/scenes.csv")
    assert (two.name, two.date) == ("c", datetime(2019, 1, 1, tzinfo=UTC))
    assert [Path(file).resolve() for file in one.files] == [tmp_path / "a.tif", tmp_path / "b.tif"]
    assert one.properties == {"tile": "T32"}
    assert one.date == datetime(2020, 5, 18, 8, 30, tzinfo=UTC)


def test_a_geoparquet_table_is_read_without_its_geometry(tmp_path: Path) -> None:
    import geopandas
    import pandas
    from shapely import Point

    _touch(tmp_path, "a.tif")
    columns = {"path": ["a.tif"], "date": [pandas.Timestamp("2020-05-18")], "cloud": [3.5]}
    geopandas.GeoDataFrame(columns, geometry=[Point(0, 0)], crs="EPSG:4326").to_parquet(tmp_path / "s.parquet")
    (entry,) = _find(tmp_path, table="s.parquet")
    assert entry.properties == {"cloud": "3.5"} and entry.date == datetime(2020, 5, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.csv", "file\na.tif\n", "no column path"), ("s.csv", "path\n\n,\n", "row 1 has no path|no scene"),
        ("s.csv", "path,date\na.tif,May\n", "'May' is no date"), ("s.txt", "path\n", "neither CSV nor GeoParquet"),
        ("s.parquet", "nonsense", "no Parquet"), ("s.csv", "path\n", "no scene is there"),
        ("s.csv", 'path\n"a', "no CSV"), ("none.csv", None, "No such file"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_told_in_one_line(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputRefused, match=said) as refused:
        _find(tmp_path, table=name)
    assert "\n" not in str(refused.value)


def _item(folder: Path, name: str, assets: dict[str, Any], **properties: Any) -> Path:
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
        "properties": {"datetime": "2020-05-18T10:30:00Z", **properties}, "assets": assets,
    }  # fmt: skip
    (folder / name).mkdir(parents=True)
    path = folder / name / f"{name}.json"
    path.write_text(json.dumps(item))
    return path


def _catalog(folder: Path, *links: tuple[str, str]) -> Path:
    told = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d"}
    folder.mkdir(exist_ok=True)
    (folder / "catalog.json").write_text(json.dumps({**told, "links": [{"rel": r, "href": h} for r, h in links]}))
    return folder


def _asset(href: str, **more: Any) -> dict[str, Any]:
    return {"href": href, "type": "image/tiff; application=geotiff; profile=cloud-optimized", **more}


def test_a_local_catalog_gives_items_with_assets_dates_and_properties(tmp_path: Path) -> None:
    top = _catalog(tmp_path / "c", ("item", "./one/one.json"), ("child", "./sub/catalog.json"))
    _catalog(top / "sub", ("item", "./two/two.json"))
    bands = {"red": _asset("./red.tif"), "nir": _asset("./nir.tif"), "look": {"href": "./x.png", "type": "image/png"}}
    _item(top, "one", bands, **{"eo:cloud_cover": 3})
    _item(top / "sub", "two", {"data": _asset("../two.tif", roles=["data"]), "mask": _asset("m.tif", roles=["mask"])})
    one, two = _find(tmp_path, catalog="c")
    assert one.files == (str(top / "one/red.tif"), str(top / "one/nir.tif")) and one.bands == ("red", "nir")
    assert one.properties["eo_cloud_cover"] == "3" and one.date == datetime(2020, 5, 18, 10, 30, tzinfo=UTC)
    assert two.files == (str(top / "sub/two.tif"),) and two.bands is None
    (nir,) = _find(tmp_path, catalog="c/one/one.json", assets=("nir",))
    assert nir.files == (str(top / "one/nir.tif"),)


def test_an_item_among_paths_is_its_own_files_with_what_it_tells_of_them(tmp_path: Path) -> None:
    bands = {"red": _asset("./red.tif"), "nir": _asset("./nir.tif")}
    path = _item(tmp_path / "c", "one", bands, **{"eo:cloud_cover": 3})
    _touch(tmp_path, "s_20200101.tif")
    _, one = _find(tmp_path, paths=("s_20200101.tif", "c/one/one.json"))
    assert one == _find(tmp_path, catalog="c/one/one.json")[0] and one.name == "one" and one.date is not None
    file = tmp_path / "p.yaml"
    file.write_text("name: n\nbundle: b\nscenes: {catalog: c, assets: [nir]}\nsteps: [{step: segment}]\n")
    watched = Pipeline.read(file).with_scenes([str(path)])  # as a service gives it
    assert watched.scenes is not None
    (nir,) = find_scenes(watched.scenes, watched.paths)
    assert nir.files == (str(tmp_path / "c/one/nir.tif"),) and nir.properties == one.properties
    with pytest.raises(InputRefused, match="ROOT"):
        _find(tmp_path / "c", roots=(tmp_path / "c/two",), paths=("one/one.json",))


@pytest.mark.parametrize(
    ("assets", "said"),
    [
        ({"a": _asset("https://example.org/a.tif")}, "allow_remote"),
        ({"a": _asset("ftp://example.org/a.tif")}, "leaves this disk"),
        ({"a": _asset("file://example.org/a.tif")}, "leaves this disk"), ({"a": _asset("/etc/hostname")}, "ROOT"),
        ({"a": _asset("../../../x.tif")}, "ROOT"), ({"a": {"href": "x.png", "type": "image/png"}}, "no asset that is a raster"),
    ],
)  # fmt: skip
def test_assets_that_may_not_be_read_are_refused(tmp_path: Path, assets: dict[str, Any], said: str) -> None:
    top = _catalog(tmp_path / "jobs", ("item", "./one/one.json"))
    _item(top, "one", assets)
    with pytest.raises(GeosegError, match=said):
        _find(top, catalog=".", roots=(top,))


@pytest.mark.parametrize("href", ["http://127.0.0.1:9/item.json", "../outside.json", "/etc/hostname", "./none.json"])
def test_a_catalog_leads_neither_to_the_network_nor_outside(tmp_path: Path, href: str) -> None:
    top = _catalog(tmp_path / "jobs", ("item", href))
    (tmp_path / "outside.json").write_text("{}")
    with pytest.raises(GeosegError) as refused:
        _find(top, catalog=".", roots=(top,))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type": "Catalog"}', "nonsense"])
def test_what_is_no_catalog_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "catalog.json").write_text(text)
    with pytest.raises(InputRefused, match=r"^S[^\n]+$"):
        _find(tmp_path, catalog=".")


def test_a_catalog_that_is_its_own_child_ends(tmp_path: Path) -> None:
    _catalog(tmp_path, ("child", "./catalog.json"))
    with pytest.raises(InputRefused):
        _find(tmp_path, catalog=".")


def test_a_glob_that_leads_outside_is_refused(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    _touch(tmp_path, "secret.tif", "jobs/a.tif")
    with pytest.raises(InputRefused, match="ROOT"):
        _find(jobs, glob="../*.tif", roots=(jobs,))


def test_a_run_does_not_take_its_own_outputs_for_scenes(tmp_path: Path) -> None:
    _touch(tmp_path, "a_20200101.tif", "out/segment/a_20200101/mask.tif")
    scenes = Scenes.of(glob="**/*.tif")
    assert [entry.name for entry in find_scenes(scenes, Paths(tmp_path), out=tmp_path / "out")] == ["a_20200101"]


class _Api(BaseHTTPRequestHandler):
    """A STAC API with one item, which lies elsewhere on the network."""

    def _send(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/geo+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        home = f"http://{self.headers['Host']}"
        search = {"rel": "search", "href": f"{home}/search", "type": "application/geo+json", "method": "POST"}
        links = [{"rel": "self", "href": home}, {"rel": "root", "href": home}, search]
        conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
        told = {"type": "Catalog", "id": "api", "description": "d", "stac_version": "1.0.0"}
        self._send({**told, "conformsTo": conforms, "links": links})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": f"of-{asked['collections'][0]}", "geometry": None, "links": [],
            "properties": {"datetime": "2020-05-18T10:30:00Z"}, "assets": {"data": _asset("https://example.org/a.tif")},
        }  # fmt: skip
        self._send({"type": "FeatureCollection", "features": [item], "links": []})

    def log_message(self, *args: Any) -> None:
        pass


def test_a_search_in_an_api_gives_its_items(tmp_path: Path) -> None:
    pytest.importorskip("pystac_client", reason="the extra stac is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        api = {"url": f"http://127.0.0.1:{server.server_port}", "collections": ("s2",)}
        (entry,) = _find(tmp_path, api=api, allow_remote=True)
    finally:
        server.shutdown()
        server.server_close()
    assert (entry.name, entry.files) == ("of-s2", ("https://example.org/a.tif",))
    with pytest.raises(InputRefused, match=r"^STAC: http://127.0.0.1:\d+: does not answer[^\n]*$"):
        _find(tmp_path, api=api, allow_remote=True)


def test_without_the_extra_an_api_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pystac_client", None)
    with pytest.raises(UsageError, match=r"geoseg\[stac\]"):
        _find(tmp_path, api={"url": "http://127.0.0.1:9", "collections": ("a",)}, allow_remote=True)
