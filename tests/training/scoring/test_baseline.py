"""Baseline: features against a slow count, pixels drawn fairly, and the figures that are known for the sample."""

from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.scene import open_scene
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.labels import index_of, open_labels
from geoseg.training.scoring.baseline import REACH, compare, draw, features_of, fit_baseline
from geoseg.training.scoring.evaluate import Measures, evaluate
from geoseg.training.scoring.mapper import Bools
from geoseg.training.settings.data import LabelSettings
from tests.helpers.mapping import LEGEND, ArrayLabels, ArrayMapper, ArrayScene, random_scene
from tests.helpers.rasters import write_raster


def labelled(folder: Path, side: int = 64, seed: int = 0) -> LabelledScene:
    """Squares of 8 pixels; a class is a shade, with noise on single pixels, and some of the scene is nodata."""
    rng = np.random.default_rng(seed)
    label = np.kron(rng.choice(np.array([1, 2, 5], np.uint8), (side // 8, side // 8)), np.ones((8, 8), np.uint8))
    image = 40 * label[None] + rng.normal(0, 40, (2, side, side))
    image = np.clip(image, 1, 255).astype(np.uint8)
    image[:, :5, :7] = 0
    path = write_raster(folder / "scene.tif", image, names=("red", "nir"), nodata=0)
    return LabelledScene("scene", open_scene(path, scale=0.5, offset=3), ArrayLabels(label), LEGEND)


def test_features_are_those_of_the_valid_neighbours(tmp_path: Path) -> None:
    scene = labelled(tmp_path, 24)
    image, valid, _ = scene.read(Window(0, 0, 24, 24))
    found = features_of(image, valid, scene.scene)
    assert found.shape == (8, 24 - 2 * REACH, 24 - 2 * REACH)
    units = image * 0.5 + 3
    for row in range(REACH, 24 - REACH, 4):
        for col in range(REACH, 24 - REACH, 3):
            if not valid[row, col]:
                continue
            around = [(slice(row - r, row + r + 1), slice(col - r, col + r + 1)) for r in (1, REACH)]
            near, far = (units[:, *where][:, valid[where]] for where in around)
            expected = np.concatenate([units[:, row, col], near.mean(axis=1), far.mean(axis=1), far.std(axis=1)])
            assert found[:, row - REACH, col - REACH] == pytest.approx(expected)


def test_a_fitted_baseline_maps_and_is_scored_as_a_network_is(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    scene = labelled(tmp_path)
    train, test = (lambda w: (np.arange(w.row, w.row + w.height) < 32)[:, None] & np.ones(w.shape, bool)), None
    baseline = fit_baseline([scene], LEGEND, where=[train])
    test = evaluate(baseline, [scene], where=[lambda w: ~train(w)])
    assert test.confusion.pixels == 32 * 64
    told = test.scores()["overall"]
    assert told["overall_accuracy"]["value"] > 0.8 and told["expected_calibration_error"]["value"] is not None
    again = evaluate(fit_baseline([scene], LEGEND, where=[train]), [scene], where=[lambda w: ~train(w)])
    assert np.array_equal(again.tally.rows, test.tally.rows)


def test_pixels_are_drawn_fairly_once_each_and_only_where_allowed(tmp_path: Path) -> None:
    scene = labelled(tmp_path, 96)
    image, valid, label = scene.read(Window(0, 0, 96, 96))
    half = np.zeros((96, 96), bool)
    half[:, 48:] = True

    def where(window: Window) -> Bools:
        return half[window.slices]

    features, index = draw([scene], LEGEND, where=[where], seed=0, pixels=10**6)
    known = valid & half
    padded = features_of(np.pad(image, ((0, 0), (3, 3), (3, 3))), np.pad(valid, 3), scene.scene)
    assert len(index) == known.sum()
    assert np.array_equal(features, padded[:, known].T) and np.array_equal(index, index_of(LEGEND)[label[known]])
    few, chosen = draw([scene], LEGEND, where=[where], seed=0, pixels=500)
    assert len(chosen) == 500 and len({tuple(row) for row in few}) == 500
    assert {tuple(row) for row in few} <= {tuple(row) for row in features}
    shares = np.bincount(chosen, minlength=3) / 500 - np.bincount(index, minlength=3) / len(index)
    assert np.abs(shares).max() < 0.08
    other, _ = draw([scene], LEGEND, where=[where], seed=1, pixels=500)
    assert not np.array_equal(few, other)


def test_a_training_part_of_one_class_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    scene = labelled(tmp_path)
    for labels in (np.ones((64, 64), np.uint8), np.zeros((64, 64), np.uint8)):
        with pytest.raises(InputRefused, match="EMPTY"):
            fit_baseline([LabelledScene("scene", scene.scene, ArrayLabels(labels), LEGEND)], LEGEND)


def test_a_comparison_says_which_is_better_and_how_sure_that_is() -> None:
    good, poor = (random_scene((128, 128), right=share) for share in (0.9, 0.6))
    same = ArrayScene(poor.mask, good.label, good.valid)
    network, baseline = (evaluate(ArrayMapper(), [scene], measures=Measures(None, False)) for scene in (good, same))
    told = compare(network, baseline)
    assert told["better"] is True and not compare(baseline, network)["better"]
    for name in ("kappa", "macro_f1"):
        difference = told[name]["difference"]
        assert told[name]["network"] - told[name]["baseline"] == pytest.approx(difference["value"], abs=2e-6)
        assert 0 < difference["low"] < difference["value"] < difference["high"]
        assert compare(network, network)[name]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert not compare(network, network)["better"]


@pytest.mark.slow
def test_on_the_sample_it_reaches_what_is_known_of_it(sample: Path) -> None:
    pytest.importorskip("sklearn")
    recode = {1: 5, 3: 3, 4: 3, 5: 2, 6: 1}
    from geoseg.legend import HARMONISED, Legend

    legend = Legend(tuple(item for item in HARMONISED.classes if item.value in recode.values()))
    scene = open_scene(sample / "scene.tif").select(["blue", "green", "red", "nir", "swir1"])
    labels = open_labels(LabelSettings(path=str(sample / "labels.tif")), scene.geobox, legend, recode)
    labelled = LabelledScene("sample", scene, labels, legend)

    def held(window: Window) -> Bools:
        return (np.arange(window.row, window.row + window.height) < 123)[:, None] & np.ones(window.shape, bool)

    baseline = fit_baseline([labelled], legend, where=[lambda w: ~held(w)])
    told = evaluate(baseline, [labelled], where=[held], measures=Measures(None, False)).scores()["overall"]
    assert told["overall_accuracy"]["value"] == pytest.approx(0.70, abs=0.01)
    assert told["kappa"]["value"] == pytest.approx(0.49, abs=0.015)
    assert told["macro_f1"]["value"] == pytest.approx(0.58, abs=0.02)
