"""Items: valid STAC, every output described, and the same twice."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.legend import HARMONISED, Legend
from geoseg.raster.write import write_mask
from geoseg.report.item import ItemFacts, build_item, write_item

WKT = CRS.from_epsg(32617).to_wkt()
BOX = GeoBox((40, 50), (30, 0, 5e5, 0, -30, 4e6), WKT)
CARD = {
    "properties": {"mlm:name": "landcover", "mlm:architecture": "Unet", "mlm:tasks": ["semantic-segmentation"], "x": 1}
}


def facts(**changes: object) -> ItemFacts:
    known = {
        "run_id": "abc123", "scene": "LC08 2020/07", "geobox": BOX, "legend": HARMONISED,
        "datetime": "2020-07-05T10:30:31.024Z", "inputs": ["B2.tif", "B3.tif"], "software": {"geoseg": "0.1"},
        "digests": {"plan": "ff" * 32}, "model": "landcover@sha256:1234", "card": CARD,
    }  # fmt: skip
    return ItemFacts(**{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mask(tmp_path / "mask.tif", BOX, HARMONISED, [(0, np.ones((40, 50), np.uint8))])
    (tmp_path / "areas.csv").write_text("class_id\n")
    return tmp_path


def test_the_item_meets_the_stac_schema(folder: Path) -> None:
    validation = pytest.importorskip("pystac.validation", reason="pystac is not installed")
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    import pystac

    for item in (build_item(facts(), folder), build_item(facts(datetime=None), folder)):
        validator = validation.stac_validator.JsonSchemaSTACValidator()
        validator.validate_core(item, pystac.STACObjectType.ITEM, "1.1.0")
        assert pystac.Item.from_dict(item).to_dict(include_self_link=False) == json.loads(json.dumps(item))


def test_every_file_that_is_there_or_will_be_is_an_asset(folder: Path) -> None:
    item = build_item(facts(), folder, pending=["run.json", "report.html"])
    assert set(item["assets"]) == {"mask", "areas", "style", "names", "table", "table_encoding", "run", "report"}
    mask = item["assets"]["mask"]
    data = (folder / "mask.tif").read_bytes()
    assert (mask["href"], mask["roles"]) == ("./mask.tif", ["data"])
    assert mask["file:size"] == len(data)
    assert mask["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
    assert "file:checksum" not in item["assets"]["run"], "its bytes hold timings"
    assert mask["bands"][0] | {"data_type": "uint8", "nodata": 0, "raster:spatial_resolution": 30} == mask["bands"][0]
    classes = mask["classification:classes"]
    assert Legend.from_stac(classes[:-1]) == HARMONISED
    assert classes[-1]["nodata"] is True


def test_projection_and_model_are_told(folder: Path) -> None:
    found = build_item(facts(), folder)["properties"]
    assert (found["proj:code"], found["proj:shape"]) == ("EPSG:32617", [40, 50])
    assert found["proj:transform"] == [30, 0, 5e5, 0, -30, 4e6]
    assert found["proj:bbox"] == [5e5, 4e6 - 1200, 5e5 + 1500, 4e6]
    assert found["mlm:architecture"] == "Unet"
    assert "x" not in found
    assert found["geoseg:plan_digest"] == "ff" * 32


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2020-07-05T10:30:31.024Z", "2020-07-05T10:30:31.024000Z"),
        ("2020-07-05T12:00:00+02:00", "2020-07-05T10:00:00Z"),
        ("2020-07-05", "2020-07-05T00:00:00Z"),
        (None, None),
        ("last summer", None),
    ],
)
def test_times_are_utc_and_an_unknown_one_is_a_range(folder: Path, given: str | None, expected: str | None) -> None:
    found = build_item(facts(datetime=given), folder)["properties"]
    assert found["datetime"] == expected
    assert ("start_datetime" in found) == (expected is None)


def test_classes_with_any_name_have_names_that_stac_allows() -> None:
    for item in Legend.of(["Fläche <b>", "水", "a b"]).to_stac():
        assert all(c.isascii() and (c.isalnum() or c in "-_") for c in item["name"])


def test_equal_runs_give_equal_items(folder: Path, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        write_item(tmp_path / name, build_item(facts(), folder))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert str(tmp_path) not in (tmp_path / "one.json").read_text()


def test_a_grid_without_a_code_has_its_wkt(folder: Path) -> None:
    wkt = CRS.from_proj4("+proj=laea +lat_0=7.3 +lon_0=20.1 +datum=WGS84 +units=m").to_wkt()
    found = build_item(facts(geobox=GeoBox((40, 50), BOX.transform, wkt)), folder)["properties"]
    assert found["proj:code"] is None
    assert found["proj:wkt2"].startswith("PROJCRS")
