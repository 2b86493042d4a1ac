"""A bundle of two dates runs as any other: blocks, workers, clouds; it learns what changed, and says what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geoseg
from geoseg.cli.main import cli
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.jobs.train import preview, train
from geoseg.legend import Legend
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts, NetworkSpec, open_bundle, save_bundle
from geoseg.model.export import export_onnx
from geoseg.raster.dated import dated
from geoseg.training.data.labelled import open_labelled
from geoseg.training.data.statistics import statistics
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import whole
from tests.helpers.rasters import write_raster
from tests.helpers.runs import BANDS, pixel_bundle, products, write_scene

PLAIN = {"backend": "torch", "precision": "fp32", "only": "mask"}
LEGEND = Legend.of(["unchanged", "cleared", "built"])


def network(fusion: str = "concatenation") -> NetworkSpec:
    params = (("dilations", (1, 2)), ("joint", (1,)), ("width", 8))
    return NetworkSpec("Dilated", "none", 2 * len(BANDS), 3, params, dates=2, fusion=fusion)  # type: ignore[arg-type]


def bundle_of(path: Path, spec: NetworkSpec, seed: int = 0) -> Bundle:
    import torch

    from geoseg.model.network import build

    torch.manual_seed(seed)
    module = build(spec).train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(2, spec.in_channels, 64, 64))
    facts = BundleFacts(
        name="change", bands=tuple(BandSpec(name, 2000.0, 400.0) for name in dated(BANDS)), units="dn", legend=LEGEND,
        chip_size=64, halo=16, align=16, network=spec,
    )  # fmt: skip
    return save_bundle(path, facts, weights=module.state_dict())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return write_scene(folder / "a.tif", (160, 210)), write_scene(folder / "b.tif", (160, 210), seed=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return bundle_of(tmp_path_factory.mktemp("bundle") / "b", network())


@pytest.fixture(scope="module")
def reference(scenes, bundle, tmp_path_factory):
    return geoseg.segment(geoseg.open_dates(*scenes), bundle, tmp_path_factory.mktemp("reference") / "out", **PLAIN)


def mask_of(result) -> np.ndarray:
    with rasterio.open(result.mask) as dataset:
        return dataset.read(1)


def test_the_map_by_tiles_is_that_of_the_whole(scenes, bundle, reference) -> None:
    import torch

    from geoseg.model.network import load_network

    images = []
    for path in scenes:
        with rasterio.open(path) as dataset:
            images.append(dataset.read())
    valid = (np.concatenate(images) != 0).all(0)
    normalized = np.where(valid, (np.concatenate(images).astype(np.float32) - 2000) / 400, 0).astype(np.float32)
    with torch.inference_mode():
        index = load_network(bundle)(torch.from_numpy(normalized)[None]).argmax(1)[0].numpy()
    expected = np.where(valid, index + 1, 0)
    assert len(np.unique(expected)) > 2
    assert (mask_of(reference) == expected).mean() > 0.9999  # logits of another chip size are rounded otherwise


@pytest.mark.parametrize(
    "options", [{"block_size": 64}, pytest.param({"workers": 2, "block_size": 64}, marks=pytest.mark.slow)], ids=str
)
def test_the_same_bytes_for_any_blocks_and_workers(scenes, bundle, reference, tmp_path, options) -> None:
    result = geoseg.segment(geoseg.open_dates(*scenes), bundle, tmp_path / "out", **PLAIN, **options)
    assert products(result.folder) == products(reference.folder)


def test_the_order_of_dates_is_of_no_matter_to_the_size_of_a_difference(scenes, tmp_path) -> None:
    bundle = bundle_of(tmp_path / "b", network("absolute_difference"))
    masks = [
        mask_of(geoseg.segment(geoseg.open_dates(*pair), bundle, tmp_path / f"out{i}", **PLAIN))
        for i, pair in enumerate((scenes, scenes[::-1]))
    ]
    assert np.array_equal(*masks)
    same = geoseg.segment(geoseg.open_dates(scenes[0], scenes[0]), bundle, tmp_path / "same", **PLAIN)
    inside = mask_of(same)[60:-20, 60:-20]
    assert len(np.unique(inside)) == 1


def test_an_onnx_of_it_maps_the_same(scenes, bundle, reference, tmp_path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    made = export_onnx(bundle, tmp_path / "onnx")
    result = geoseg.segment(
        geoseg.open_dates(*scenes), made, tmp_path / "out", backend="onnx", precision="fp32", only="mask"
    )
    assert (mask_of(result) == mask_of(reference)).mean() > 0.999


def test_clouds_are_sought_at_both_dates(scenes, bundle, reference, tmp_path) -> None:
    clouds = pixel_bundle(tmp_path / "clouds", classes=2)
    cloudy = [
        mask_of(geoseg.segment(path, clouds, tmp_path / f"clouds{i}", **PLAIN)) == 2 for i, path in enumerate(scenes)
    ]
    assert (cloudy[0] != cloudy[1]).any()
    options = {"mask_with": clouds.path, "mask_classes": ("class 1",)}
    result = geoseg.segment(geoseg.open_dates(*scenes), bundle, tmp_path / "out", block_size=64, **options, **PLAIN)
    assert (mask_of(result) == np.where(cloudy[0] | cloudy[1], 0, mask_of(reference))).all()


def test_the_run_says_both_dates(scenes, bundle, tmp_path) -> None:
    result = geoseg.segment(geoseg.open_dates(*scenes), bundle, tmp_path / "out", **PLAIN | {"only": None})
    assert result.run["scene"]["name"] == "a to b"
    page = result.report.read_text("utf-8")
    assert "a.tif" in page and "b.tif" in page and "later date" in page
    item = json.loads((result.folder / "item.json").read_text())
    assert item["properties"]["mlm:input"][0]["name"] == "before_and_after"


def test_one_date_is_refused_with_what_to_do_and_nothing_is_left(scenes, bundle, tmp_path) -> None:
    with pytest.raises(InputRefused, match=r"DATES: a: is one date, .* Name both scenes"):
        geoseg.segment(scenes[0], bundle, tmp_path / "out", **PLAIN)
    with pytest.raises(InputRefused, match=r"DATES: a to b: is a pair of two dates"):
        geoseg.segment(geoseg.open_dates(*scenes), pixel_bundle(tmp_path / "one"), tmp_path / "out", **PLAIN)
    assert not (tmp_path / "out").exists()


def test_on_the_command_line_two_scenes_are_the_two_dates(scenes, bundle, reference, tmp_path) -> None:
    before, after = map(str, scenes)
    words = [
        "--bundle",
        bundle.path,
        "--backend",
        "torch",
        "--precision",
        "fp32",
        "--only",
        "mask",
        "--workers",
        "0",
        "-q",
    ]
    run = CliRunner().invoke
    found = run(cli, ["segment", before, after, str(tmp_path / "out"), *words])
    assert found.exit_code == 0, found.output
    found = run(cli, ["segment", after, "--before", before, str(tmp_path / "named"), *words])
    assert found.exit_code == 0, found.output
    for name in ("out", "named"):
        assert (tmp_path / name / "mask.tif").read_bytes() == reference.mask.read_bytes()
    plan = run(cli, ["plan", before, after, "--bundle", bundle.path, "--no-timing"])
    assert json.loads(plan.output)["shape"] == [160, 210]


def test_info_says_what_a_bundle_of_two_dates_needs(scenes, bundle) -> None:
    before, after = map(str, scenes)
    told = {
        len(names): json.loads(CliRunner().invoke(cli, ["info", *names, "--bundle", bundle.path]).output)["bundle"]
        for names in ((before,), (before, after))
    }
    assert (told[2]["dates"], told[2]["bands_of_each_date"], told[2]["fits"]) == (2, list(BANDS), True)
    assert not told[1]["fits"]
    assert "compares two" in told[1]["reason"] and "BEFORE AFTER" in told[1]["reason"]


# Training


def change_job(folder: Path, **changes: object) -> TrainSettings:
    values = {
        "name": "change", "bands": ("green", "red", "nir", "swir1"),
        "scenes": [{
            "before": str(folder / "scene_1.tif"), "after": str(folder / "scene_2.tif"), "labels": str(folder / "change.tif"),
        }],
        "classes": [{"value": 1, "name": "unchanged"}, {"value": 2, "name": "changed"}],
        "split": {"by": "windows", "windows": [{"cols": (128, 192)}], "buffer": 8},
        "network": {"architecture": "Dilated", "encoder": "none", "fusion": "absolute_difference",
                    "params": {"width": 12, "dilations": (1, 2)}},
        "chip_size": 64, "halo": 8, "samples": {"crop": 32, "balance": 0.5}, "augment": {"gain": 0.05, "offset": 0.05},
        "fit": {"steps": 50, "batch_size": 8, "learning_rate": 0.01, "ema": 0.5, "validate_every": 1000},
    }  # fmt: skip
    return TrainSettings.of(**{**values, **changes})


@pytest.fixture(scope="module")
def land(tmp_path_factory) -> Path:
    """A synthetic pair, and where its classes differ."""
    folder = tmp_path_factory.mktemp("synth") / "land"
    made = geoseg.synth(folder, size=192, dates=2, seed=3, change=0.15, threads=1)
    truths = []
    for path in made.truths:
        with rasterio.open(path) as dataset:
            truths.append(dataset.read(1))
            transform, crs = dataset.transform, dataset.crs
    label = np.where(truths[0] == truths[1], 1, 2).astype(np.uint8)
    write_raster(folder / "change.tif", label[None], transform=transform, crs=crs.to_string())
    return folder


@pytest.mark.slow
def test_a_tiny_training_finds_change_better_than_chance(land, tmp_path) -> None:
    made = train(change_job(land), tmp_path / "bundle")
    assert made is not None
    overall = made.scores["overall"]
    assert overall["kappa"]["value"] > 0.25  # 0 by chance, and for the largest class everywhere
    assert overall["balanced_accuracy"]["value"] > 0.65
    bundle = open_bundle(made.bundle.path)
    assert bundle.network is not None
    assert (bundle.network.dates, bundle.network.fusion) == (2, "absolute_difference")
    assert [band.name for band in bundle.bands] == list(dated(("green", "red", "nir", "swir1")))
    for before, after in zip(bundle.bands[:4], bundle.bands[4:], strict=True):
        assert (before.mean, before.std) == (after.mean, after.std)
    scored = geoseg.evaluate(
        bundle, geoseg.open_dates(land / "scene_1.tif", land / "scene_2.tif"), land / "change.tif", backend="torch"
    ).scores
    assert scored["overall"]["kappa"]["value"] > 0.25
    assert preview(change_job(land), tmp_path / "sheet.png").stat().st_size > 1000


def test_one_mean_and_deviation_are_of_the_pixels_of_both_dates(land) -> None:
    scenes = open_labelled(change_job(land))
    bands = statistics(scenes, whole(scenes))
    image, valid, _ = scenes[0].read(Window(0, 0, *scenes[0].shape))
    values = image[:, valid].astype(np.float64) * scenes[0].scene.bands[0].scale
    for i in range(4):
        both = np.concatenate([values[i], values[i + 4]])
        assert [bands[k].mean for k in (i, i + 4)] == pytest.approx([both.mean()] * 2)
        assert [bands[k].std for k in (i, i + 4)] == pytest.approx([both.std()] * 2)


def test_dates_may_be_opened_each_in_its_way(land) -> None:
    green, red = (["-", "green", "red", "-", "-", "-"], ["-", "red", "green", "-", "-", "-"])
    before = {"scene": str(land / "scene_1.tif"), "bands": red}
    scene = {"before": before, "after": str(land / "scene_2.tif"), "bands": green, "scale": 1e-4}
    job = change_job(land, scenes=[{**scene, "labels": str(land / "change.tif")}], bands=("green", "red"))
    (labelled,) = open_labelled(job)
    assert [(band.name, band.index) for band in labelled.scene.bands] == [
        ("before_green", 3), ("before_red", 2), ("after_green", 2), ("after_red", 3),
    ]  # fmt: skip
    assert labelled.scene.units == "reflectance"
    assert job.files == (str(land / "scene_1.tif"), str(land / "scene_2.tif"), str(land / "change.tif"))


def test_a_job_of_two_dates_is_read_beside_its_file(land) -> None:
    text = """
name: change
scenes:
  - before: scene_1.tif
    after: {scene: scene_2.tif, nodata: 7}
    labels: change.tif
bands: [red]
recode: {"tree->*": bare}
"""
    (land / "job.yaml").write_text(text)
    (scene,) = TrainSettings.read(land / "job.yaml").scenes
    assert [date.files for date in scene.dates] == [(str(land / "scene_1.tif"),), (str(land / "scene_2.tif"),)]
    assert [date.nodata for date in scene.dates] == [None, 7]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenes": [{"before": "a.tif", "labels": "l.tif"}]}, "both before and after"),
        ({"scenes": [{"labels": "l.tif"}]}, "name a scene"),
        ({"scenes": [{"scene": "c.tif", "before": "a.tif", "after": "b.tif", "labels": "l.tif"}]}, "name a scene"),
        ({"scenes": [{"scene": "c.tif", "align": True, "labels": "l.tif"}]}, "align is for pairs"),
        ({"scenes": [{"scene": "c.tif", "labels": "l"}, {"before": "a", "after": "b", "labels": "l"}]}, "either all"),
        ({"scenes": [{"scene": "c.tif", "labels": "l.tif"}]}, "network.fusion is for"),
    ],
)
def test_a_job_that_does_not_know_its_dates_is_refused(changes, said) -> None:
    with pytest.raises(UsageError, match=said):
        change_job(Path(), **changes)
