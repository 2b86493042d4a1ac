"""Two images on the disk to what has changed: outputs, false alarms, and what the result must not depend on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from geoseg.compare.threshold import Null
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.jobs.compare_images import NAMES, ImageChangeResult, compare_images
from geoseg.raster.scene import open_scene
from tests.helpers.rasters import write_raster

BANDS = ("red", "nir", "swir")


def images(folder: Path, shape: tuple[int, int] = (150, 300), *, patch: bool = True, **options: object) -> list[Path]:
    """Two dates with gain, offset and noise of their own; AFTER has a patch of 20 x 30 pixels where another land is."""
    draw = np.random.default_rng([1, *shape])
    land = np.kron(draw.integers(300, 2500, (3, shape[0] // 10 + 1, shape[1] // 10 + 1)), np.ones((1, 10, 10)))
    land = land[:, : shape[0], : shape[1]] + draw.normal(0, 30, (3, *shape))
    noise = draw.normal(0, 10, (2, *land.shape))
    later = land.copy()
    if patch:
        later[:, 40:60, 100:130] = later[::-1, 40:60, 100:130] + 900
    before, after = land + noise[0] + 100, later * 0.7 + noise[1] + 500
    before[:, :5] = after[:, :, -7:] = 0
    dates = (("before", before), ("after", after))
    return [
        write_raster(folder / f"{name}.tif", image.round().astype("uint16"), names=BANDS, nodata=0, **options)
        for name, image in dates
    ]


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageChangeResult]:
    folder = tmp_path_factory.mktemp("images")
    return {
        method: compare_images(*images(folder), folder / method, method=method) for method in ("irmad", "cva")
    }  # fmt: skip


@pytest.mark.parametrize("method", ["irmad", "cva"])
def test_the_patch_is_found_and_little_else(made: dict[str, ImageChangeResult], method: str) -> None:
    change = read(made[method].folder / "change.tif")
    assert (change[:5] == 0).all() and (change[:, -7:] == 0).all() and (change[5:, :-7] > 0).all()
    inside = change[41:59, 101:129]
    assert (inside == 2).mean() > 0.97
    rest = change.copy()
    rest[40:60, 100:130] = 0
    n = (rest > 0).sum()
    assert (rest == 2).sum() < 0.001 * n + 4 * np.sqrt(0.001 * n)


@pytest.mark.parametrize("method", ["irmad", "cva"])
def test_files_agree_with_each_other(made: dict[str, ImageChangeResult], method: str) -> None:
    folder, record = made[method].folder, made[method].record
    change, magnitude, chance = (read(folder / f"{name}.tif") for name in ("change", "magnitude", "pvalue"))
    there = change > 0
    assert (magnitude[~there] == 65535).all() and (chance[~there] == -1).all()
    np.testing.assert_array_equal(
        change[there] == 2, magnitude[there] * 0.001 >= record["threshold"]["magnitude"] - 1e-9
    )
    np.testing.assert_array_equal(
        change[there] == 2, chance[there] * 1e-9 <= record["threshold"]["false_alarm"] * (1 + 1e-5)
    )
    rows = list(csv.DictReader((folder / "areas.csv").read_text().splitlines()))
    assert [int(row["n_pixels"]) for row in rows] == [(change == 1).sum(), (change == 2).sum()]
    places = pyogrio.read_dataframe(folder / "polygons.gpkg", layer="change")
    assert set(places.class_name) == {"changed"} and len(places) == made[method].polygons
    assert places.n_pixels.sum() == (change == 2).sum()
    assert places.area_ha.sum() == pytest.approx(made[method].changed_ha)
    assert {path.name for path in folder.iterdir()} <= set(NAMES)
    assert json.loads((folder / "run.json").read_text()) == json.loads(json.dumps(record))


def test_item_and_page_say_what_was_found(made: dict[str, ImageChangeResult]) -> None:
    for result in made.values():
        item = json.loads((result.folder / "item.json").read_text())
        assert item["properties"]["description"] == result.statement
        assert {asset["href"][2:] for asset in item["assets"].values()} == {
            path.name for path in result.folder.iterdir()
        } - {"item.json"}
        page = (result.folder / "report.html").read_text()
        assert page.count("<image ") == 4 and "Where after differs from before" in page
        assert result.statement in page


def test_directions_are_those_of_the_bands(made: dict[str, ImageChangeResult]) -> None:
    assert not (made["irmad"].folder / "direction.tif").exists()
    with rasterio.open(made["cva"].folder / "direction.tif") as file:
        direction = file.read(1)
        assert file.descriptions[0] == "bands that have grown: 1 red, 2 nir, 4 swir"
    assert (direction[41:59, 101:129] & 2 > 0).mean() > 0.95  # nir grew by 900, red and swir changed places
    assert (direction[:5] == 65535).all()


@pytest.mark.parametrize(("method", "rate"), [("irmad", 0.01), ("cva", 0.01), ("irmad", 0.001), ("cva", 0.001)])
def test_a_pair_without_change_is_alarmed_at_the_stated_rate(tmp_path: Path, method: str, rate: float) -> None:
    draw = np.random.default_rng(1)
    land = np.kron(draw.integers(300, 2500, (3, 40, 40)), np.ones((1, 10, 10)))
    dates = [land * gain + draw.normal(0, 12, land.shape) for gain in (1.0, 1.6)]
    paths = [write_raster(tmp_path / f"{i}.tif", image.round().astype("int16")) for i, image in enumerate(dates)]
    result = compare_images(*paths, tmp_path / "out", method=method, false_alarm=rate, only="raster")
    n = 160_000 * rate
    assert abs(result.record["changed"]["n_pixels"] - n) < 0.12 * n + 3.5 * np.sqrt(n)
    assert result.statement.startswith("No change beyond noise") and result.polygons is None


def test_nothing_depends_on_workers_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = images(tmp_path, (530, 540))
    monkeypatch.setattr("geoseg.vector.threads.cores", lambda: 1)
    compare_images(*paths, tmp_path / "one", sample=0, min_area=300)
    monkeypatch.setattr("geoseg.vector.threads.cores", lambda: 5)
    compare_images(*paths, tmp_path / "five", sample=0, min_area=300)
    for name in set(NAMES) - {"run.json", "report.html", "direction.tif"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "five" / name).read_bytes(), name


def test_min_area_drops_small_places_alone(tmp_path: Path, made: dict[str, ImageChangeResult]) -> None:
    whole = made["irmad"]
    paths = [whole.folder.parent / f"{name}.tif" for name in ("before", "after")]
    result = compare_images(*paths, tmp_path / "out", min_area=5000)
    places = pyogrio.read_dataframe(result.folder / "polygons.gpkg", layer="change")
    every = pyogrio.read_dataframe(whole.folder / "polygons.gpkg", layer="change")
    assert len(places) == 1 and len(every) > 1
    assert places.area_m2[0] == pytest.approx(every.area_m2.max(), rel=0.05)


def test_the_same_image_twice_has_not_changed(tmp_path: Path) -> None:
    before, _ = images(tmp_path)
    for method in ("irmad", "cva"):
        result = compare_images(before, before, tmp_path / method, method=method)
        assert (result.changed_ha, result.polygons) == (0, 0)
        assert result.record["shift"]["px"] == 0


def test_after_on_a_shifted_grid_needs_align(tmp_path: Path) -> None:
    before, after = images(tmp_path)
    with rasterio.open(after) as file:
        image = file.read()
    moved = write_raster(
        tmp_path / "moved.tif", image[:, 20:, 30:], names=BANDS, nodata=0, corner=(500_304.0, 4_999_804.0)
    )
    with pytest.raises(InputRefused, match="--align"):
        compare_images(before, moved, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    result = compare_images(before, moved, tmp_path / "out", align=True, method="cva")
    change = read(result.folder / "change.tif")
    assert change.shape == (150, 300) and (change[:20] == 0).all() and (change[42:58, 102:128] == 2).mean() > 0.9
    assert any("bilinear" in note for note in result.record["notes"])


def test_images_too_far_apart_are_refused_where_asked(tmp_path: Path) -> None:
    before, after = images(tmp_path, (300, 300))
    with rasterio.open(after) as file:
        image = np.roll(file.read(), 4, axis=2)
    moved = write_raster(tmp_path / "moved.tif", image, names=BANDS, nodata=0)
    with pytest.raises(InputRefused, match=r"SHIFT: moved: .*--max-shift"):
        compare_images(before, moved, tmp_path / "out", max_shift=1.0)
    assert compare_images(before, moved, tmp_path / "out").record["shift"]["cols"] == pytest.approx(4, abs=0.5)


def test_flags_of_one_date_count(tmp_path: Path) -> None:
    before, after = images(tmp_path)
    cloud = np.zeros((1, 150, 300), "uint8")
    cloud[:, 40:60, 100:130] = 4
    flags = write_raster(tmp_path / "flags.tif", cloud)
    result = compare_images(before, open_scene(after, quality=f"{flags}:values=4"), tmp_path / "out")
    assert result.changed_share < 0.004
    assert (read(result.folder / "change.tif")[40:60, 100:130] == 0).all()


def test_what_is_there_stays_and_inputs_are_safe(tmp_path: Path) -> None:
    before, after = images(tmp_path)
    compare_images(before, after, tmp_path / "out", only="raster")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(Conflict, match="EXISTS"):
        compare_images(before, after, tmp_path / "out")
    compare_images(before, after, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    with pytest.raises(Conflict, match="INPUT"):
        compare_images(tmp_path / "out" / "magnitude.tif", after, tmp_path / "out", overwrite=True)
    with pytest.raises(UsageError, match="SETTING"):
        compare_images(before, after, tmp_path / "other", method="magic")


def test_one_pixel_is_too_few(tmp_path: Path) -> None:
    paths = images(tmp_path, (6, 8))
    with pytest.raises(InputRefused, match=r"PIXELS: after: 1 pixels"):
        compare_images(*paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_odd_names_and_large_numbers_pass(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    land = draw.uniform(1e29, 3e30, (2, 60, 60))
    paths = [
        write_raster(tmp_path / f"ü 'a\" {i};.tif", (land * draw.normal(1, 0.01, land.shape)).astype("float32"))
        for i in range(2)
    ]
    result = compare_images(*paths, tmp_path / "ö out", method="cva")
    assert result.changed_share < 0.2
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_looks_done(tmp_path: Path) -> None:
    paths = images(tmp_path, (1500, 1500))
    call = "import sys; from geoseg.jobs.compare_images import compare_images; compare_images(*sys.argv[1:])"
    child = subprocess.Popen([sys.executable, "-c", call, *map(str, [*paths, tmp_path / "out"])])
    while child.poll() is None and not list(tmp_path.glob("out/.*/.*/level-0")):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not set(NAMES) & {path.name for path in (tmp_path / "out").iterdir()}
    compare_images(*paths, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} <= set(NAMES)


@pytest.mark.parametrize("method", ["irmad", "cva"])
def test_the_moved_river_of_pucallpa_is_found(tmp_path: Path, shared: Path, method: str) -> None:
    bands = ["swir1", "nir", "red", "green"]
    paths = [shared / "data" / "pucallpa_landsat_ts" / f"{year}.tif" for year in (1985, 2020)]
    scenes = [open_scene(path, bands=bands) for path in paths]
    result = compare_images(*scenes, tmp_path / "out", method=method, only="raster")
    wet = [read(path) < 25 for path in paths]  # swir1 is dark over water alone
    change = read(result.folder / "change.tif")
    land = [read(path) > 60 for path in paths]
    moved = (wet[0] & land[1]) | (land[0] & wet[1])
    assert moved.sum() > 3000 and (change[moved] == 2).mean() > 0.95
    assert 0.1 < result.changed_share < 0.6
    assert result.record["shift"]["px"] < 0.3


def test_clouds_of_chiapas_are_change_unless_they_are_flagged(tmp_path: Path, shared: Path) -> None:
    before, after = sorted((shared / "data" / "landsat7_chiapas_pair").glob("*.gtif"))
    first = open_scene(before, nodata=-9999)
    with rasterio.open(after) as file:
        clouds = (file.read(8) == 4) & (file.read(1) > 2500)  # the flag is generous
    plain = compare_images(first, open_scene(after, nodata=-9999), tmp_path / "plain", method="cva")
    assert (read(plain.folder / "change.tif")[clouds] == 2).mean() > 0.8
    flagged = open_scene(after, nodata=-9999, quality="Band 8:values=2,4")
    clear = compare_images(first, flagged, tmp_path / "clear", method="cva")
    assert (read(clear.folder / "change.tif")[clouds] == 0).all()


def test_null_of_a_record_gives_its_threshold(made: dict[str, ImageChangeResult]) -> None:
    record = made["cva"].record
    null = Null.of(np.array(record["method"]["spectrum"]))
    assert null.chance(np.array([record["threshold"]["magnitude"]]))[0] == pytest.approx(0.001, rel=0.01)
