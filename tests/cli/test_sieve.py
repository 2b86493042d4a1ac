"""geoseg sieve: a mask with the input's classes, by true area, by class; the same bytes for any threads."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from scipy import ndimage

import geoseg
from geoseg.cli.main import cli
from geoseg.cli.sieve import command
from geoseg.config import PerClass
from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs import sieve as job
from geoseg.legend import Legend
from geoseg.mask.regions import Minimum
from geoseg.raster.classes import open_classes
from geoseg.raster.write import write_mask

NLCD = Path(__file__).parents[3] / "shared" / "data" / "zion_nlcd_labels" / "nlcd.tif"
LEGEND = Legend.of({1: "water", 2: "open forest", 3: "town"}, {1: (0, 0, 200), 2: (0, 120, 0), 3: (200, 0, 0)})
UTM = "EPSG:32632"
TEN_METRES = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def patches(shape=(300, 340), seed=0, classes=3):
    """Blotches with speckle; 0 here and there."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(shape), 4)
    pixels = (np.digitize(field, np.quantile(field, np.linspace(0, 1, classes + 1)[1:-1])) + 1).astype(np.uint8)
    noisy = rng.random(shape) < 0.02
    pixels[noisy] = rng.integers(0, classes + 1, noisy.sum())
    return pixels


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    path = tmp_path_factory.mktemp("sieve") / "mask.tif"
    geobox = GeoBox.of((300, 340), TEN_METRES, rasterio.crs.CRS.from_string(UTM).to_wkt())
    write_mask(path, geobox, LEGEND, [(0, patches())], tags={"GEOSEG_RUN": "abc", "TIFFTAG_SOFTWARE": "geoseg 0"})
    return path


def write(path, pixels, *, crs=UTM, transform=TEN_METRES, **profile):
    profile = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "crs": crs, "transform": transform, **profile}
    with rasterio.open(path, "w", height=pixels.shape[0], width=pixels.shape[1], **profile) as dataset:
        dataset.write(pixels, 1)
    return path


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def sieve(*words):
    done = CliRunner().invoke(cli, ["sieve", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def sizes(pixels, value):
    """Pixels of each 4-connected region of a class that has a neighbour other than nodata 0."""
    labels, n = ndimage.label(pixels == value)
    kept = []
    for i in range(1, n + 1):
        edge = ndimage.binary_dilation(labels == i) & (labels != i)
        if (pixels[edge] != 0).any():
            kept.append(np.count_nonzero(labels == i))
    return kept


def test_small_regions_go_and_what_the_mask_says_of_itself_stays(mask, tmp_path):
    code, out, err = sieve(mask, tmp_path / "out.tif", "--min-pixels", 12)
    assert (code, err) == (0, "")
    before, after = read(mask), read(tmp_path / "out.tif")
    np.testing.assert_array_equal(before == 0, after == 0)
    assert all(min(sizes(after, value)) >= 12 for value in (1, 2, 3))
    assert f"{np.count_nonzero(before != after)} pixels changed" in out
    with rasterio.open(mask) as one, rasterio.open(tmp_path / "out.tif") as other:
        assert other.colormap(1) == one.colormap(1)
        assert (other.nodata, other.transform, other.crs) == (one.nodata, one.transform, one.crs)
        tags = other.tags()
    assert tags["GEOSEG_RUN"] == "abc"
    assert tags["GEOSEG_SIEVE"] == "min_pixels 12 pixels; connectivity 4"
    assert tags["TIFFTAG_SOFTWARE"] == f"geoseg {geoseg.__version__}"
    assert open_classes(tmp_path / "out.tif").legend == LEGEND


def test_area_is_true_area_and_the_summary_adds_up(mask, tmp_path):
    code, out, _ = sieve(mask, tmp_path / "out.tif", "--min-area", 1000, "--json")
    facts = json.loads(out)
    assert code == 0
    after = read(tmp_path / "out.tif")  # a pixel is 100.08 m2 on the ellipsoid, so ten of them are enough
    assert min(min(sizes(after, value)) for value in (1, 2, 3)) >= 10
    for row in facts["classes"]:
        assert row["pixels_after"] == np.count_nonzero(after == row["class_id"])
        assert row["area_m2_after"] == pytest.approx(row["pixels_after"] * 100.08, rel=1e-3)
    for what in ("pixels", "area_m2"):
        sums = [sum(row[f"{what}_{when}"] for row in facts["classes"]) for when in ("before", "after")]
        assert sums[0] == pytest.approx(sums[1], rel=1e-12)
    sieve(mask, tmp_path / "pixels.tif", "--min-pixels", 10)
    np.testing.assert_array_equal(read(tmp_path / "pixels.tif"), after)


def test_each_class_has_its_minimum(mask, tmp_path):
    assert sieve(mask, tmp_path / "one.tif", "--min-pixels", "Water=40, forest=20")[0] == 0
    after = read(tmp_path / "one.tif")
    assert min(sizes(after, 1)) >= 40
    assert min(sizes(after, 2)) >= 20
    before = read(mask)
    assert (after[before == 3] == 3).all()
    assert sieve(mask, tmp_path / "two.tif", "--min-pixels", "1=40,forest=20,0,town=0")[0] == 0
    np.testing.assert_array_equal(read(tmp_path / "two.tif"), after)


def test_the_bytes_are_the_same_for_any_threads_and_tiles(mask, tmp_path, monkeypatch):
    for name, threads, tile in (("a", 1, (512, 8192)), ("b", 3, (64, 96)), ("c", 2, (37, 500))):
        monkeypatch.setattr(job, "_TILE", tile)
        (tmp_path / name).mkdir()
        geoseg.sieve(mask, tmp_path / name / "m.tif", min_area="1500,water=4000", connectivity=8, threads=threads)
    for suffix in ("m.tif", "m.tif.aux.xml", "m.qml"):
        assert len({(tmp_path / name / suffix).read_bytes() for name in "abc"}) == 1


def test_in_degrees_a_row_near_the_pole_has_smaller_pixels(tmp_path):
    """Single pixels in a class of their own, every 20 rows, from 80 degrees north to 10: the northern ones are small."""
    pixels = np.ones((701, 30), np.uint8)
    pixels[10:700:20, 15] = 2
    path = write(tmp_path / "m.tif", pixels, crs="EPSG:4326", transform=Affine(0.1, 0, 5, 0, -0.1, 80), nodata=0)
    facts = geoseg.sieve(path, tmp_path / "o.tif", min_area=80e6).facts()
    kept = np.flatnonzero(read(tmp_path / "o.tif")[:, 15] == 2)
    radius = 6371e3 * np.radians(0.1)
    expected = [row for row in range(10, 700, 20) if radius**2 * np.cos(np.radians(80 - 0.1 * (row + 0.5))) >= 80e6]
    assert set(kept.tolist()) ^ set(expected) <= {kept.min(), min(expected)}  # the Earth is no sphere
    assert facts["regions_merged"] == 35 - len(kept)
    assert facts["area_method"].startswith("ellipsoidal")


def test_web_mercator_does_not_count_what_it_stretches(tmp_path):
    pixels = np.ones((40, 40), np.uint8)
    pixels[20, 20:24] = 2  # four pixels of 10 m at 60 degrees north: 100 m2 and not 400
    path = write(tmp_path / "m.tif", pixels, crs="EPSG:3857", transform=Affine(10, 0, 0, 0, -10, 8_399_738), nodata=0)
    assert geoseg.sieve(path, tmp_path / "a.tif", min_area=90).regions_merged == 0
    assert geoseg.sieve(path, tmp_path / "b.tif", min_area=110).regions_merged == 1


ODD = {
    "south-up": {"transform": Affine(10, 0, 500_000, 0, 10, 4_997_000)},
    "rotated": {"transform": TEN_METRES @ Affine.rotation(30)},
    "float": {"dtype": "float32", "nodata": -9999},
    "in rows": {"tiled": False, "compress": "lzw"},
}


@pytest.mark.parametrize("how", ODD)
def test_odd_rasters_give_the_same_pixels(how, mask, tmp_path):
    pixels, odd = patches(), dict(ODD[how])
    dtype = np.dtype(odd.pop("dtype", "uint8"))
    values = np.where(pixels == 0, dtype.type(odd.get("nodata", 0)), pixels.astype(dtype))
    path = write(tmp_path / "m.tif", values, **{"nodata": 0, **odd})
    geoseg.sieve(path, tmp_path / "o.tif", min_pixels=9)
    geoseg.sieve(mask, tmp_path / "plain.tif", min_pixels=9)
    np.testing.assert_array_equal(read(tmp_path / "o.tif"), read(tmp_path / "plain.tif"))
    with rasterio.open(path) as one, rasterio.open(tmp_path / "o.tif") as other:
        assert other.transform.almost_equals(one.transform)


def test_values_above_255_make_a_mask_of_16_bits(mask, tmp_path):
    table = np.array([0, 7, 300, 65535], np.uint16)
    path = write(tmp_path / "wide.tif", table[patches()], nodata=0)
    code, _, err = sieve(path, tmp_path / "o.tif", "--min-pixels", "300=9,9")
    assert (code, err) == (0, "")
    sieve(mask, tmp_path / "narrow.tif", "--min-pixels", 9)
    after = read(tmp_path / "o.tif")
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after, table[read(tmp_path / "narrow.tif")])
    assert open_classes(tmp_path / "o.tif").legend.values == (7, 300, 65535)
    assert sieve(tmp_path / "o.tif", tmp_path / "again.tif", "--min-pixels", 9)[1].count("\n0 regions merged") == 1


def test_a_mask_of_nodata_only_stays(tmp_path):
    path = write(tmp_path / "none.tif", np.zeros((40, 50), np.uint8), nodata=0)
    code, out, _ = sieve(path, tmp_path / "o.tif", "--min-area", 500)
    assert code == 0
    assert "0 regions merged" in out
    assert not read(tmp_path / "o.tif").any()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no minimum given"),
        (["--min-area", 5, "--min-pixels", 5], "a minimum area and a minimum of pixels given"),
        (["--min-area", "fog=5"], "fog: no class of this name. The legend has: water, open forest, town"),
        (["--min-area", "1=5,water=6"], "class water has two minima"),
        (["--min-area", "much"], "'much' is neither a number nor CLASS=NUMBER"),
        (["--min-area", "water=5,water=6"], "'water=6' names a class again"),
        (["--min-area", "-3"], "greater than or equal to 0"),
        (["--min-area", "water=nan"], "must be a number of 0 or more"),
        (["--min-pixels", "2.5"], "is not in whole numbers"),
        (["--min-pixels", "3", "--connectivity", "6"], "--connectivity"),
    ],
)
def test_wrong_usage_is_named(words, says, mask, tmp_path):
    code, out, err = sieve(mask, tmp_path / "o.tif", *words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_no_class_raster_is_refused(tmp_path):
    path = write(tmp_path / "dem.tif", np.random.default_rng(0).random((20, 20)).astype(np.float32))
    code, _, err = sieve(path, tmp_path / "o.tif", "--min-area", 5)
    assert code == 3
    assert err.startswith("geoseg: CLASSES:")
    assert not (tmp_path / "o.tif").exists()


def test_an_output_that_exists_stays_unless_asked_and_the_input_always(mask, tmp_path):
    out = tmp_path / "o.tif"
    out.write_bytes(b"mine")
    code, _, err = sieve(mask, out, "--min-area", 1000)
    assert (code, out.read_bytes()) == (4, b"mine")
    assert "--overwrite" in err
    assert sieve(mask, out, "--min-area", 1000, "--overwrite")[0] == 0
    before = mask.read_bytes()
    code, _, err = sieve(mask, mask, "--min-area", 1000, "--overwrite")
    assert (code, mask.read_bytes()) == (4, before)
    assert "INPUT" in err


@pytest.mark.parametrize("name", ["o.gpkg", "o.png", "o"])
def test_an_output_whose_name_is_that_of_another_format_is_refused(mask, tmp_path, name):
    code, _, err = sieve(mask, tmp_path / name, "--min-area", 1000)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("geoseg: FORMAT:")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("minimum", ["--min-pixels", "--min-area"])
def test_a_minimum_beyond_all_rasters_leaves_one_region_where_there_is_a_neighbour(mask, tmp_path, minimum):
    code, _, err = sieve(mask, tmp_path / "o.tif", minimum, "1e300")
    assert code == 0, err
    pixels = read(tmp_path / "o.tif")
    labels, n = ndimage.label(pixels)
    assert all(len(np.unique(pixels[labels == i])) == 1 for i in range(1, n + 1))


def test_a_stop_says_that_nothing_was_written(mask, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "sieve", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    code, _, err = sieve(mask, tmp_path / "o.tif", "--min-area", 5)
    assert code == 143
    assert "Nothing was written; run it again" in err


def test_the_examples_of_the_help_run(mask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.tif").write_bytes(mask.read_bytes())
    lines = [line.split() for line in command.epilog.splitlines() if "geoseg sieve" in line]
    for line in lines:
        done = CliRunner().invoke(cli, shlex.split(" ".join(line[1:])))
        assert done.exit_code == 0, done.stderr
    assert len(lines) == 2


def test_regions_without_any_area_are_refused_and_not_merged_away():
    geobox = GeoBox.of((9, 9), TEN_METRES, rasterio.crs.CRS.from_string(UTM).to_wkt())
    done = job.sieved(lambda w: patches()[w.slices], geobox, LEGEND, PerClass(others=500))
    assert done is not None
    for total in done.before:
        done.before[total] = job.Total(3, 0)
    with pytest.raises(UsageError, match="MIN_AREA"):
        job.refuse_no_area(done, Minimum.of(1, by_area=True), "mask")
    assert job.sieved(lambda w: patches()[w.slices], geobox, LEGEND, PerClass()) is None
    assert done.read(Window(0, 0, 9, 9)).shape == (9, 9)


@pytest.mark.skipif(not NLCD.exists(), reason="no sample data beside the project")
def test_a_land_cover_map_keeps_its_classes_and_only_large_regions(tmp_path):
    result = geoseg.sieve(NLCD, tmp_path / "o.tif", min_area=5000)
    before, after = open_classes(NLCD), open_classes(tmp_path / "o.tif")
    assert (after.legend.values, after.nodata) == (before.legend.values, before.nodata)
    assert result.regions_merged > 1000
    assert geoseg.sieve(tmp_path / "o.tif", tmp_path / "again.tif", min_area=5000).regions_merged == 0
