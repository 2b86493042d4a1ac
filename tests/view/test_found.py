import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.raster.scene import open_scene
from geoseg.view.found import find_run
from tests.helpers.mapped import UTM, make_change, make_run, write_scene
from tests.helpers.rasters import write_raster


def keys(run: Path) -> list[str]:
    return [layer.key for layer in find_run(run).layers]


def test_a_run_has_its_scene_confidence_and_classes(tmp_path: Path) -> None:
    found = find_run(make_run(tmp_path / "run"))
    assert [layer.key for layer in found.layers] == ["scene", "confidence", "mask"] and not found.notes
    assert [layer.key for layer in found.layers if layer.shown] == ["scene", "mask"]
    assert found.title == "field" and found.areas == {1: 12.5} and found.polygons is not None
    assert [item.title for item in found.layers[0].composites] == ["true colour"]
    assert "small" in found.about[0] and "2026-01-02" in found.about[1]


def test_a_change_has_the_classes_before_and_after_too(tmp_path: Path) -> None:
    found = find_run(make_change(tmp_path / "run"))
    assert [layer.key for layer in found.layers] == ["before", "after", "change"] and found.changes
    assert found.title == "first to second" and found.areas == {1: 3.25}


def test_what_is_gone_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", leave_out=("confidence.tif", "polygons.gpkg"))
    scene = tmp_path / "scene.tif"
    scene.rename(tmp_path / "moved.tif")
    found = find_run(run)
    assert [layer.key for layer in found.layers] == ["mask"] and found.polygons is None
    assert len(found.notes) == 2 and any("scene.tif" in note and "not there" in note for note in found.notes)
    assert any("polygons" in note for note in found.notes)
    given = find_run(run, open_scene(tmp_path / "moved.tif"))
    assert [layer.key for layer in given.layers] == ["scene", "mask"] and len(given.notes) == 1


def test_a_scene_that_has_changed_is_not_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_raster(tmp_path / "scene.tif", np.full((3, 60, 80), 9, np.uint16), transform=UTM.affine, crs=UTM.crs)
    found = find_run(run)
    assert [layer.key for layer in found.layers] == ["confidence", "mask"]
    assert "has changed since the run" in found.notes[0] and "--scene" in found.notes[0]


def test_both_folders_may_move_together(tmp_path: Path) -> None:
    make_run(tmp_path / "a" / "run")
    (tmp_path / "a").rename(tmp_path / "b")
    assert "scene" in keys(tmp_path / "b" / "run")


def test_two_dates_are_two_scenes(tmp_path: Path) -> None:
    write_scene(tmp_path / "s.tif", UTM)
    run = make_run(tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    layers = record["scene"]["layers"]
    record["scene"]["layers"] = [
        {**one, "name": date + one["name"]} for date in ("before_", "after_") for one in layers
    ]
    (run / "run.json").write_text(json.dumps(record))
    assert keys(run)[:2] == ["scene-before", "scene-after"]


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{", "null", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")],
)
def test_a_broken_record_is_refused(tmp_path: Path, record: str) -> None:
    run = make_run(tmp_path / "run", scene=False)
    (run / "run.json").write_text(record)
    with pytest.raises(InputRefused, match="RUN"):
        find_run(run)


@pytest.mark.parametrize(
    "more",
    [
        {"scene": []}, {"scene": {"name": 3, "layers": "x"}}, {"scene": {"layers": [{}]}}, {"scene": {"layers": [3]}},
        {"scene": {"layers": [{"name": "red", "path": "../../../../etc/passwd", "band": 1, "digest": ""}]}},
        {"scene": {"layers": [{"name": "red", "path": "/dev/zero", "band": 1, "digest": ""}]}},
        {"scene": {"layers": [{"name": "red", "path": "http://example.org/a.tif", "band": 1, "digest": ""}]}},
        {"scene": {"layers": [{"name": "red", "path": "/vsicurl/http://example.org/a.tif", "band": 1, "digest": ""}]}},
        {"scene": {"layers": [{"name": "red", "path": "a\0b", "band": 1, "digest": ""}]}},
        {"areas": [{"class_id": "x", "area_ha": None}, 3]}, {"areas": 7}, {"classes": 3, "matrix": 2}, {"bundle": [1]},
        {"before": 1, "after": {}}, {"kind": "images", "before": {"layers": []}, "after": {"layers": {}}},
        {"finished": {}}, {"polygons": "many"},
    ],
)  # fmt: skip
def test_a_record_of_somebody_else_shows_the_maps_at_most(tmp_path: Path, more: dict[str, object]) -> None:
    found = find_run(make_run(tmp_path / "run", scene=False, more=more))
    assert [layer.key for layer in found.layers] == ["confidence", "mask"]


def test_folders_that_are_no_runs_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(__file__)):
        with pytest.raises(InputRefused, match="RUN"):
            find_run(path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputRefused, match="no raster"):
        find_run(tmp_path)
    (tmp_path / "mask.tif").write_text("no raster")
    with pytest.raises(InputRefused, match="no raster"):
        find_run(tmp_path)
