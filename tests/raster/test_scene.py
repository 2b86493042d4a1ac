import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from tests.helpers.rasters import make_safe, numbers, write_raster
from tests.helpers.webserver import served


def whole(scene: Scene) -> Window:
    return Window(0, 0, *scene.geobox.shape)


def names(scene: Scene) -> list[str]:
    return [band.name for band in scene.bands]


def test_one_path_is_a_scene_too_and_a_folder_may_be_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)))
    assert open_scene(path) == open_scene([path])
    safe = make_safe(tmp_path, bands=["B02"])
    monkeypatch.chdir(safe)
    assert open_scene(".").name == safe.name.removesuffix(".SAFE")


def test_bands_take_their_names_from_the_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((3, 8, 9)), names=["red", "green", "nir"])
    scene = open_scene([path])
    assert names(scene) == ["red", "green", "nir"]
    assert (scene.name, scene.units, scene.geobox.shape) == ("a", "dn", (8, 9))


def test_several_files_are_one_scene_named_by_the_user(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"S_B{i}.tif", numbers((1, 8, 9), seed=i)) for i in range(3)]
    scene = open_scene(paths, bands=["blue", "green", "red"]).select(["red", "blue"])
    image, valid = read_window(scene, whole(scene))
    np.testing.assert_array_equal(image, np.concatenate([numbers((1, 8, 9), seed=2), numbers((1, 8, 9), seed=0)]))
    assert valid.all()
    assert scene.name == "S_B"


def test_a_dash_leaves_a_band_out(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((3, 4, 4)))
    scene = open_scene([path], bands=["red", "-", "nir"])
    assert [(band.name, band.index) for band in scene.bands] == [("red", 1), ("nir", 3)]


def test_nothing_is_taken_by_position(tmp_path: Path) -> None:
    scene = open_scene([write_raster(tmp_path / "a.tif", numbers((3, 4, 4)))])
    assert names(scene) == ["1", "2", "3"]
    with pytest.raises(InputRefused, match=r"^BANDS: a: has no band red; it has 1, 2, 3. .*--bands"):
        scene.select(["red"])


def test_bands_are_found_without_regard_to_case_but_never_two_at_once(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((3, 4, 4)), names=["Red", "NIR", "nir"])
    scene = open_scene([path])
    assert names(scene.select(["red", "nir"])) == ["Red", "nir"]
    with pytest.raises(InputRefused, match=r"^BANDS: .*no band Nir"):
        scene.select(["Nir"])


@pytest.mark.parametrize(
    ("bands", "words"), [(["a", "b"], "names 2 bands .* there are 3"), (["a", "b", "a"], "a stands for more than one")]
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, bands: list[str], words: str) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((3, 4, 4)))
    with pytest.raises(InputRefused, match=f"^BANDS: .*{words}"):
        open_scene([path], bands=bands)


def test_files_that_say_the_same_name_are_refused(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{i}.tif", numbers((1, 4, 4)), names=["bands"]) for i in range(2)]
    with pytest.raises(InputRefused, match=r"^BANDS: .*bands stands for more than one band"):
        open_scene(paths)


def test_asking_for_a_band_twice_or_for_none_is_a_usage_error(tmp_path: Path) -> None:
    scene = open_scene([write_raster(tmp_path / "a.tif", numbers((1, 4, 4)), names=["red"])])
    for wanted in (["red", "red"], []):
        with pytest.raises(UsageError, match=r"^BANDS: "):
            scene.select(wanted)
    with pytest.raises(UsageError, match=r"^SCENE: "):
        open_scene([])


def test_an_alpha_band_is_no_spectral_band(tmp_path: Path) -> None:
    image = numbers((4, 8, 8), "uint8")
    image[3] = 255
    image[3, :3] = 0
    scene = open_scene([write_raster(tmp_path / "a.tif", image, photometric="RGB", alpha="yes")], bands=["r", "g", "b"])
    assert names(scene) == ["r", "g", "b"]
    np.testing.assert_array_equal(read_window(scene, whole(scene))[1], image[3] > 0)
    assert any("alpha" in note for note in scene.notes)


def test_the_grid_is_that_of_the_finest_band_wherever_it_stands(tmp_path: Path) -> None:
    coarse = write_raster(tmp_path / "swir.tif", numbers((1, 10, 10)), res=20)
    fine = write_raster(tmp_path / "red.tif", numbers((1, 20, 20)), res=10)
    scene = open_scene([coarse, fine], bands=["swir", "red"])
    assert scene.geobox.shape == (20, 20)
    assert [band.warped for band in scene.bands] == [True, False]
    assert scene.notes == ("resampled: swir (20 m) onto the 10 m grid of red, bilinear",)
    assert scene.select(["swir"]).geobox.shape == (10, 10)
    assert scene.select(["swir"]).select(["swir"]).notes == ()


def test_files_of_different_places_are_refused(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{x}.tif", numbers((1, 4, 4)), corner=(x, 5e6)) for x in (4e5, 6e5)]
    with pytest.raises(InputRefused, match=r"^EXTENT: .*600000.0.tif"):
        open_scene(paths)


def test_units_are_known_only_by_what_somebody_stated(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)), names=["red"])
    counts, stated = open_scene([path]), open_scene([path], scale=0.0001)
    assert (counts.units, stated.units) == ("dn", "reflectance")
    with pytest.raises(InputRefused, match=r"^UNITS: .*--scale"):
        counts.in_units("reflectance")
    assert stated.in_units("dn").bands[0].scale == 1.0
    assert stated.in_units("reflectance") is stated
    floats = open_scene([write_raster(tmp_path / "b.tif", numbers((1, 4, 4), "float32"))])
    assert floats.units == "unknown"
    assert floats.in_units("reflectance") is floats


def test_a_black_collar_without_nodata_is_hinted_at_until_it_is_said(tmp_path: Path) -> None:
    image = numbers((2, 200, 200))
    rows, cols = np.indices((200, 200))
    image[:, abs(rows - 100) + abs(cols - 100) > 120] = 0
    path = write_raster(tmp_path / "a.tif", image)
    assert any("--nodata 0" in note for note in open_scene([path]).notes)
    scene = open_scene([path], nodata=0)
    assert scene.notes == ()
    np.testing.assert_array_equal(read_window(scene, whole(scene))[1], image[0] != 0)


def test_a_scene_travels_by_pickle_and_is_small(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, bands=["B02", "B11"])], quality="clouds")
    data = pickle.dumps(scene)
    assert pickle.loads(data) == scene
    assert len(data) < 5000


def test_the_fingerprint_follows_the_bytes_and_the_choices_not_the_names_and_times(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((2, 50, 50)), names=["red", "nir"])
    moved = tmp_path / "elsewhere" / "b.tif"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    os.utime(moved, (1, 1))
    first = open_scene([path]).fingerprint
    assert open_scene([moved]).fingerprint == first
    others = [
        open_scene([path], nodata=0),
        open_scene([path], scale=0.5),
        open_scene([path], bands=["nir", "red"]),
        open_scene([path], quality="nir:values=3"),
        open_scene([path]).select(["red"]),
    ]
    changed = bytearray(moved.read_bytes())
    changed[-7] ^= 1
    moved.write_bytes(bytes(changed))
    others.append(open_scene([moved]))
    assert len({first, *(scene.fingerprint for scene in others)}) == 7


def test_the_fingerprint_of_a_large_file_reads_little_of_it(tmp_path: Path) -> None:
    from geoseg.raster.identity import _pieces

    for size in (0, 1, 10_000, 393_216, 393_217, 400_000, 10**7, 10**12):
        pieces = _pieces(size)
        assert sum(length for _, length in pieces) <= 400_000
        assert pieces[0][0] == 0
        assert sum(pieces[-1]) == size
        assert all(0 <= start <= start + length <= size for start, length in pieces)


def test_a_file_that_changes_under_a_scene_is_a_conflict(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)), names=["red"])
    scene = open_scene([path])
    scene.check_unchanged()
    os.utime(path, ns=(1, 1))
    with pytest.raises(Conflict, match=r"^CHANGED: .*a.tif"):
        scene.check_unchanged()
    path.unlink()
    with pytest.raises(Conflict, match=r"^CHANGED: "):
        scene.check_unchanged()


def test_only_files_that_are_used_have_to_stay_as_they_were(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{name}.tif", numbers((1, 4, 4)), names=[name]) for name in ("red", "nir")]
    scene = open_scene(paths).select(["red"])
    paths[1].unlink()
    scene.check_unchanged()
    assert [path for path, *_ in scene.stamps] == [str(paths[0])]


@pytest.mark.parametrize(
    "text", ["", "cloud", "a.tif", "a.tif:bits=", "a.tif:bits=16", "a.tif:values=x", "a.tif:flags=1", ":bits=1"]
)
def test_a_rule_for_flags_that_is_none_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)))
    if text:
        with pytest.raises(UsageError, match=r"^QUALITY: "):
            open_scene([path], quality=text)
    else:
        assert open_scene([path], quality=text).flags == ()


def test_clouds_of_a_plain_file_have_no_flags_to_come_from(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)))
    with pytest.raises(InputRefused, match=r"^QUALITY: .*has no layer of flags"):
        open_scene([path], quality="clouds")


def test_a_time_step_of_something_without_time_is_a_usage_error(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbers((1, 4, 4)))
    with pytest.raises(UsageError, match=r"^TIME: "):
        open_scene([path], time="2020")


def test_a_remote_scene_is_fetched_only_when_that_is_allowed(tmp_path: Path) -> None:
    image = numbers((2, 300, 300))
    write_raster(tmp_path / "a.tif", image, names=["red", "nir"], tiled=True, blockxsize=128, blockysize=128, nodata=0)
    with served(tmp_path) as (address, asked):
        with pytest.raises(InputRefused, match=r"^REMOTE: .*--allow-remote"):
            open_scene([f"{address}/a.tif"])
        assert asked == []
        scene = open_scene([f"{address}/a.tif"], allow_remote=True)
        window = Window(100, 50, 150, 201)
        pixels, valid = read_window(scene, window)
        np.testing.assert_array_equal(pixels, image[(slice(None), *window.slices)])
        assert valid.all()
        assert scene.fingerprint == open_scene([f"{address}/a.tif"], allow_remote=True).fingerprint
        assert scene.stamps == ()
        scene.check_unchanged()
        assert set(asked) == {"/a.tif"}
        with pytest.raises(InputRefused, match=r"^(OPEN|NOT_FOUND): "):
            open_scene([f"{address}/b.tif"], allow_remote=True)
