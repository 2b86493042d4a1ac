"""Evaluate: the class map that a fitted network gives, chip by chip as a run would, and its confusion with the labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.mask.stitch import StitchSettings, predict_block
from geoseg.model.bundle import BundleFacts
from geoseg.model.network import build, divisor, load_weights
from geoseg.model.torch_backend import CpuPredictor
from geoseg.raster.normalize import Normalization
from geoseg.train.confusion import Confusion
from geoseg.train.samples import Labelled

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def predict_scene(labelled: Labelled, facts: BundleFacts, weights: Mapping[str, npt.NDArray[np.generic]]) -> Bytes:
    """Class values uint8 (rows, cols) at the bundle's own chip and halo, in fp32; the legend's nodata where invalid."""
    assert facts.network is not None
    network = build(facts.network)
    load_weights(network, dict(weights), facts.name)
    predictor = CpuPredictor(network, classes=facts.network.classes)
    shape = labelled.label.shape
    grid = BlockGrid.sized(
        ChipGrid(shape, facts.chip_size, facts.halo, divisor(facts.network)), max(shape) + facts.chip_size
    )
    norm = Normalization.of(labelled.scene, [band.mean for band in facts.bands], [band.std for band in facts.bands])
    done = predict_block(
        predictor, grid, grid.block(0, 0), labelled.image, labelled.valid,
        normalization=norm, legend=facts.legend, settings=StitchSettings(),
    )  # fmt: skip
    return done.mask


def confusion_in(area: Bools, labelled: Labelled, mask: Bytes, facts: BundleFacts) -> Confusion:
    """Labels against ``mask`` over the valid pixels of ``area``."""
    where = area & labelled.valid
    return Confusion.count(labelled.label[where], mask[where], facts.legend.values)
