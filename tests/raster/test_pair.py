"""Two scenes as one: pixels of both dates on the earlier one's grid, and what does not go together is refused by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import geoseg
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.raster.dated import dated, pictured, undated
from geoseg.raster.pair import Earlier, open_dates, open_inputs, pair
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from tests.helpers.rasters import CORNER, numbers, write_raster

NAMES = ("red", "nir")
SHAPE = (2, 40, 50)
BANDS = dated(NAMES)


def scene(path: Path, seed: int, **changes: object) -> Path:
    shape = changes.pop("shape", SHAPE)
    return write_raster(path, numbers(shape, seed=seed), names=changes.pop("names", NAMES), nodata=0, **changes)


def whole(found: Scene) -> tuple[np.ndarray, np.ndarray]:
    return read_window(found, Window(0, 0, *found.geobox.shape))


def test_names_of_two_dates_are_known_as_such() -> None:
    assert dated(NAMES) == ("before_red", "before_nir", "after_red", "after_nir")
    assert undated(dated(NAMES)) == NAMES
    for others in (
        (),
        NAMES,
        ("before_red",),
        ("after_red", "before_red"),
        ("before_red", "after_nir"),
        ("before_", "after_"),
    ):
        assert undated(others) is None, others
    assert pictured(("Red", "NIR")) == (["red", "nir"], "")
    assert pictured(dated(("Red",))) == (["", "red"], "after")


def test_a_pair_has_the_pixels_of_both_and_is_valid_where_both_are(tmp_path: Path) -> None:
    images = [numbers(SHAPE, seed=seed) for seed in (1, 2)]
    images[0][:, :3], images[1][:, :, :5] = 0, 0
    paths = [write_raster(tmp_path / f"{i}.tif", image, names=NAMES, nodata=0) for i, image in enumerate(images)]
    both = geoseg.open_dates(*paths)
    assert [band.name for band in both.bands] == list(BANDS)
    image, valid = whole(both)
    assert np.array_equal(image, np.concatenate(images))
    assert np.array_equal(valid, (images[0] != 0).all(0) & (images[1] != 0).all(0))
    assert both.name == "0 to 1"
    assert pickle.loads(pickle.dumps(both)) == both
    assert both.fingerprint != open_dates(*reversed(paths)).fingerprint
    assert {Path(path).name for path, *_ in both.stamps} == {"0.tif", "1.tif"}


def test_bands_are_chosen_by_date_and_a_missing_one_is_told_with_its_date(tmp_path: Path) -> None:
    later = scene(tmp_path / "b.tif", 2, names=("red", "swir1"))
    both = open_dates(scene(tmp_path / "a.tif", 1), later)
    assert [band.index for band in both.select(["after_swir1", "before_red"]).bands] == [2, 1]
    with pytest.raises(InputRefused, match=r"BANDS: a to b: has no band nir at the later date; it has red, swir1\."):
        both.select(BANDS)


def test_grids_that_differ_by_whole_pixels_are_read_as_they_are(tmp_path: Path) -> None:
    corner = (CORNER[0] + 50, CORNER[1] + 30)  # five columns to the east, three rows to the north
    both = open_dates(scene(tmp_path / "a.tif", 1), scene(tmp_path / "b.tif", 2, corner=corner))
    image, valid = whole(both)
    assert valid[:37, 5:].all() and not valid[37:].any() and not valid[:, :5].any()
    assert np.array_equal(image[2:, :37, 5:], numbers(SHAPE, seed=2)[:, 3:, :45])
    assert both.notes == ("b covers 83.2% of a: the rest has no data",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corner": (CORNER[0] + 4, CORNER[1])}, "shifted by 0.00 rows and -0.40 columns"),
        ({"res": 20.0}, "pixels of 20 m and not 10 m"),
        ({"crs": "EPSG:25832"}, "another CRS"),
    ],
)
def test_other_grids_are_refused_unless_they_may_be_aligned(tmp_path: Path, changes: dict, said: str) -> None:
    paths = scene(tmp_path / "a.tif", 1), scene(tmp_path / "b.tif", 2, **changes)
    with pytest.raises(InputRefused, match=f"GRID: b: is not on the grid of a: {said}.* --align"):
        open_dates(*paths)
    both = open_dates(*paths, align=True)
    assert both.geobox == open_scene(paths[0]).geobox
    assert np.array_equal(whole(both)[0][:2], numbers(SHAPE, seed=1))
    assert any("resampled: after_red, after_nir" in note for note in both.notes) or "25832" in str(changes)


def test_the_earlier_date_gives_the_grid_also_where_the_later_one_is_finer(tmp_path: Path) -> None:
    fine = scene(tmp_path / "fine.tif", 2, res=5.0, shape=(2, 80, 100))
    both = open_dates(scene(tmp_path / "a.tif", 1), fine, align=True)
    assert both.select(BANDS).geobox.shape == SHAPE[1:]
    assert both.select(["after_red"], geobox=both.geobox).geobox == both.geobox


def test_scenes_without_common_ground_are_refused(tmp_path: Path) -> None:
    far = scene(tmp_path / "b.tif", 2, corner=(CORNER[0] + 5000, CORNER[1]))
    for align in (False, True):
        with pytest.raises(InputRefused, match="EXTENT: b: shares no ground with a"):
            open_dates(scene(tmp_path / "a.tif", 1), far, align=align)


def test_flags_of_either_date_make_a_pixel_nodata(tmp_path: Path) -> None:
    opened = []
    for i, at in enumerate((3, 7)):
        image = numbers((3, 20, 20), seed=i)
        image[2] = 0
        image[2, at] = 5
        path = write_raster(tmp_path / f"{i}.tif", image, names=(*NAMES, "qa"))
        opened.append(open_scene(path, quality="qa:values=5"))
    _, valid = whole(pair(*opened).select(BANDS))
    assert [row for row in range(20) if not valid[row].all()] == [3, 7]


def test_units_of_one_date_only_are_left_out_of_both(tmp_path: Path) -> None:
    paths = scene(tmp_path / "a.tif", 1), scene(tmp_path / "b.tif", 2)
    scaled = [open_scene(path, scale=1e-4) for path in paths]
    assert pair(*scaled).units == "reflectance"
    assert {band.scale for band in pair(*scaled).bands} == {1e-4}
    raw = open_scene(paths[1])
    raw = type(raw)(**{name: getattr(raw, name) for name in raw.__slots__} | {"units": "dn"})
    mixed = pair(scaled[0], raw)
    assert (mixed.units, {band.scale for band in mixed.bands}) == ("dn", {1.0})


def test_what_is_named_is_one_date_or_two_as_the_bundle_wants_it(tmp_path: Path) -> None:
    a, b = (str(scene(tmp_path / f"{name}.tif", i)) for i, name in enumerate("ab"))
    two = open_dates(a, b)
    assert open_inputs([a, b], BANDS) == two
    assert open_inputs([b], BANDS, earlier=Earlier((a,))) == two
    assert open_inputs([a], NAMES) == open_scene(a)
    stacked = write_raster(tmp_path / "both.tif", numbers((4, 9, 9)), names=BANDS)
    assert [band.name for band in open_inputs([str(stacked)], BANDS).bands] == list(BANDS)
    single = [
        str(write_raster(tmp_path / f"{name}{i}.tif", numbers((1, 40, 50), seed=i), names=(name,)))
        for i in (1, 2)
        for name in NAMES
    ]
    files = open_inputs(single[2:], BANDS, earlier=Earlier(tuple(single[:2])))
    assert [band.name for band in files.bands] == list(BANDS)


def test_one_date_for_two_and_two_for_one_are_refused(tmp_path: Path) -> None:
    a, b = (str(scene(tmp_path / f"{name}.tif", i)) for i, name in enumerate("ab"))
    with pytest.raises(
        InputRefused, match=r"DATES: a: is one date, and the bundle compares two, each with red, nir\. Name both"
    ):
        open_inputs([a], BANDS)
    with pytest.raises(InputRefused, match=r"DATES: .*: 3 files .* --before"):
        open_inputs([a, a, b], BANDS)
    for earlier, align in ((Earlier((a,)), False), (Earlier(), True)):
        with pytest.raises(UsageError, match=r"DATES: .* this one maps one"):
            open_inputs([a], NAMES, earlier=earlier, align=align)


def test_dates_the_wrong_way_round_are_told(tmp_path: Path) -> None:
    one, other = (open_scene(scene(tmp_path / f"{i}.tif", i)) for i in (1, 2))
    kinds = {name: getattr(one, name) for name in one.__slots__}
    late, early = type(one)(**kinds | {"datetime": "2020-01-01"}), other
    early = type(other)(
        **{name: getattr(other, name) for name in other.__slots__} | {"datetime": "1985-06-01T10:00:00Z"}
    )
    assert "wrong way round" in " ".join(pair(late, early).notes)
    assert pair(early, late).notes == ()
    assert pair(early, late).datetime == "1985-06-01T10:00:00Z/2020-01-01"


def test_stated_dates_are_each_scene_s_own(tmp_path: Path) -> None:
    a, b = (str(scene(tmp_path / f"{name}.tif", i)) for i, name in enumerate("ab"))
    assert open_scene(b, date="2020-06-15").datetime == "2020-06-15T00:00:00Z"
    assert open_scene(b, date="2020-06-15T12:30:00+02:00").datetime == "2020-06-15T10:30:00Z"
    assert open_scene(b, date="2020-06-15").fingerprint == open_scene(b).fingerprint
    two = open_inputs([a, b], BANDS, earlier=Earlier(date="2019-06-11"), date="2020-06-15")
    assert two.datetime == "2019-06-11T00:00:00Z/2020-06-15T00:00:00Z"
    assert open_inputs([a, b], BANDS, date="2020-06-15").datetime is None  # of the other nothing is known
    with pytest.raises(UsageError, match="DATE: June"):
        open_scene(b, date="June")
