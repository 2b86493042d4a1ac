"""Labelled scenes to a bundle: what the card says is so, the same job gives the same bundle, a stopped one goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.errors import BundleError, Conflict, InputRefused, UsageError
from geoseg.jobs.train import describe, preview, train
from geoseg.model.bundle import Bundle, open_bundle, read_sample
from geoseg.training.data.cells import cell_side
from geoseg.training.data.labelled import open_labelled
from geoseg.training.fitting.fit import Progress
from geoseg.training.settings.job import TrainSettings
from geoseg.training.trial import OnStep
from tests.helpers.rasters import write_raster
from tests.helpers.training import job, labelled_scene

SHORT = {"steps": 2, "batch_size": 2}


def trained(settings: TrainSettings, out: Path, on_step: OnStep | None = None) -> Bundle:
    made = train(settings, out, on_step=on_step)
    assert made is not None
    return made.bundle


def test_a_job_gives_a_bundle_that_knows_its_classes_bands_and_scores(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    made = train(job(labelled_scene(tmp_path)), tmp_path / "bundle")
    assert made is not None
    bundle = made.bundle
    assert bundle.legend.names == {1: "water", 5: "built"}
    assert [band.name for band in bundle.bands] == ["red", "nir"] and bundle.units == "dn"
    held = json.loads(bundle.scores)["held_out"]
    assert (
        held["overall_accuracy"]["value"] == 1.0 and held["pixels"] == 45 * 16 - 4
    )  # nodata, ignored labels: not counted
    assert made.scores["overall"]["kappa"]["value"] == 1.0
    assert torch.get_num_threads() == threads and not torch.are_deterministic_algorithms_enabled()
    assert {path.name for path in (tmp_path / "bundle").iterdir()} >= {
        "card.json", "weights.safetensors", "scores.json", "report.html", "confusion.png", "reliability.png",
        "metrics.jsonl", "curves.png", "split.geojson", "split.png", "findings.json",
    }  # fmt: skip
    assert not (tmp_path / ".bundle.training").exists()


def test_the_same_job_gives_the_same_bundle(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path))
    steps: list[tuple[str, int, int]] = []
    one = trained(settings, tmp_path / "one", lambda name, at: steps.append((name, at.step, at.steps)))
    torch.manual_seed(1)  # what happened before in the process does not matter
    assert trained(settings, tmp_path / "two").digest == one.digest
    assert steps == [("split", n + 1, 60) for n in range(60)]


def test_folds_are_scored_by_networks_that_have_not_seen_them_and_the_bundle_by_one_that_saw_all(
    tmp_path: Path,
) -> None:
    split = {"by": "windows", "folds": 2, "windows": [{"cols": (0, 24)}, {"cols": (24, 48)}], "buffer": 2}
    names: list[str] = []
    settings = job(labelled_scene(tmp_path), split=split, scores={"baseline": True})
    made = train(settings, tmp_path / "bundle", on_step=lambda name, at: names.append(name))
    assert made is not None and list(dict.fromkeys(names)) == ["fold 1", "fold 2", "whole"]
    assert made.scores["pixels"] == 45 * 48 - 4  # each pixel once
    assert set(made.scores["folds"]) == {"fold 1", "fold 2"} == set(made.scores["baseline"]["folds"])
    assert made.scores["mean_of_folds"]["kappa"] == pytest.approx(
        np.mean([fold["kappa"]["value"] for fold in made.scores["folds"].values()]), abs=1e-5
    )
    card = json.loads(made.bundle.card)["properties"]["geoseg:bundle"]
    assert "2 folds" in card["scores"]["held_out"]["of"] and "verdict" in card["scores"]["baseline"]
    assert card["training"]["calibration"]["pixels"] == 45 * 48 - 4


def test_validation_keeps_the_best_weights_and_a_test_part_is_scored(tmp_path: Path) -> None:
    split = {"by": "blocks", "block": 8, "buffer": 0, "validation": 0.2, "test": 0.2}
    fit = {"steps": 12, "batch_size": 4, "learning_rate": 0.3, "ema": 0.5, "validate_every": 4}
    made = train(job(labelled_scene(tmp_path), split=split, fit=fit, samples={"crop": 8}), tmp_path / "bundle")
    assert made is not None and "test part" in made.scores["part"]
    lines = [json.loads(line) for line in (tmp_path / "bundle" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "mean_iou" in line] == [4, 8, 12]


def test_without_a_kept_part_the_card_has_no_scores(tmp_path: Path) -> None:
    split = {"by": "blocks", "block": 16, "validation": 0, "test": 0}
    bundle = trained(job(labelled_scene(tmp_path), split=split, fit=SHORT), tmp_path / "bundle")
    assert json.loads(bundle.scores) == {}


def test_a_label_changed_changes_the_training_digest(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path))
    one = describe(settings).training
    import rasterio

    with rasterio.open(settings.scenes[0].labels.path) as dataset:
        label = dataset.read()
    label[0, 20, 20] = 3 - label[0, 20, 20]
    write_raster(Path(settings.scenes[0].labels.path), label, nodata=0)
    assert one["digest"] != describe(settings).training["digest"]


def test_the_self_test_comes_from_kept_places_where_they_are_large_enough(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path, side=192)
    split = {"by": "windows", "windows": [{"cols": [64, 192]}], "buffer": 4}
    found = read_sample(trained(job(folder, split=split, fit=SHORT), tmp_path / "bundle"))
    assert found is not None
    images, index = found
    assert images.shape == (8, 2, 64, 64) and index is not None and np.isfinite(images).all()


@pytest.mark.slow
def test_a_training_killed_in_the_middle_goes_on_to_the_same_bundle(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    split = {"by": "windows", "folds": 2, "windows": [{"cols": (0, 24)}, {"cols": (24, 48)}], "buffer": 2}
    fit = {"steps": 120, "batch_size": 4, "learning_rate": 0.1, "checkpoint_every": 10}
    settings = job(folder, split=split, fit=fit)
    (folder / "job.yaml").write_text(json.dumps(settings.model_dump(mode="json")))
    command = [sys.executable, "-m", "geoseg", "train", str(folder / "job.yaml"), str(tmp_path / "killed")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = tmp_path / ".killed.training" / "fold 2" / "checkpoint.json"
    until = time.monotonic() + 120
    while not any((tmp_path / ".killed.training" / "fold 2").glob("*")) and process.poll() is None:
        assert time.monotonic() < until, second
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed").exists()
    seen: list[tuple[str, int]] = []
    resumed = trained(settings, tmp_path / "killed", lambda name, at: seen.append((name, at.step)))
    assert ("fold 1", 1) not in seen  # it was done
    assert resumed.digest == trained(settings, tmp_path / "whole").digest


def test_an_existing_bundle_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(Conflict, match="EXISTS"):
        train(job(tmp_path), tmp_path / "bundle")


def test_a_folder_of_data_is_not_replaced_by_a_bundle_nor_an_input_by_a_preview(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    with pytest.raises(Conflict, match="EXISTS"):
        train(job(folder), folder, overwrite=True)
    with pytest.raises(Conflict, match="INPUT"):
        preview(job(folder), folder / "labels.tif", overwrite=True)
    assert {path.name for path in folder.iterdir()} == {"scene.tif", "labels.tif"}


def test_what_is_left_of_another_job_is_refused_and_dropped_with_restart(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)

    def stop(name: str, at: Progress) -> None:
        if at.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job(folder, fit={**SHORT, "checkpoint_every": 1}), tmp_path / "bundle", on_step=stop)
    other = job(folder, fit={**SHORT, "checkpoint_every": 1, "seed": 5})
    with pytest.raises(Conflict, match="CHECKPOINT"):
        train(other, tmp_path / "bundle")
    assert train(other, tmp_path / "bundle", restart=True) is not None


def test_labels_that_are_not_there_are_said_to_be_so_and_not_taken_for_a_bad_split(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    by_blocks = {"split": {"block": 16, "buffer": 0}}
    with pytest.raises(InputRefused, match=r"NO_LABELS|CODES"):
        train(job(folder, recode={77: "water", 78: "built"}, **by_blocks), tmp_path / "bundle")
    write_raster(folder / "labels.tif", np.zeros((1, 48, 48), np.uint8), nodata=0)
    with pytest.raises(InputRefused, match="NO_LABELS"):
        train(job(folder, **by_blocks), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_baseline_that_one_class_leaves_no_choice_is_refused_before_the_training(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path), recode={1: "water"}, scores={"baseline": True})
    with pytest.raises(InputRefused, match="BASELINE"):
        train(settings, tmp_path / "bundle", on_step=lambda name, at: pytest.fail("it was trained"))


def test_squares_of_any_side_cost_no_more_memory_than_a_block(tmp_path: Path) -> None:
    scenes = open_labelled(job(labelled_scene(tmp_path)))
    assert cell_side(scenes, 128) == 32 and cell_side(scenes, 37) == 37
    assert cell_side(scenes, 30011) == cell_side(scenes, 10**12) == 32  # 30011 is a prime


def test_a_job_that_another_process_trains_is_left_to_it_even_with_restart(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    settings = job(folder, fit={**SHORT, "checkpoint_every": 1})

    def meddle(name: str, at: Progress) -> None:
        for restart in (False, True):
            with pytest.raises(Conflict, match="LOCKED"):
                train(settings, tmp_path / "bundle", restart=restart)

    assert trained(settings, tmp_path / "bundle", meddle).name == "tiny"


@pytest.mark.parametrize(
    "changes",
    [
        {"recode": {1: 99}},
        {"halo": 16},
        {"fit": {"stepz": 1}},
        {"fit": {"learning_rate": float("inf")}},
        {"fit": {"seed": 1 << 70}},
        {"fit": {"batch_size": 10**9}},
        {"network": {"freeze": "encoder", "architecture": "Conv1x1", "encoder": "none"}},
        {"classes": [{"value": 1, "name": "water"}, {"value": 1, "name": "built"}]},
        {"split": {"by": "windows"}},
        {"extra": 1},
        {"scenes": []},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    labelled_scene(tmp_path)
    with pytest.raises(UsageError):
        train(job(tmp_path, **changes), tmp_path / "bundle")
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "labels.tif"}


def test_a_job_file_is_yaml_with_paths_relative_to_it(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    document = job(folder).model_dump(mode="json") | {"scenes": [{"scene": "scene.tif", "labels": "labels.tif"}]}
    path = folder / "job.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    read = TrainSettings.read(path)
    assert read.scenes[0].files == (str(folder / "scene.tif"),)
    assert read.scenes[0].labels.path == str(folder / "labels.tif")
    for text in ("- 1", "{", "\x00", "licence: 2001-99-99", "a: " + "[" * 3000):
        path.write_text(text)
        with pytest.raises(InputRefused, match="YAML"):
            TrainSettings.read(path)
    for text in ("1: tiny", "cls: tiny"):
        path.write_text(text)
        with pytest.raises(UsageError, match="SETTING"):
            TrainSettings.read(path)


def test_the_file_of_flags_is_beside_the_job_too(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    scene = {"scene": "scene.tif", "labels": "labels.tif"}
    told = {
        "labels.tif:values=9": f"{folder / 'labels.tif'}:values=9",
        "SCL:values=3": "SCL:values=3",
        "clouds": "clouds",
    }
    for rule, found in told.items():
        document = job(folder).model_dump(mode="json") | {"scenes": [{**scene, "quality": rule}]}
        (folder / "job.yaml").write_text(json.dumps(document))
        assert TrainSettings.read(folder / "job.yaml").scenes[0].quality == found


def test_the_preview_is_a_picture_and_trains_nothing(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path))
    picture = preview(settings, tmp_path / "crops.png")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(Conflict, match="EXISTS"):
        preview(settings, tmp_path / "crops.png")


def test_the_command_trains_prints_scores_and_refuses_to_overwrite(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    document = job(folder, fit=SHORT).model_dump(mode="json")
    (folder / "job.yaml").write_text(json.dumps(document))
    arguments = ["train", str(folder / "job.yaml"), str(tmp_path / "bundle")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0 and "kappa" in done.stdout
    assert open_bundle(tmp_path / "bundle").name == "tiny"
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 4 and "EXISTS" in again.stderr
    told = CliRunner().invoke(cli, [*arguments, "--overwrite", "--json"])
    assert told.exit_code == 0 and "overall" in json.loads(told.stdout)["scores"]
    missing = CliRunner().invoke(cli, ["train", str(tmp_path / "none.yaml"), str(tmp_path / "b")])
    assert missing.exit_code == 3 and missing.stderr.count("\n") == 1


def test_what_cannot_become_a_bundle_is_said_before_the_training(tmp_path: Path) -> None:
    steps: list[str] = []
    settings = job(labelled_scene(tmp_path), chip_size=33, network={"architecture": "Unet", "encoder": "resnet18"})
    with pytest.raises(BundleError, match="CARD"):
        train(settings, tmp_path / "bundle", on_step=lambda name, at: steps.append(name))
    assert not steps and not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_two_processes_of_torchrun_leave_one_bundle(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    split = {"by": "windows", "folds": 2, "windows": [{"cols": (0, 24)}, {"cols": (24, 48)}], "buffer": 2}
    (folder / "job.yaml").write_text(json.dumps(job(folder, split=split).model_dump(mode="json")))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "geoseg"]
    command = [*torchrun, "train", str(folder / "job.yaml"), str(tmp_path / "bundle")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    held = json.loads(open_bundle(tmp_path / "bundle").scores)["held_out"]
    assert held["overall_accuracy"]["value"] == 1.0
