"""Mapper: a network's map in an evaluation is the one that segment makes; places without labels are not predicted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from geoseg.grid.geobox import Window
from geoseg.mask.stitch import StitchSettings, predict_block
from geoseg.model.bundle import BandSpec, BundleFacts, NetworkSpec
from geoseg.model.network import build
from geoseg.raster.normalize import Normalization
from geoseg.raster.read import read_window
from geoseg.raster.scene import open_scene
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.scoring.evaluate import evaluate
from geoseg.training.scoring.mapper import NetworkMapper, labelled_where
from tests.helpers.mapping import LEGEND, ArrayLabels
from tests.helpers.oracles import BoxMeanPredictor
from tests.helpers.rasters import write_raster

BANDS = (BandSpec("red", 100.0, 50.0), BandSpec("nir", 100.0, 40.0))


def facts(**changes: object) -> BundleFacts:
    network = NetworkSpec("Conv1x1", "none", 2, 3)
    return BundleFacts(
        "tiny", bands=BANDS, legend=LEGEND, **{"chip_size": 32, "halo": 8, "align": 8, "network": network, **changes}
    )


def labelled(folder: Path, label: np.ndarray) -> LabelledScene:
    image = np.random.default_rng(0).integers(1, 255, (2, *label.shape), np.uint8)
    image[:, :2] = 0
    path = write_raster(folder / "scene.tif", image, names=("red", "nir"), nodata=0)
    return LabelledScene("scene", open_scene(path), ArrayLabels(label), LEGEND)


def some_label(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).choice(np.array([0, 1, 2, 5], np.uint8), shape)


class ThreeMeans(BoxMeanPredictor):
    def __init__(self) -> None:
        super().__init__(3, (-0.1, 0.1))


def test_pieces_are_the_map_of_the_whole_scene(tmp_path: Path) -> None:
    scene = labelled(tmp_path, some_label((70, 90)))
    mapper = NetworkMapper.of(facts(), ThreeMeans())
    grid = replace(mapper, block_size=999).grid_of(scene.shape)
    image, valid = read_window(scene.scene, Window(0, 0, 70, 90))
    norm = Normalization.of(scene.scene, [b.mean for b in BANDS], [b.std for b in BANDS])
    whole = predict_block(
        ThreeMeans(), grid, grid.block(0, 0), image, valid, normalization=norm, legend=LEGEND,
        settings=StitchSettings(probabilities=True),
    )  # fmt: skip
    assert whole.probabilities is not None
    for block_size in (16, 48, 1024):
        small = replace(mapper, block_size=block_size)
        for piece in small.pieces(scene, lambda w: np.ones(w.shape, bool), confidence=True):
            where = piece.window.slices
            assert np.array_equal(piece.mask, whole.mask[where])
            assert np.array_equal(piece.best, whole.probabilities.max(axis=0)[where])
            assert np.array_equal(piece.scored, valid[where])


def test_only_blocks_with_a_label_are_predicted_and_the_counts_are_the_same(tmp_path: Path) -> None:
    label = np.zeros((70, 90), np.uint8)
    label[40:44, 50:60] = 2
    scene = labelled(tmp_path, label)
    mapper = NetworkMapper.of(facts(), ThreeMeans())
    windows: list[Window] = []
    small = replace(mapper, block_size=16)
    found = evaluate(small, [scene], on_piece=windows.append)
    assert len(windows) < len(small.grid_of(scene.shape)) / 4 and found.confusion.pixels == 40
    assert np.array_equal(evaluate(mapper, [scene]).tally.rows, found.tally.rows)
    assert labelled_where(scene, LEGEND, None)(Window(0, 0, 70, 90)).sum() == 40


def test_a_module_in_training_gives_the_map_of_its_weights_and_goes_on_training(tmp_path: Path) -> None:
    scene = labelled(tmp_path, some_label((40, 40)))
    made = facts()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(made.network).train()
    of_module = evaluate(NetworkMapper.of_module(made, module), [scene])
    assert module.training
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    of_weights = evaluate(NetworkMapper.of_weights(made, weights), [scene])
    assert np.array_equal(of_module.confusion.counts, of_weights.confusion.counts)


def test_the_eight_symmetries_are_averaged(tmp_path: Path) -> None:
    scene = labelled(tmp_path, some_label((40, 40)))
    plain, averaged = (evaluate(NetworkMapper.of(facts(), ThreeMeans(), tta=tta), [scene]) for tta in (False, True))
    assert np.array_equal(plain.confusion.counts, averaged.confusion.counts)  # a box looks the same from all sides
