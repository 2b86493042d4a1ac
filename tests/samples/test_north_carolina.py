"""The sample that ships: scene, labels and bundle belong together, and the card's scores are what the bundle reaches."""

import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.grid.geobox import Window
from geoseg.jobs.train import describe
from geoseg.legend import HARMONISED
from geoseg.mask.stitch import StitchSettings, predict_block
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.predict import Choice, Predictor, load_predictor
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from geoseg.train.confusion import Confusion, overall_accuracy, scores
from geoseg.train.simple import TrainSettings, read_labels


@pytest.fixture(scope="module")
def bundle(sample: Path) -> Bundle:
    return open_bundle(sample / "bundle")


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
    assert done.chips == 8  # it has seams
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


def test_the_scores_in_the_card_are_what_the_bundle_reaches_on_the_area_that_was_held_out(
    sample: Path, bundle: Bundle, scene: Scene, mask: np.ndarray
) -> None:
    settings = TrainSettings.read(sample / "train.yaml")
    label = read_labels(settings.labels, scene, settings.recode)
    assert settings.held_out.cols is None and settings.held_out.rows is not None
    part = slice(*settings.held_out.rows)
    valid = mask[part] != bundle.legend.nodata
    found = Confusion.count(label[part][valid], mask[part][valid], bundle.legend.values)
    stated = json.loads(bundle.scores)["held_out"]
    assert found.pixels == stated["pixels"]
    assert overall_accuracy(found) == pytest.approx(
        stated["overall_accuracy"], abs=0.002
    )  # another machine rounds otherwise
    assert scores(found, bundle.legend.names)["mean_iou"] == pytest.approx(stated["mean_iou"], abs=0.005)
    assert stated["overall_accuracy"] > stated["largest_class_share"]


def test_the_bundle_was_made_from_this_scene_these_labels_and_this_job(sample: Path, bundle: Bundle) -> None:
    facts = describe(TrainSettings.read(sample / "train.yaml"))
    card = json.loads(bundle.card)["properties"]["geoseg:bundle"]
    assert facts.training["digest"] == card["training"]["digest"]
    assert json.loads(json.dumps(facts.training)) == card["training"]
    assert facts.bands == bundle.bands and facts.legend == bundle.legend and facts.network == bundle.network
    assert (facts.chip_size, facts.halo, facts.licence) == (bundle.chip_size, bundle.halo, "CC-BY-SA-3.0")


def test_the_bundle_is_small_and_says_what_it_does_not_know(bundle: Bundle) -> None:
    assert Path(bundle.weights).stat().st_size < 8_000_000
    assert bundle.sample is not None and bundle.align == 8
    assert set(bundle.legend.classes) <= set(HARMONISED.classes)
    held = json.loads(bundle.scores)["held_out"]
    assert {"overall_accuracy", "kappa", "macro_f1", "mean_iou", "iou", "largest_class_share", "pixels", "area"} <= set(
        held
    )
    assert "1996" in held["caveat"] and "not generalisation" in held["caveat"]
