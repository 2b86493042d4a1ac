"""Mapper: how a labelled scene becomes a map, piece by piece: by a network here, by gradient boosting in ``baseline``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.mask.lanes import Lanes
from geoseg.mask.stitch import StitchSettings, predict_block, window_of
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts
from geoseg.model.predict import LogitsPredictor, Predictor
from geoseg.raster.normalize import Normalization
from geoseg.raster.scene import Scene
from geoseg.training.data.labels import IGNORE, index_of
from geoseg.training.sampling.prefetch import prefetch

if TYPE_CHECKING:
    from torch import nn

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Where = Callable[[Window], Bools]
"""Bool (rows, cols) of a window: which pixels are wanted."""

BLOCK_SIZE = 1024


class Labels(Protocol):
    """Labels on a scene's grid."""

    def read(self, window: Window) -> Bytes:
        """Class values (rows, cols); the legend's nodata where there is no label."""


class Labelled(Protocol):
    """What is needed of a labelled scene (:class:`geoseg.training.data.labelled.LabelledScene`)."""

    @property
    def name(self) -> str:
        """For messages and tables."""

    @property
    def scene(self) -> Scene:
        """The bands, in the order that the network reads them."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""

    @property
    def labels(self) -> Labels:
        """Where its labels are read."""

    def read(self, window: Window) -> tuple[npt.NDArray[np.generic], Bools, Bytes]:
        """Image (bands, rows, cols) in file values, valid, and labels as class values."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A window of a scene and its map.

    ``label`` and ``mask``: class values, the legend's nodata where there is none. ``scored``: which pixels are wanted and
    valid. ``best``: the probability of the mask's class, float32, where it was asked for; ``probabilities``: those of all
    classes, (classes, rows, cols), where a network gave them.
    """

    window: Window
    label: Bytes
    mask: Bytes
    scored: Bools
    best: Floats | None
    probabilities: Floats | None = None


class Mapper(Protocol):
    """Maps scenes by pieces that tile them; a piece without a wanted pixel may be left out."""

    @property
    def legend(self) -> Legend:
        """The classes of its maps."""

    def pieces(self, scene: Labelled, wanted: Where, *, confidence: bool) -> Iterator[Piece]:
        """The map of a scene where ``wanted``."""


def labelled_where(scene: Labelled, legend: Legend, where: Where | None) -> Where:
    """Where a scene has a label of the legend's classes, and ``where`` allows."""
    known = index_of(legend) != IGNORE

    def wanted(window: Window) -> Bools:
        allowed: Bools = np.ones(window.shape, bool) if where is None else where(window)
        return allowed & known[scene.labels.read(window)] if allowed.any() else allowed

    return wanted


@dataclass(frozen=True, slots=True)
class NetworkMapper:
    """A network, and how a bundle wants it to be run: the same map as ``geoseg segment`` gives."""

    predictor: Predictor
    bands: tuple[BandSpec, ...]
    legend: Legend
    chip_size: int
    halo: int
    align: int
    fixed_size: bool = False
    tta: bool = False
    block_size: int = BLOCK_SIZE

    @classmethod
    def of(cls, facts: Bundle | BundleFacts, predictor: Predictor, *, tta: bool = False) -> NetworkMapper:
        """A predictor run as a bundle's card, or what will be its card, says."""
        align = facts.align
        if align is None:
            from geoseg.model.network import divisor

            assert isinstance(facts, BundleFacts) and facts.network is not None
            align = divisor(facts.network)
        return cls(
            predictor, tuple(facts.bands), facts.legend, facts.chip_size, facts.halo, align, facts.fixed_size, tta=tta
        )

    @classmethod
    def of_module(cls, facts: BundleFacts, module: nn.Module, *, tta: bool = False) -> NetworkMapper:
        """A torch module, on the device that it is on; it may go on training afterwards."""
        return cls.of(facts, ModulePredictor(module, classes=len(facts.legend.classes)), tta=tta)

    @classmethod
    def of_weights(
        cls, facts: BundleFacts, weights: Mapping[str, npt.NDArray[np.generic]], *, tta: bool = False
    ) -> NetworkMapper:
        """Weights in fp32 on the processor, as the bundle of ``facts`` will hold them."""
        from geoseg.model.network import build, load_weights
        from geoseg.model.torch_backend import CpuPredictor

        assert facts.network is not None
        module = build(facts.network)
        load_weights(module, dict(weights), facts.name)
        return cls.of(facts, CpuPredictor(module, classes=facts.network.classes), tta=tta)

    def grid_of(self, shape: tuple[int, int]) -> BlockGrid:
        """The blocks of a scene."""
        chips = ChipGrid(shape, self.chip_size, self.halo, self.align, self.fixed_size)
        return BlockGrid.sized(chips, self.block_size)

    def pieces(self, scene: Labelled, wanted: Where, *, confidence: bool) -> Iterator[Piece]:
        """Blocks of the scene; the next is read while one is in the network."""
        grid = self.grid_of(scene.shape)
        norm = Normalization.of(scene.scene, [band.mean for band in self.bands], [band.std for band in self.bands])
        settings = StitchSettings(tta=self.tta, probabilities=confidence)
        lanes = Lanes.of(self.predictor)

        def read(block: Block) -> tuple[Block, Bools, tuple[npt.NDArray[np.generic], Bools, Bytes]] | None:
            inside = wanted(block.core)
            return (block, inside, scene.read(window_of(grid, block, settings))) if inside.any() else None

        for ready in prefetch(read, grid, threads=1, ahead=1):
            if ready is None:
                continue
            block, inside, (image, valid, label) = ready
            inner = block.core.within(window_of(grid, block, settings)).slices
            only = np.zeros(valid.shape, bool)
            only[inner] = inside
            made = predict_block(
                self.predictor, grid, block, image, valid,
                normalization=norm, legend=self.legend, settings=settings, lanes=lanes, wanted=only,
            )  # fmt: skip
            best = None if made.probabilities is None else made.probabilities.max(axis=0)
            yield Piece(block.core, label[inner], made.mask, inside & valid[inner], best, made.probabilities)


class ModulePredictor(LogitsPredictor):
    """A torch module as it is, without changing it: for looks at a network that is being trained."""

    def __init__(self, module: nn.Module, *, classes: int, batch_size: int = 1) -> None:
        """Keep the module; it is in evaluation mode only while it predicts."""
        super().__init__(classes=classes, batch_size=batch_size)
        self._module = module

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 (N, classes, rows, cols)."""
        import torch

        training, device = self._module.training, next(self._module.parameters()).device
        self._module.eval()
        try:
            with torch.inference_mode():
                logits = self._module(torch.from_numpy(np.ascontiguousarray(images)).to(device))
            found: Floats = logits.float().cpu().numpy()
            return found
        finally:
            self._module.train(training)
