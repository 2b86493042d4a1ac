"""What a run left, opened lazily: rasters with classes and CRS, polygons on demand, and what is none is refused."""

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio

from geoseg.errors import InputRefused
from geoseg.jobs import result
from geoseg.jobs.change import change
from geoseg.jobs.result import open_result
from geoseg.jobs.segment import segment
from geoseg.jobs.synth import synth
from geoseg.raster import lazy
from tests.helpers.bundles import conv_bundle

SAME = {"backend": "torch", "precision": "fp32"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with all its layers, and a change."""
    folder = tmp_path_factory.mktemp("runs")
    land = synth(folder / "land", size=96, dates=2, change=0.1)
    bundle = conv_bundle(folder / "bundle")
    segment(land.scenes[0], bundle, folder / "map", confidence=True, probabilities=True, **SAME)
    change(land.truths[0], land.truths[1], folder / "change")
    return folder


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def test_a_map_has_its_layers_as_the_files_have_them(runs: Path) -> None:
    found = open_result(runs / "map", chunk=64)
    assert set(found.data_vars) == {"mask", "confidence", "probabilities"}
    for name in ("mask", "confidence"):
        np.testing.assert_array_equal(found[name].values, pixels(runs / "map" / f"{name}.tif"))
    assert found.probabilities.dims == ("class_name", "y", "x")
    assert found.probabilities.class_name.values.tolist() == ["water", "tree", "built"]
    best = found.probabilities.argmax("class_name").values
    agree = np.array(found.geoseg.legend.values)[best] == found.mask.values
    assert agree[found.mask.values != 0].mean() > 0.99  # float16 makes ties


def test_classes_are_flags_as_cf_has_them(runs: Path) -> None:
    mask = open_result(runs / "map").mask
    assert mask.attrs["flag_values"].dtype == mask.dtype == np.uint8
    assert mask.attrs["flag_values"].tolist() == [1, 2, 3]
    assert mask.attrs["flag_meanings"] == "water tree built"
    assert mask.attrs["_FillValue"] == 0


def test_all_layers_share_the_scenes_crs(runs: Path) -> None:
    found = open_result(runs / "map")
    with rasterio.open(runs / "map" / "mask.tif") as file:
        assert pyproj.CRS.from_wkt(found.spatial_ref.attrs["crs_wkt"]) == pyproj.CRS(file.crs.to_wkt())
        assert float(found.x[0]) == file.xy(0, 0)[0] and float(found.y[-1]) == file.xy(95, 0)[1]
    assert all(array.encoding["grid_mapping"] == "spatial_ref" for array in found.data_vars.values())


def test_opening_reads_no_pixel(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pixel was read")

    monkeypatch.setattr(lazy, "read_layer", refuse)
    monkeypatch.setattr("geoseg.raster.classes.read_layer", refuse)
    monkeypatch.setattr(result, "load_polygons", refuse)
    for name in ("map", "change"):
        found = open_result(runs / name, chunk=32)
        assert all(hasattr(array.data, "dask") for array in found.data_vars.values())
        assert repr(found) and found._repr_html_()
    with pytest.raises(AssertionError, match="a pixel was read"):
        found.change.compute()


def test_a_change_has_its_two_dates(runs: Path) -> None:
    found = open_result(runs / "change")
    codes = pixels(runs / "change" / "change.tif")
    assert found.change.dtype == np.uint16 and found.attrs["title"] == "geoseg change"
    np.testing.assert_array_equal(found.before.values, codes // 256)
    np.testing.assert_array_equal(found.after.values, codes % 256)
    assert set(np.unique(found.before.values)) - {0} <= set(found.geoseg.legend.values)
    assert found.before.attrs["flag_values"].tolist() == list(found.geoseg.legend.values)


def test_polygons_and_record_are_there_when_asked_for(runs: Path) -> None:
    found = open_result(runs / "map").isel(x=slice(0, 10))  # what was selected still knows its run
    polygons = found.geoseg.polygons()
    assert len(polygons) == found.geoseg.run["polygons"] > 0
    assert polygons.crs == pyproj.CRS.from_wkt(found.spatial_ref.attrs["crs_wkt"])
    left, _, _, top = polygons.total_bounds
    some = found.geoseg.polygons(bbox=(left, top - 25, left + 25, top), columns=["class_id"])
    assert 0 < len(some) < len(polygons) and set(some.columns) == {"class_id", "geometry"}


def test_strange_rasters_in_the_folder_stay_outside(runs: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(runs / "map", tmp_path / "map")
    (tmp_path / "map" / "mine.tif").write_bytes(b"no raster")
    assert "mine" not in open_result(tmp_path / "map")


@pytest.mark.parametrize(
    ("record", "said"),
    [(None, "RUN: .*has no run.json"), ("{", "RUN: .*cannot be read as JSON"), ("[" * 100_000, "RUN: .*cannot be read as JSON"),
     ("[]", "RUN: .*is no record"), ("{}", "RUN: .*holds no raster")],
)  # fmt: skip
def test_what_is_no_run_is_refused(tmp_path: Path, record: str | None, said: str) -> None:
    if record is not None:
        (tmp_path / "run.json").write_text(record)
    with pytest.raises(InputRefused, match=said):
        open_result(tmp_path)


def test_a_dataset_of_others_names_no_folder(runs: Path) -> None:
    import xarray

    open_result(runs / "map")
    with pytest.raises(InputRefused, match="names no folder of a run"):
        xarray.Dataset().geoseg.polygons()


def test_a_record_that_lies_about_classes_hides_nothing(runs: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(runs / "change", tmp_path / "change")
    told = json.loads((tmp_path / "change" / "run.json").read_text())
    told["classes"] = [{"value": "x", "name": "a", "colour": []}]
    (tmp_path / "change" / "run.json").write_text(json.dumps(told))
    assert open_result(tmp_path / "change").change.shape == (96, 96)
