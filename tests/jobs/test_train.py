"""A labelled scene to a bundle: what the card says is so, and the same job gives the same weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.jobs.train import train
from geoseg.model.bundle import open_bundle, read_sample
from geoseg.train.simple import TrainSettings
from tests.helpers.rasters import write_raster
from tests.helpers.training import job, labelled_scene


def test_a_job_gives_a_bundle_that_knows_its_classes_bands_and_scores(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    bundle = train(job(labelled_scene(tmp_path)), tmp_path / "bundle")
    assert bundle.legend.names == {1: "water", 5: "built"}
    assert [band.name for band in bundle.bands] == ["red", "nir"] and bundle.units == "dn"
    held = json.loads(bundle.scores)["held_out"]
    assert held["overall_accuracy"] == 1.0 and held["pixels"] == 45 * 16 - 4  # nodata and ignored labels do not count
    assert torch.get_num_threads() == threads and not torch.are_deterministic_algorithms_enabled()


def test_the_same_job_gives_the_same_bundle(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path))
    steps: list[tuple[int, int]] = []
    one = train(settings, tmp_path / "one", on_step=lambda done, total, loss: steps.append((done, total)))
    torch.manual_seed(1)  # what happened before in the process does not matter
    assert train(settings, tmp_path / "two").digest == one.digest
    assert steps == [(n + 1, 60) for n in range(60)]


def test_a_label_changed_changes_the_training_digest(tmp_path: Path) -> None:
    settings = job(labelled_scene(tmp_path), fit={"steps": 1, "crop": 16, "batch_size": 1})
    one = json.loads(train(settings, tmp_path / "one").card)["properties"]["geoseg:bundle"]["training"]
    import rasterio

    with rasterio.open(settings.labels) as dataset:
        label = dataset.read()
    label[0, 20, 20] = 3 - label[0, 20, 20]
    write_raster(Path(settings.labels), label, nodata=0)
    two = json.loads(train(settings, tmp_path / "two").card)["properties"]["geoseg:bundle"]["training"]
    assert one["digest"] != two["digest"] and one["pixels"] == two["pixels"]


def test_the_self_test_comes_from_the_held_out_area(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path, side=192)
    settings = job(folder, held_out={"cols": [64, 192], "buffer": 4}, fit={"steps": 1, "crop": 16, "batch_size": 1})
    found = read_sample(train(settings, tmp_path / "bundle"))
    assert found is not None
    images, index = found
    assert images.shape == (8, 2, 64, 64) and index is not None and np.isfinite(images).all()


def test_an_existing_bundle_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(Conflict, match="EXISTS"):
        train(job(tmp_path), tmp_path / "bundle")


@pytest.mark.parametrize(
    "changes", [{"recode": {1: 99}}, {"halo": 16}, {"fit": {"stepz": 1}}, {"held_out": {"buffer": 1}}, {"extra": 1}]
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    labelled_scene(tmp_path)
    with pytest.raises(UsageError):
        train(job(tmp_path, **changes), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_job_file_is_yaml_with_paths_relative_to_it(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    document = job(folder).model_dump(mode="json") | {"scene": "scene.tif", "labels": "labels.tif"}
    path = folder / "job.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    assert TrainSettings.read(path) == job(folder)
    for text in ("- 1", "{", "\x00"):
        path.write_text(text)
        with pytest.raises(InputRefused, match="YAML"):
            TrainSettings.read(path)


def test_the_command_trains_prints_scores_and_refuses_to_overwrite(tmp_path: Path) -> None:
    folder = labelled_scene(tmp_path)
    document = job(folder, fit={"steps": 2, "crop": 16}).model_dump(mode="json")
    (folder / "job.yaml").write_text(json.dumps(document))
    arguments = ["train", str(folder / "job.yaml"), str(tmp_path / "bundle")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0 and "held_out" in json.loads(done.stdout)
    assert open_bundle(tmp_path / "bundle").name == "tiny"
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 4 and "EXISTS" in again.stderr
    assert CliRunner().invoke(cli, [*arguments, "--overwrite"]).exit_code == 0
    missing = CliRunner().invoke(cli, ["train", str(tmp_path / "none.yaml"), str(tmp_path / "b")])
    assert missing.exit_code == 3 and missing.stderr.count("\n") == 1
