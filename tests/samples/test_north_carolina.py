"""The sample that ships: scene, labels and bundle belong together, and the card's scores are what the bundle reaches."""

import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.grid.geobox import Window
from geoseg.jobs.train import describe, train
from geoseg.legend import HARMONISED
from geoseg.mask.stitch import StitchSettings, predict_block
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.predict import Choice, Predictor, load_predictor
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from geoseg.training.data.labelled import open_labelled
from geoseg.training.scoring.confusion import Confusion, kappa
from geoseg.training.settings.job import TrainSettings


@pytest.fixture(scope="module")
def bundle(sample: Path) -> Bundle:
    return open_bundle(sample / "bundle")


@pytest.fixture(scope="module")
def job(root: Path) -> TrainSettings:
    return TrainSettings.read(root / "pipelines" / "train_north_carolina.yaml")


@pytest.fixture(scope="module")
def scene(sample: Path, bundle: Bundle) -> Scene:
    return open_scene([sample / "scene.tif"]).select([band.name for band in bundle.bands]).in_units(bundle.units)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return load_predictor(bundle, Choice("torch", "cpu", "fp32", 1, ()))


@pytest.fixture(scope="module")
def normalization(bundle: Bundle, scene: Scene) -> Normalization:
    return Normalization.of(scene, [band.mean for band in bundle.bands], [band.std for band in bundle.bands])


@pytest.fixture(scope="module")
def mask(predictor: Predictor, bundle: Bundle, scene: Scene, normalization: Normalization) -> np.ndarray:
    """The class map at the bundle's own chip and halo."""
    image, valid = read_window(scene, Window(0, 0, *scene.geobox.shape))
    grid = BlockGrid.sized(ChipGrid(scene.geobox.shape, bundle.chip_size, bundle.halo, bundle.align), 4096)
    done = predict_block(
        predictor, grid, grid.block(0, 0), image, valid,
        normalization=normalization, legend=bundle.legend, settings=StitchSettings(),
    )  # fmt: skip
    assert done.chips > 1  # it has seams
    return done.mask


def test_tiled_and_whole_scene_prediction_differ_in_a_thousandth_of_the_pixels_at_most(
    predictor: Predictor, bundle: Bundle, scene: Scene, normalization: Normalization, mask: np.ndarray
) -> None:
    image, valid = read_window(scene, Window(0, 0, *scene.geobox.shape))
    beyond = [(0, -length % bundle.align) for length in valid.shape]
    whole = np.pad(normalize(image, valid, normalization), [(0, 0), *beyond])
    index = predictor.classify(whole[None]).index[0, : valid.shape[0], : valid.shape[1]]
    values = np.array(bundle.legend.values, np.uint8)[index]
    assert valid.mean() > 0.8 and ((mask != bundle.legend.nodata) == valid).all()
    assert (mask != values)[valid].mean() <= 0.001


def test_the_network_maps_what_it_was_trained_on_better_than_the_card_says_of_places_it_has_not_seen(
    job: TrainSettings, bundle: Bundle, mask: np.ndarray
) -> None:
    (labelled,) = open_labelled(job)
    label = labelled.labels.read(Window(0, 0, *labelled.shape))
    label[mask == bundle.legend.nodata] = bundle.legend.nodata
    own = float(kappa(Confusion.count(label, mask, bundle.legend.values)))
    stated = json.loads(bundle.scores)["held_out"]
    assert stated["kappa"]["value"] < own < 0.9


def test_the_bundle_was_made_from_this_scene_these_labels_and_this_job(job: TrainSettings, bundle: Bundle) -> None:
    facts = describe(job)
    card = json.loads(bundle.card)["properties"]["geoseg:bundle"]
    made = {name: card["training"][name] for name in facts.training}
    assert json.loads(json.dumps(facts.training)) == made
    assert facts.bands == bundle.bands and facts.legend == bundle.legend and facts.network == bundle.network
    assert (bundle.chip_size, bundle.halo, job.licence) == (job.chip_size, 9, "CC-BY-SA-3.0")


def test_the_bundle_is_small_and_says_what_it_does_not_know(bundle: Bundle) -> None:
    assert Path(bundle.weights).stat().st_size < 1_000_000
    assert bundle.sample is not None and bundle.align == 1
    assert set(bundle.legend.classes) <= set(HARMONISED.classes)
    scores = json.loads(bundle.scores)
    held = scores["held_out"]
    assert {"overall_accuracy", "kappa", "macro_f1", "mean_iou", "iou", "largest_class", "pixels", "of"} <= set(held)
    assert held["kappa"]["low"] < held["kappa"]["value"] < held["kappa"]["high"]
    assert "1996" in held["caveat"] and "generalisation" in held["caveat"]


def test_the_card_says_that_the_network_beats_gradient_boosting_on_the_same_folds(bundle: Bundle) -> None:
    scores = json.loads(bundle.scores)
    for name in ("kappa", "macro_f1"):
        assert scores["mean_of_folds"][name] > scores["baseline"]["mean_of_folds"][name]
    assert scores["baseline"]["better"]


@pytest.mark.slow  # some minutes
def test_the_job_gives_what_the_card_says(job: TrainSettings, bundle: Bundle, tmp_path: Path) -> None:
    made = train(job, tmp_path / "bundle")
    assert made is not None
    stated = json.loads(bundle.scores)
    for name in ("kappa", "macro_f1"):
        found = made.scores["mean_of_folds"][name]
        assert found == pytest.approx(stated["mean_of_folds"][name], abs=0.03)  # another processor rounds otherwise
        assert found > made.scores["baseline"]["mean_of_folds"][name]
