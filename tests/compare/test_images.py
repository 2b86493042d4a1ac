"""Pairs of images: bands by name, pixels valid at both dates, samples, shifts; statistics from files."""

from pathlib import Path

import numpy as np
import pytest

from geoseg.compare.fitted import fit
from geoseg.compare.image_shift import measure_image_shift
from geoseg.compare.images import ImagePair, gather, pair_images
from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.scene import open_scene
from geoseg.vector.threads import in_order
from tests.helpers.rasters import numbers, write_raster


def pair_of(folder: Path, before: np.ndarray, after: np.ndarray, **options: object) -> ImagePair:
    paths = [write_raster(folder / f"{name}.tif", image, **options) for name, image in (("a", before), ("b", after))]
    return pair_images(*map(open_scene, paths))


def test_bands_are_paired_by_name_and_pixels_valid_at_both_dates(tmp_path: Path) -> None:
    one, two = numbers((3, 9, 11), seed=1), numbers((2, 9, 11), seed=2)
    one[0, 2, 3] = two[1, 5, 5] = 0
    paths = [
        write_raster(tmp_path / "a.tif", one, names=("red", "nir", "swir"), nodata=0),
        write_raster(tmp_path / "b.tif", two, names=("NIR", "Red"), nodata=0),
    ]
    pair = pair_images(*map(open_scene, paths))
    assert pair.bands == ("red", "nir")
    assert pair.notes[0] == "a: not compared, because the other date has no such band: swir"
    window = Window(1, 2, 7, 8)
    pixels, valid = pair.read(window)
    expected = np.stack([one[0], one[1], two[1], two[0]])[:, 1:8, 2:10]
    assert (~valid).sum() == 2
    np.testing.assert_array_equal(pixels, expected[:, valid].T)


def test_a_sample_is_the_same_pixels_whatever_the_windows(tmp_path: Path) -> None:
    one, two = numbers((1, 70, 1100), seed=1), numbers((1, 70, 1100), seed=2)
    pair = pair_of(tmp_path, one, two)
    assert (pair.step(0), pair.step(77_000), pair.step(76_999), pair.step(100)) == (1, 1, 2, 34)
    taken = np.concatenate(gather(pair, 7, in_order))
    everything = np.stack([one[0], two[0]])[:, ::7, ::7].reshape(2, -1).T
    assert sorted(map(tuple, taken)) == sorted(map(tuple, everything.astype(float)))


def test_cells_tile_the_raster_and_shrink_with_bands(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, numbers((24, 300, 600)), numbers((24, 300, 600)))
    seen = np.zeros((300, 600), int)
    for cell in pair.cells():
        seen[cell.slices] += 1
        assert cell.height <= 256 and cell.width <= 256
    assert (seen == 1).all()


def test_nothing_in_common_is_refused_with_the_remedy(tmp_path: Path) -> None:
    image = numbers((2, 20, 20))
    before = open_scene(write_raster(tmp_path / "a.tif", image))
    named = open_scene(write_raster(tmp_path / "b.tif", image, names=("red", "nir")))
    with pytest.raises(InputRefused, match=r"BANDS: b: .*--bands"):
        pair_images(before, named)
    finer = open_scene(write_raster(tmp_path / "c.tif", image, res=7.0))
    with pytest.raises(InputRefused, match=r"GRID: c: .*--align"):
        pair_images(before, finer)
    away = open_scene(write_raster(tmp_path / "d.tif", image, corner=(900_000.0, 9_000_000.0)))
    with pytest.raises(InputRefused, match="EXTENT"):
        pair_images(before, away, align=True)


def test_a_nodata_value_that_one_date_states_is_spoken_of(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{n}.tif", numbers((1, 9, 9)), nodata=n) for n in (None, 7)]
    pair = pair_images(*map(open_scene, paths))
    assert any("--nodata" in note and note.startswith("None") for note in pair.notes)


def test_all_nodata_is_refused(tmp_path: Path) -> None:
    image = numbers((2, 20, 20))
    pair = pair_of(tmp_path, image, image * 0, nodata=0)
    for method in ("irmad", "cva"):
        for sample in (0, 100):
            with pytest.raises(InputRefused, match="NO_DATA: b"):
                fit(pair, method, sample, in_order)


def test_numbers_too_large_to_square_are_refused(tmp_path: Path) -> None:
    image = numbers((2, 20, 20)).astype("f8")
    pair = pair_of(tmp_path, image, image * 1e300)
    for method in ("irmad", "cva"):
        with pytest.raises(InputRefused, match=r"VALUES: .*--nodata"):
            fit(pair, method, 100, in_order)


def test_all_pixels_give_what_a_sample_of_all_gives(tmp_path: Path) -> None:
    land = numbers((3, 40, 700), seed=3).astype(float)
    noise = np.random.default_rng(4).normal(0, 20, (2, *land.shape))
    pair = pair_of(tmp_path, (land + noise[0]).astype("f4"), (land * 2 + noise[1]).astype("f4"))
    read_anew, kept = fit(pair, "irmad", 0, in_order), fit(pair, "irmad", 10**6, in_order)
    assert read_anew.facts["canonical_correlations"] == kept.facts["canonical_correlations"]
    np.testing.assert_array_equal(read_anew.difference.forward, kept.difference.forward)


@pytest.mark.parametrize("method", ["irmad", "cva"])
def test_a_shift_is_measured_through_gain_and_clouds(tmp_path: Path, method: str) -> None:
    draw = np.random.default_rng(5)
    fields = np.kron(draw.integers(200, 2000, (3, 20, 20)), np.ones((1, 14, 14)))
    before, after = fields[:, 10:266, 10:266].copy(), fields[:, 8:264, 13:269] * 0.5 + 100
    after[:, 30:80, 60:140] = 9000
    noise = draw.normal(0, 20, (2, *before.shape))
    pair = pair_of(tmp_path, before + noise[0], after + noise[1])
    shift = measure_image_shift(pair, fit(pair, method, 0, in_order).difference)
    assert shift is not None
    assert (shift.rows, shift.cols) == pytest.approx((2, -3), abs=0.2)
