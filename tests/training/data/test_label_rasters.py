"""Label rasters: codes of any type on the scene's grid or another; the nearest pixel's, and the shift is said."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.admit import admit
from geoseg.training.data.label_rasters import RasterLabels
from geoseg.training.data.labels import IGNORE, index_of, open_labels
from geoseg.training.settings.data import LabelSettings
from tests.helpers.jobs import centres, scene_file, whole
from tests.helpers.rasters import CORNER, write_raster

LEGEND = Legend.of({1: "water", 4: "crop", 5: "built"})
SHAPE = (40, 60)


def labels(path: Path, geobox: GeoBox, recode: Any = None, legend: Legend = LEGEND, **settings: Any) -> RasterLabels:
    made = open_labels(LabelSettings(path=str(path), **settings), geobox, legend, recode or {})
    assert isinstance(made, RasterLabels)
    return made


@pytest.fixture
def geobox(tmp_path: Path) -> GeoBox:
    return admit(scene_file(tmp_path / "scene.tif", SHAPE)).geobox


def codes(seed: int = 0, shape: tuple[int, int] = SHAPE, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_codes_of_any_type_are_recoded_on_the_same_grid(tmp_path: Path, geobox: GeoBox, dtype: str) -> None:
    raw = codes(dtype=dtype)
    made = labels(write_raster(tmp_path / "l.tif", raw[None], nodata=0), geobox, {1: "water", 2: "built", 0: 4})
    expected = np.select([raw == 1, raw == 2], [1, 5], 0)  # 0 is the file's nodata
    assert (made.read(whole(geobox)) == expected).all()
    assert made.notes == ()
    part = Window(7, 11, 20, 30)
    assert (pickle.loads(pickle.dumps(made)).read(part) == expected[part.slices]).all()


def test_nodata_may_be_named_and_a_mask_counts(tmp_path: Path, geobox: GeoBox) -> None:
    raw = codes()
    there = np.zeros(SHAPE, bool)
    there[10:] = True
    path = write_raster(tmp_path / "l.tif", raw[None], mask=there)
    made = labels(path, geobox, {0: 1, 1: 4, 2: 5}, nodata=1)
    expected = np.where(there, np.select([raw == 0, raw == 2], [1, 5], 0), 0)
    assert (made.read(whole(geobox)) == expected).all()


def test_a_legend_that_owns_0_has_255_for_none(tmp_path: Path, geobox: GeoBox) -> None:
    legend = Legend.of({0: "other", 1: "water"})
    raw = codes()
    read = labels(write_raster(tmp_path / "l.tif", raw[None]), geobox, legend=legend).read(whole(geobox))
    assert (read == np.where(raw <= 1, raw, 255)).all()
    assert set(np.unique(index_of(legend)[read])) == {0, 1, IGNORE}


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("masked", [False, True])
def test_another_grid_of_the_same_axes_gives_the_nearest_pixel(
    tmp_path: Path, geobox: GeoBox, factor: float, masked: bool
) -> None:
    shape = (24, 30)
    raw = codes(1, shape)
    corner = CORNER[0] + 34.0, CORNER[1] - 26.0
    there = codes(2, shape) > 1
    path = write_raster(
        tmp_path / "l.tif", raw[None], res=10 * factor, corner=corner, nodata=None if masked else 0,
        mask=there if masked else None,
    )  # fmt: skip
    made = labels(path, geobox, {0: 5, 1: 1, 4: 4} if masked else {1: 1, 4: 4})
    x, y = centres(geobox)
    col, row = (
        np.floor((x - corner[0]) / (10 * factor)).astype(int),
        np.floor((corner[1] - y) / (10 * factor)).astype(int),
    )
    inside = (col >= 0) & (row >= 0) & (col < 30) & (row < 24)
    taken = raw[row.clip(0, 23), col.clip(0, 29)]
    known = inside & (there[row.clip(0, 23), col.clip(0, 29)] if masked else taken != 0)
    expected = np.where(known, np.select([taken == 1, taken == 4, taken == 0], [1, 4, 5 if masked else 0], 0), 0)
    read = made.read(whole(geobox))
    assert (read == expected).all()
    part = Window(3, 5, 17, 41)
    assert (made.read(part) == read[part.slices]).all()
    assert "brought onto the scene's grid, nearest: labels are moved by" in made.notes[0]


def test_the_shift_is_that_of_the_grids(tmp_path: Path, geobox: GeoBox) -> None:
    corner = CORNER[0] + 4.0, CORNER[1] - 2.0  # 0.4 pixels right, 0.2 down: labels go back by as much
    made = labels(write_raster(tmp_path / "l.tif", codes()[None], corner=corner), geobox)
    shift = made.shift
    assert shift is not None
    assert (shift.cols, shift.rows) == (pytest.approx(-0.4), pytest.approx(-0.2))
    assert shift.largest == pytest.approx(np.hypot(0.4, 0.2))
    assert "0.40 px left and 0.20 px up (4.47 m)" in made.notes[0]


@pytest.mark.parametrize("masked", [False, True])
def test_another_crs_gives_the_nearest_pixel(tmp_path: Path, geobox: GeoBox, masked: bool) -> None:
    crs = "EPSG:32633"
    way = Transformer.from_crs(geobox.crs, crs, always_xy=True)
    x, y = way.transform(*centres(geobox))
    corner, res, shape = (x.min() + 80.0, y.max() - 60.0), 25.0, (20, 26)
    raw, there = codes(3, shape), codes(4, shape) > 0
    path = write_raster(
        tmp_path / "l.tif", raw[None], crs=crs, corner=corner, res=res, nodata=None if masked else 0,
        mask=there if masked else None,
    )  # fmt: skip
    made = labels(path, geobox, {1: 1, 4: 4, 5: 5})
    col, row = np.floor((x - corner[0]) / res).astype(int), np.floor((corner[1] - y) / res).astype(int)
    inside = (col >= 0) & (row >= 0) & (col < shape[1]) & (row < shape[0])
    at = row.clip(0, shape[0] - 1), col.clip(0, shape[1] - 1)
    known = inside & (there[at] if masked else True)
    expected = np.where(known & np.isin(raw[at], (1, 4, 5)), raw[at], 0)
    read = made.read(whole(geobox))
    assert inside.any() and not inside.all()
    assert (read != expected).mean() < 0.002  # GDAL's transformer is exact to a hundredth of a pixel
    part = Window(3, 5, 17, 41)
    assert (made.read(part) == read[part.slices]).all()
    assert "EPSG:32633" in made.notes[0]


def test_labels_elsewhere_are_an_error_of_the_findings(tmp_path: Path, geobox: GeoBox) -> None:
    path = write_raster(tmp_path / "l.tif", codes()[None], corner=(CORNER[0] + 5000, CORNER[1]))
    made = labels(path, geobox)
    assert not made.read(whole(geobox)).any()
    (finding,) = made.findings()
    assert (finding.level, finding.code) == ("error", "LABELS_OUTSIDE")
    assert "5.0 km" in finding.what


@pytest.mark.parametrize(("crs", "level"), [("EPSG:25832", "warning"), ("EPSG:32631", "error")])
def test_the_same_numbers_in_another_crs_are_a_twin(tmp_path: Path, geobox: GeoBox, crs: str, level: str) -> None:
    found = labels(write_raster(tmp_path / "l.tif", codes()[None], crs=crs), geobox).findings()
    assert (found[0].level, found[0].code) == (level, "CRS_TWIN")
    assert crs in found[0].what and "EPSG:32632" in found[0].what


def test_codes_that_nobody_names_are_said_with_their_share(tmp_path: Path, geobox: GeoBox) -> None:
    raw = np.ones(SHAPE, np.uint8)
    raw[:4] = 9
    (finding,) = labels(write_raster(tmp_path / "l.tif", raw[None]), geobox).findings()
    assert finding.level == "warning" and "9 (10.0%)" in finding.what
    (finding,) = labels(write_raster(tmp_path / "m.tif", raw[None] * 20), geobox).findings()
    assert finding.level == "error" and "20 (90.0%)" in finding.what and "all of them" in finding.what


def test_measurements_are_no_labels(tmp_path: Path, geobox: GeoBox) -> None:
    raw = np.ones(SHAPE, np.float32)
    raw[3, 3] = 1.5
    made = labels(write_raster(tmp_path / "l.tif", raw[None], nodata=-1), geobox)
    assert made.read(whole(geobox))[3, 3] == 0
    (finding,) = made.findings()
    assert (finding.level, finding.code) == ("error", "CODES")
    assert "1 pixels hold no whole number" in finding.what


def test_a_recoded_nodata_value_is_said(tmp_path: Path, geobox: GeoBox) -> None:
    made = labels(write_raster(tmp_path / "l.tif", np.ones((1, *SHAPE), np.uint8), nodata=0), geobox, {0: 4, 1: 1})
    assert any(finding.code == "NODATA" and "nodata: -1" in finding.remedy for finding in made.findings())


def test_the_file_s_own_names_may_be_recoded_and_are_compared_with_the_legend(tmp_path: Path, geobox: GeoBox) -> None:
    path = write_raster(tmp_path / "l.tif", codes()[None], nodata=0)
    path.with_name("l.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>none</Category><Category>Built</Category>'
        "<Category>Open Water</Category></CategoryNames></PAMRasterBand></PAMDataset>"
    )
    read = labels(path, geobox, {"open water": 1}).read(whole(geobox))
    assert (read == np.where(codes() == 2, 1, 0)).all()
    found = labels(path, geobox).findings()
    assert any(finding.code == "NAMES" and "1 is water here and Built in the file" in finding.what for finding in found)


def test_the_band_is_named_where_there_are_several(tmp_path: Path, geobox: GeoBox) -> None:
    raw = np.stack([codes(), codes(7)])
    path = write_raster(tmp_path / "l.tif", raw, nodata=0)
    with pytest.raises(InputRefused, match="CLASSES"):
        labels(path, geobox)
    read = labels(path, geobox, {1: 1}, band=2).read(whole(geobox))
    assert ((read == 1) == (raw[1] == 1)).all()


def test_the_fingerprint_changes_with_one_label(tmp_path: Path, geobox: GeoBox) -> None:
    raw = codes()
    one = labels(write_raster(tmp_path / "a.tif", raw[None]), geobox).fingerprint
    assert labels(write_raster(tmp_path / "b.tif", raw[None].astype("float32")), geobox).fingerprint == one
    raw[17, 23] = 1 if raw[17, 23] != 1 else 4
    assert labels(write_raster(tmp_path / "c.tif", raw[None]), geobox).fingerprint != one


def test_turned_labels_are_put_upright(tmp_path: Path, geobox: GeoBox) -> None:
    raw = codes()
    south_up = Affine(10.0, 0.0, CORNER[0], 0.0, 10.0, CORNER[1] - 400.0)
    made = labels(write_raster(tmp_path / "l.tif", raw[None, ::-1], transform=south_up, nodata=0), geobox)
    assert (made.read(whole(geobox)) == np.where(np.isin(raw, (1, 4, 5)), raw, 0)).all()


def test_the_real_twin_lies_below_half_a_pixel(shared: Path) -> None:
    folder = shared / "data" / "nc_landsat7_2000"
    geobox = admit(folder / "lsat7_2000_10_north.tif").geobox
    made = labels(folder / "landclass96_north.tif", geobox, {5: 1})
    twin = made.findings()[0]
    assert (twin.level, twin.code) == ("warning", "CRS_TWIN") and twin.numbers["metres"] < 2
    assert (made.read(whole(geobox)) == 1).sum() > 40_000
