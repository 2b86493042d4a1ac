"""The main job: the same map for any plan and any pool; areas, polygons and pixels agree; every option does what it says."""

from __future__ import annotations

import csv
import json
import sqlite3

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geoseg
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.legend import Legend
from geoseg.model.bundle import BandSpec, BundleFacts, NetworkSpec, save_bundle
from tests.helpers.runs import BANDS, pixel_bundle, products, write_scene

PLAIN = {"backend": "torch", "precision": "fp32"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A small U-Net with random weights: its halo is smaller than its view, so the plan's chips show in the mask."""
    import torch

    from geoseg.model.network import build

    torch.manual_seed(3)
    params = (("decoder_channels", (32, 16, 8)), ("encoder_depth", 3))
    network = NetworkSpec("Unet", "resnet18", len(BANDS), 4, params)
    module = build(network).train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(2, len(BANDS), 64, 64))
    facts = BundleFacts(
        name="unet", bands=tuple(BandSpec(name, 2000.0, 400.0) for name in BANDS), units="dn",
        legend=Legend.of(["water", "tree", "crop", "built"]), chip_size=64, halo=16, network=network,
    )  # fmt: skip
    return save_bundle(tmp_path_factory.mktemp("bundle") / "unet", facts, weights=module.state_dict())


@pytest.fixture(scope="module")
def reference(scene, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "out"
    return geoseg.segment(scene, bundle, out, confidence=True, **PLAIN)


def mask_of(result) -> np.ndarray:
    with rasterio.open(result.mask) as dataset:
        return dataset.read(1)


def test_the_outputs_are_there_and_open(reference):
    names = {p.name for p in reference.folder.iterdir()}
    assert {"mask.tif", "polygons.gpkg", "areas.csv", "item.json", "run.json", "report.html", "confidence.tif"} <= names
    assert not (reference.folder / ".geoseg").exists()
    with rasterio.open(reference.mask) as dataset, rasterio.open(reference.folder / "confidence.tif") as confidence:
        assert dataset.profile["tiled"]
        assert dataset.nodata == 0
        assert dataset.tags()["GEOSEG_MODEL"].startswith("unet@sha256:")
        assert dataset.colormap(1)[1][:3] == Legend.of(["water", "tree", "crop", "built"]).colours[1]
        mask, sure = dataset.read(1), confidence.read(1)
    assert set(np.unique(mask)) <= {0, 1, 2, 3, 4}
    assert ((mask == 0) == (sure == 255)).all()
    assert sure[mask != 0].min() >= 25
    assert sure[mask != 0].max() <= 100


def test_nodata_stays_nodata_and_nothing_else_becomes_it(scene, reference):
    with rasterio.open(scene) as dataset:
        empty = (dataset.read() == 0).any(axis=0)
    assert ((mask_of(reference) == 0) == empty).all()


def test_pixels_areas_and_polygons_agree(reference):
    mask = mask_of(reference)
    with (reference.folder / "areas.csv").open() as file:
        rows = {int(row["class_id"]): row for row in csv.DictReader(file)}
    with sqlite3.connect(reference.polygons) as database:
        sums = database.execute(
            "select class_id, sum(n_pixels), sum(area_m2) from landcover group by class_id"
        ).fetchall()
    assert {int(v): int(row["n_pixels"]) for v, row in rows.items()} == {v: int((mask == v).sum()) for v in rows}
    for value, pixels, area in sums:
        assert pixels == int(rows[value]["n_pixels"])
        assert area == pytest.approx(float(rows[value]["area_m2"]), rel=1e-6)


@pytest.mark.parametrize("options", [{"block_size": 64}, {"block_size": 100}, {"ram": 1 << 30}, {"threads": 1}])
def test_the_same_bytes_for_any_plan_of_the_work(scene, bundle, reference, tmp_path, options):
    result = geoseg.segment(scene, bundle, tmp_path / "out", confidence=True, **PLAIN, **options)
    assert products(result.folder) == products(reference.folder)


def test_the_same_bytes_from_two_dask_workers(scene, bundle, reference, tmp_path):
    result = geoseg.segment(scene, bundle, tmp_path / "out", confidence=True, block_size=64, workers=2, **PLAIN)
    assert result.run["workers"] == 2
    assert products(result.folder) == products(reference.folder)


@pytest.mark.parametrize("blend", ["hann", "linear"])
def test_blending_and_symmetries_do_not_depend_on_blocks(bundle, tmp_path, blend):
    small = write_scene(tmp_path / "scene.tif", (90, 130))
    options = {"blend": blend, "tta": blend == "hann", "only": "mask"}
    one = geoseg.segment(small, bundle, tmp_path / "one", **options, **PLAIN)
    other = geoseg.segment(small, bundle, tmp_path / "other", block_size=40, **options, **PLAIN)
    assert products(one.folder) == products(other.folder)


FILTERS = {"crf": 2, "majority": 1, "opening": 1, "closing": 1, "min_area": 2000}


def test_filters_and_sieve_do_not_depend_on_blocks(scene, bundle, reference, tmp_path):
    chosen = geoseg.SegmentSettings.of(filters=FILTERS, only="mask", confidence=True, **PLAIN)
    one = geoseg.segment(scene, bundle, tmp_path / "one", settings=chosen)
    other = geoseg.segment(scene, bundle, tmp_path / "other", settings=chosen.model_copy(update={"block_size": 64}))
    assert products(one.folder) == products(other.folder)
    before, after = mask_of(reference), mask_of(one)
    assert (before != after).any()
    assert ((before == 0) == (after == 0)).all()


def test_simplified_polygons_say_how_far_their_areas_drift(scene, bundle, tmp_path):
    result = geoseg.segment(scene, bundle, tmp_path / "out", simplify=15.0, **PLAIN)
    with sqlite3.connect(result.polygons) as database:
        sums = dict(database.execute("select class_id, sum(area_m2) from landcover group by class_id").fetchall())
    pixels = {row["class_id"]: row["area_m2"] for row in result.run["areas"]}
    assert any(result.run["simplify_drift"].values())
    for value, drift in result.run["simplify_drift"].items():
        assert sums[int(value)] / pixels[int(value)] - 1 == pytest.approx(drift, abs=1e-9)


def test_an_area_of_interest_limits_the_work_and_changes_nothing_inside(scene, bundle, reference, tmp_path):
    import geopandas
    import shapely

    box = shapely.box(501000, 5398000, 502000, 5399000)
    frame = geopandas.GeoDataFrame(geometry=[box], crs="EPSG:32632").to_crs("EPSG:4326")
    frame.to_file(tmp_path / "aoi.gpkg")
    result = geoseg.segment(scene, bundle, tmp_path / "out", aoi=str(tmp_path / "aoi.gpkg"), only="mask", **PLAIN)
    inside = np.zeros((300, 420), bool)
    inside[100:200, 100:200] = True
    assert (mask_of(result) == np.where(inside, mask_of(reference), 0)).all()


def test_classes_of_another_bundle_become_nodata(scene, bundle, reference, tmp_path):
    clouds = pixel_bundle(tmp_path / "clouds", classes=2)
    cloudy = mask_of(geoseg.segment(scene, clouds, tmp_path / "cloudmask", only="mask", **PLAIN)) == 2
    assert cloudy.any()
    result = geoseg.segment(
        scene,
        bundle,
        tmp_path / "out",
        mask_with=clouds.path,
        mask_classes=("class 1",),
        only="mask",
        block_size=64,
        **PLAIN,
    )
    assert (mask_of(result) == np.where(cloudy, 0, mask_of(reference))).all()


def test_a_bundle_whose_bands_lie_on_another_grid_does_not_mask(tmp_path):
    fine, coarse = write_scene(tmp_path / "fine.tif", (60, 80)), write_scene(tmp_path / "coarse.tif", (30, 40))
    with rasterio.open(coarse, "r+") as dataset:
        dataset.transform = dataset.transform @ rasterio.Affine.scale(2)
    both = geoseg.open_scene([fine, coarse], bands=[*"abcd", *BANDS])
    bundle, clouds = pixel_bundle(tmp_path / "bundle"), pixel_bundle(tmp_path / "clouds", bands=list("abcd"))
    with pytest.raises(InputRefused, match="GRID: "):
        geoseg.segment(both, bundle, tmp_path / "out", mask_with=clouds.path, mask_classes=("class 1",))
    assert not (tmp_path / "out").exists()


def test_the_digest_knows_the_files_of_the_masking_bundle(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", (64, 64))
    both = [
        geoseg.open_scene([scene, write_scene(tmp_path / f"{seed}.tif", (64, 64), seed=seed)], bands=[*BANDS, *"abcd"])
        for seed in (1, 2)
    ]
    bundle, clouds = pixel_bundle(tmp_path / "bundle"), pixel_bundle(tmp_path / "clouds", bands=list("abcd"))
    options = {"mask_with": clouds.path, "mask_classes": ("class 1",), "only": "mask", **PLAIN}
    runs = [geoseg.segment(s, bundle, tmp_path / f"out{i}", **options).run for i, s in enumerate(both)]
    assert runs[0]["plan_digest"] != runs[1]["plan_digest"]


def test_asking_for_the_confidence_changes_no_class(scene, bundle, tmp_path):
    chosen = [
        geoseg.SegmentSettings.of(filters={"crf": 2}, only="mask", confidence=wanted, **PLAIN)
        for wanted in (False, True)
    ]
    one, other = (geoseg.segment(scene, bundle, tmp_path / str(s.confidence), settings=s) for s in chosen)
    assert np.array_equal(mask_of(one), mask_of(other))
    assert not (one.folder / "confidence.tif").exists()


def test_masking_by_a_bundle_needs_its_classes_and_knows_their_names(scene, bundle, tmp_path):
    with pytest.raises(UsageError, match="mask_classes"):
        geoseg.segment(scene, bundle, tmp_path / "out", mask_with=bundle.path)
    with pytest.raises(UsageError, match="no class of this name"):
        geoseg.segment(scene, bundle, tmp_path / "out", mask_with=bundle.path, mask_classes=("fog",))
    assert not (tmp_path / "out").exists()


def test_probabilities_are_those_of_the_mask(scene, bundle, reference, tmp_path):
    import zarr

    result = geoseg.segment(scene, bundle, tmp_path / "out", probabilities=True, block_size=64, only="mask", **PLAIN)
    found = zarr.open_array(result.folder / "probabilities.zarr", mode="r")[:]
    mask = mask_of(reference)
    assert found.shape == (4, 300, 420)
    assert np.abs(found.sum(axis=0) - (mask != 0)).max() < 0.01
    top = np.sort(found, axis=0)
    clear = (mask != 0) & (top[-1] - top[-2] > 0.002)
    assert (found.argmax(axis=0)[clear] + 1 == mask[clear]).all()


def test_the_halo_by_the_seams_is_recorded(scene, bundle, tmp_path):
    result = geoseg.segment(scene, bundle, tmp_path / "out", halo="auto", chip_size=128, only="mask", **PLAIN)
    assert result.run["plan"]["halo"] % 8 == 0
    assert result.run["seams"]["share"] < 0.05


def test_a_missing_band_is_refused_by_name_before_anything_is_written(bundle, tmp_path):
    path = write_scene(tmp_path / "scene.tif")
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("blue", "green", "red", "thermal")
    with pytest.raises(InputRefused, match="BANDS: scene: has no band nir"):
        geoseg.segment(path, bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_output_is_kept(scene, bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mask.tif").write_text("mine")
    with pytest.raises(Conflict, match=r"EXISTS: .*mask\.tif"):
        geoseg.segment(scene, bundle, tmp_path / "out", **PLAIN)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mask.tif"]
    assert (tmp_path / "out" / "mask.tif").read_text() == "mine"


def test_an_unknown_setting_is_named():
    with pytest.raises(UsageError, match="SETTING: chipsize"):
        geoseg.SegmentSettings.of(chipsize=3)


def test_run_json_says_where_the_map_comes_from(reference, bundle):
    run = json.loads((reference.folder / "run.json").read_text())
    assert run["bundle"]["digest"] == bundle.digest
    assert run["choice"]["backend"] == "torch"
    assert run["plan"]["chips"] == 10 * 14
    assert run["blocks"] == {"run": 1, "resumed": 0, "reused": 0, "failed": {}}
    assert 0 <= run["seams"]["share"] <= 1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 90), cols=st.integers(1, 90), block=st.integers(1, 100))
def test_scenes_of_any_size_have_a_mask_of_that_size(tmp_path_factory, bundle, rows, cols, block):
    folder = tmp_path_factory.mktemp("size")
    path = write_scene(folder / "scene.tif", (rows, cols))
    one = geoseg.segment(path, bundle, folder / "one", only="mask", **PLAIN)
    other = geoseg.segment(path, bundle, folder / "other", only="mask", block_size=block, **PLAIN)
    assert mask_of(one).shape == (rows, cols)
    assert products(one.folder) == products(other.folder)


def test_a_scene_that_an_output_would_replace_is_spared(bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    scene = write_scene(out / "mask.tif", (60, 60))
    before = scene.read_bytes()
    with pytest.raises(Conflict, match=r"INPUT: .*mask\.tif"):
        geoseg.segment(scene, bundle, out, overwrite=True, only="mask", **PLAIN)
    assert scene.read_bytes() == before
    assert [p.name for p in out.iterdir()] == ["mask.tif"]
    geoseg.segment(scene.rename(out / "scene.tif"), bundle, out, only="mask", **PLAIN)
    assert (out / "scene.tif").read_bytes() == before


def test_links_under_the_final_names_are_replaced_and_what_they_lead_to_stays(bundle, tmp_path):
    scene, out, far = write_scene(tmp_path / "scene.tif", (60, 60)), tmp_path / "out", tmp_path / "far"
    out.mkdir()
    far.mkdir()
    (far / "mine").write_text("mine")
    (out / "mask.tif").symlink_to(far / "mine")
    (out / "probabilities.zarr").symlink_to(far)
    geoseg.segment(scene, bundle, out, overwrite=True, only="mask", **PLAIN)
    assert (far / "mine").read_text() == "mine"
    assert not (out / "mask.tif").is_symlink()
    assert not (out / "probabilities.zarr").exists()


@pytest.mark.parametrize("text", ["[]", "{}", "3", '{"key": 1}', "\xff"])
def test_a_journal_that_no_run_wrote_is_as_good_as_none(bundle, tmp_path, text):
    work = tmp_path / "out" / ".geoseg" / "work"
    work.mkdir(parents=True)
    (work / "journal.json").write_text(text)
    geoseg.segment(write_scene(tmp_path / "s.tif", (60, 60)), bundle, tmp_path / "out", only="mask", **PLAIN)
    assert not (tmp_path / "out" / ".geoseg").exists()


def test_classes_to_mask_without_a_bundle_are_not_ignored(scene, bundle, tmp_path):
    with pytest.raises(UsageError, match="MASK: mask_classes"):
        geoseg.segment(scene, bundle, tmp_path / "out", mask_classes=("water",))


def test_progress_is_not_appended_to_a_file_of_another_kind(bundle, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", (60, 60))
    before = scene.read_bytes()
    with pytest.raises(UsageError, match="PROGRESS"):
        geoseg.segment(scene, bundle, tmp_path / "out", progress=str(scene), **PLAIN)
    assert scene.read_bytes() == before
