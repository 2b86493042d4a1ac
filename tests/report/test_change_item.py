"""Items of a change: valid STAC, both dates told, every output described, and the same twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.write import write_mask
from geoseg.report.change_item import build_change_item

BOX = GeoBox((40, 50), (30, 0, 5e5, 0, -30, 4e6), CRS.from_epsg(32617).to_wkt())
CHANGES = Legend.of({257: "water->water", 258: "water->tree"}, nodata=0)
SIDES = {
    "before": {"name": "Stand <1996>", "datetime": "1996-05-01", "fingerprint": "aa" * 32},
    "after": {"name": "2000", "datetime": "2000-05-01T12:00:00+02:00", "fingerprint": "bb" * 32},
}
RECORD = {"geoseg": "0.1.0", "run": "abc123", "statement": "Half of it.", **SIDES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mask(tmp_path / "change.tif", BOX, CHANGES, [(0, np.full((40, 50), 258, np.uint16))])
    (tmp_path / "transitions.csv").write_text("from_id\n")
    return tmp_path


def test_the_item_meets_the_stac_schema(folder: Path) -> None:
    validation = pytest.importorskip("pystac.validation", reason="pystac is not installed")
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    import pystac

    undated = {**RECORD, "before": {"name": "b"}, "after": {"name": "a", "datetime": "2000"}}
    for record in (RECORD, undated):
        item = build_change_item(record, BOX, CHANGES, folder)
        validation.stac_validator.JsonSchemaSTACValidator().validate_core(item, pystac.STACObjectType.ITEM, "1.1.0")


def test_both_dates_and_every_output_are_told(folder: Path) -> None:
    item = build_change_item(RECORD, BOX, CHANGES, folder, pending=["run.json"])
    found = item["properties"]
    assert found["datetime"] is None
    assert (found["start_datetime"], found["end_datetime"]) == ("1996-05-01T00:00:00Z", "2000-05-01T10:00:00Z")
    assert (found["geoseg:before_digest"], found["geoseg:after_digest"]) == ("aa" * 32, "bb" * 32)
    assert set(item["assets"]) == {"change", "transitions", "style", "names", "table", "table_encoding", "run"}
    change = item["assets"]["change"]
    assert change["bands"][0]["data_type"] == "uint16"
    assert [known["value"] for known in change["classification:classes"]] == [257, 258, 0]
    assert change["file:size"] == (folder / "change.tif").stat().st_size
    assert item["id"] == "change-Stand__1996_-2000-abc123"


def test_equal_records_give_equal_items_without_paths(folder: Path) -> None:
    texts = {json.dumps(build_change_item(RECORD, BOX, CHANGES, folder), sort_keys=True) for _ in range(2)}
    assert len(texts) == 1 and str(folder) not in texts.pop()
