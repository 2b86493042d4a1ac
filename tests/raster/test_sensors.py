import math
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from tests.helpers.rasters import make_landsat, make_safe, write_raster


def whole(scene: Scene) -> Window:
    return Window(0, 0, *scene.geobox.shape)


def test_a_sentinel2_l2a_folder_has_its_bands_by_name_with_the_offset_of_its_baseline(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path)])
    assert scene.product == "sentinel-2-l2a"
    assert scene.units == "reflectance"
    assert scene.datetime == "2022-06-05T10:10:31.024Z"
    names = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir1 swir2".split()
    assert [band.name for band in scene.bands] == names
    assert {(band.scale, band.offset, band.nodata) for band in scene.bands} == {(0.0001, -0.1, 0.0)}
    assert scene.geobox.res == (10.0, 10.0)
    assert any("05.10: offset applied" in note for note in scene.notes)


def test_each_band_of_a_safe_comes_from_its_finest_file_and_coarse_ones_are_said_to_be_resampled(
    tmp_path: Path,
) -> None:
    scene = open_scene([make_safe(tmp_path)], bands=["blue", "swir1"])
    assert [Path(band.path).name[-11:] for band in scene.bands] == ["B02_10m.jp2", "B11_20m.jp2"]
    assert [band.warped for band in scene.bands] == [False, True]
    assert [note for note in scene.notes if note.startswith("resampled")] == [
        "resampled: swir1 (20 m) onto the 10 m grid of blue, bilinear"
    ]


def test_bands_of_20_m_alone_stay_on_their_own_grid(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path)]).select(["swir1", "rededge1"])
    assert scene.geobox.res == (20.0, 20.0)
    assert not any(band.warped for band in scene.bands)
    assert not any(note.startswith("resampled") for note in scene.notes)
    image, _ = read_window(scene, whole(scene))
    with rasterio.open(scene.bands[0].path) as file:
        np.testing.assert_array_equal(image[0], file.read(1))


def test_before_baseline_04_a_safe_has_no_offset(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, baseline="02.14", add_offset=None, bands=["B02"])])
    assert scene.bands[0].offset == 0.0
    assert any("02.14: no offset" in note for note in scene.notes)


def test_a_safe_of_baseline_04_without_offsets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"^PRODUCT: .*names? none|offsets"):
        open_scene([make_safe(tmp_path, add_offset=None, bands=["B02"])])


def test_a_sentinel2_l1c_folder_takes_its_radiometric_offset(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, level="L1C", bands=["B02", "B10"])])
    assert scene.product == "sentinel-2-l1c"
    assert [(band.name, band.offset) for band in scene.bands] == [("blue", -0.1), ("cirrus", -0.1)]


def test_reflectance_of_a_safe_is_what_its_metadata_say(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, bands=["B02", "B03"])])
    image, valid = read_window(scene, whole(scene))
    norm = Normalization.of(scene, [0.0, 0.0], [1.0, 1.0])
    np.testing.assert_allclose(normalize(image, valid, norm), (image.astype(float) - 1000) / 10000, atol=1e-6)


def test_bands_answer_to_the_products_own_names(tmp_path: Path) -> None:
    scene = open_scene([make_safe(tmp_path, bands=["B02", "B8A", "B11"])])
    assert [band.name for band in scene.select(["B8A", "b11", "B2"]).bands] == ["nir08", "swir1", "blue"]


def test_clouds_of_the_scene_classification_become_nodata_when_asked_for(tmp_path: Path) -> None:
    safe = make_safe(tmp_path, bands=["B02"])
    kept = open_scene([safe])
    masked = open_scene([safe], quality="clouds")
    assert read_window(kept, whole(kept))[1].all()
    _, valid = read_window(masked, whole(masked))
    assert not valid[:6, :6].any()
    assert valid.sum() == valid.size - 36
    assert kept.fingerprint != masked.fingerprint


def test_metadata_with_a_document_type_are_refused_before_any_entity_is_expanded(tmp_path: Path) -> None:
    safe = make_safe(tmp_path, bands=["B02"])
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    for text in (bomb.encode(), bomb.encode("utf-16")):
        (safe / "MTD_MSIL2A.xml").write_bytes(text)
        with pytest.raises(InputRefused, match=r"^EXTERNAL_REF: .*document type"):
            open_scene([safe])


@pytest.mark.parametrize("text", ["", "<x", "<x/>", "<x><BOA_QUANTIFICATION_VALUE>0</BOA_QUANTIFICATION_VALUE></x>"])
def test_metadata_that_say_nothing_are_refused(tmp_path: Path, text: str) -> None:
    safe = make_safe(tmp_path, bands=["B02"])
    (safe / "MTD_MSIL2A.xml").write_text(text)
    with pytest.raises(InputRefused, match=r"^PRODUCT: .*MTD_MSIL2A.xml"):
        open_scene([safe])


def test_a_safe_of_several_granules_is_refused(tmp_path: Path) -> None:
    safe = make_safe(tmp_path, bands=["B02"])
    (safe / "GRANULE" / "another" / "IMG_DATA").mkdir(parents=True)
    with pytest.raises(InputRefused, match=r"^PRODUCT: .*2 granules"):
        open_scene([safe])


@pytest.mark.parametrize("form", ["txt", "json"])
def test_a_landsat_l2_folder_has_surface_reflectance_and_temperature(tmp_path: Path, form: str) -> None:
    scene = open_scene([make_landsat(tmp_path, form=form)])
    assert (scene.product, scene.units, scene.datetime) == ("landsat-c2-l2", "reflectance", "2020-07-05T10:04:11.0Z")
    assert [band.name for band in scene.bands] == "coastal blue green red nir swir1 swir2 lwir1".split()
    assert [(band.scale, band.offset) for band in scene.bands[:7]] == [(2.75e-05, -0.2)] * 7
    assert (scene.bands[7].scale, scene.bands[7].offset) == (0.00341802, 149.0)


def test_landsat_l1_reflectance_is_divided_by_the_sine_of_the_sun(tmp_path: Path) -> None:
    scene = open_scene([make_landsat(tmp_path, level="L1")])
    sun = math.sin(math.radians(30))
    assert scene.product == "landsat-c2-l1"
    assert scene.bands[1].scale == pytest.approx(2e-05 / sun)
    assert scene.bands[1].offset == pytest.approx(-0.1 / sun)
    assert (scene.bands[7].name, scene.bands[7].scale) == ("lwir1", 3.342e-04)


def test_landsat_5_names_its_bands_by_colour_not_by_number(tmp_path: Path) -> None:
    scene = open_scene([make_landsat(tmp_path, sensor="TM")])
    assert [(band.name, band.own) for band in scene.bands][:4] == [
        ("blue", "B1"),
        ("green", "B2"),
        ("red", "B3"),
        ("nir", "B4"),
    ]


def test_flags_of_qa_pixel_become_nodata_when_asked_for(tmp_path: Path) -> None:
    folder = make_landsat(tmp_path)
    scene = open_scene([folder], quality="clouds")
    _, valid = read_window(scene, whole(scene))
    assert not valid[:4, :4].any()
    assert valid.sum() == valid.size - 16
    clear = open_scene([folder], quality="qa_pixel:bits=6")
    np.testing.assert_array_equal(read_window(clear, whole(clear))[1], ~valid)


def test_landsat_of_another_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"^PRODUCT: .*Collection 2"):
        open_scene([make_landsat(tmp_path, collection=1)])


def test_an_mtl_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = make_landsat(tmp_path)
    metadata = next(folder.glob("*_MTL.txt"))
    metadata.write_text(
        metadata.read_text().replace("LC08_L2SP_193026_20200705_20200912_02_T1_SR_B2.TIF", "../secret.tif")
    )
    with pytest.raises(InputRefused, match=r"^EXTERNAL_REF: .*outside"):
        open_scene([folder])


def test_bands_that_are_not_there_are_said_and_refused_by_name(tmp_path: Path) -> None:
    folder = make_landsat(tmp_path)
    next(folder.glob("*_SR_B5.TIF")).unlink()
    scene = open_scene([folder])
    assert any("not in the folder: nir" in note for note in scene.notes)
    with pytest.raises(InputRefused, match=r"^BANDS: .*has no band nir; it has coastal, blue"):
        scene.select(["red", "nir"])


@pytest.mark.parametrize("text", ["", "GROUP", "END_GROUP = X", "{", "[1]", '{"LANDSAT_METADATA_FILE": 3}', "\x00\xff"])
@pytest.mark.parametrize("form", ["txt", "json"])
def test_a_broken_mtl_is_refused_in_one_line(tmp_path: Path, form: str, text: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / f"x_MTL.{form}").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputRefused, match=r"^PRODUCT: "):
        open_scene([folder])


def test_a_folder_of_anything_else_is_refused(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    with pytest.raises(InputRefused, match=r"^FORMAT: .*neither a Sentinel-2 SAFE .* nor a Landsat"):
        open_scene([tmp_path])
