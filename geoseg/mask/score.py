"""Score: how much the seams matter, measured on a few chips, and the smallest halo that makes them matter little."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError, ResourceError
from geoseg.grid.chips import Chip, ChipGrid
from geoseg.grid.geobox import Window
from geoseg.mask.lanes import Lanes
from geoseg.mask.readings import Batches, Pixels, Reading
from geoseg.raster.normalize import Normalization

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor

Read = Callable[[Window], tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

SMALL = 0.001
"""Share of differing pixels below which a halo is wide enough."""

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_TRIES = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeamScore:
    """Share of ``pixels``, in the cores of ``chips`` pairs of chips, whose class is another with twice the plan's halo.

    A scene that one chip covers has no seams: share 0 of 0 pixels.
    """

    share: float
    pixels: int
    chips: int


@dataclass(frozen=True, slots=True)
class HaloProposal:
    """The smallest halo of ``tried`` (halo, share) whose share is below :data:`SMALL` if ``enough``, else the best.

    ``share`` is None where it cannot be measured, see :func:`seam_score`.
    """

    halo: int
    share: float | None
    enough: bool
    tried: tuple[tuple[int, float], ...]


def seam_score(
    predictor: Predictor,
    read: Read,
    grid: ChipGrid,
    normalization: Normalization,
    *,
    chips: int = 8,
    seed: int = 0,
    lanes: Lanes | None = None,
) -> SeamScore | None:
    """Predict a few cores as planned, and again by chips that have twice the halo.

    Those have the same size, so that networks of one size, and ones that see their chip as a whole, are measured fairly;
    where a halo twice as wide leaves no core in them, they are larger. A halo of 0 is compared with one of ``grid.align``.
    The chips are drawn with ``seed``, and run by ``lanes``, the predictor's own when not given.

    Returns
    -------
    SeamScore or None
        None where it cannot be measured: the network accepts one size of chips only and twice the halo leaves no core,
        the device has no memory for larger ones, or none of the chips drawn has valid pixels and finite logits.
    """
    down, across = grid.counts
    if grid.chip(0, 0).read == grid.chip(down - 1, across - 1).read:
        return SeamScore(0.0, 0, 0)
    wide = _wider(grid)
    if wide is None:
        return None
    try:
        drawn = _drawn(grid, wide, read, chips, seed)
        pairs = list(_pairs(predictor, lanes or Lanes.of(predictor), drawn, (grid, wide), normalization))
    except (BundleError, ResourceError) as error:
        log.info("the seam score cannot be measured: %s", error)
        return None
    pixels = sum(len(one) for one, _ in pairs)
    if not pixels:
        return None
    return SeamScore(sum(int((one != other).sum()) for one, other in pairs) / pixels, pixels, len(pairs))


def propose_halo(
    predictor: Predictor,
    read: Read,
    grid: ChipGrid,
    normalization: Normalization,
    *,
    chips: int = 4,
    seed: int = 0,
    lanes: Lanes | None = None,
) -> HaloProposal:
    """Try halos from the smallest on, each with the grid's chip size, until the seam score is below :data:`SMALL`."""
    base = -(-8 // grid.align) * grid.align
    tried: list[tuple[int, float]] = []
    for halo in (base * step for step in _STEPS if 2 * base * step < grid.chip_size):
        tiled = replace(grid, halo=halo)
        score = seam_score(predictor, read, tiled, normalization, chips=chips, seed=seed, lanes=lanes)
        if score is None:
            break
        tried.append((halo, score.share))
        if score.share < SMALL:
            return HaloProposal(halo, score.share, True, tuple(tried))
    halo, share = min(tried, key=lambda pair: pair[1]) if tried else (grid.halo, None)
    return HaloProposal(halo, share, False, tuple(tried))


def _wider(grid: ChipGrid) -> ChipGrid | None:
    """The grid with twice the halo: of the same chips where that leaves a core, else of larger ones if it may have them."""
    halo = max(2 * grid.halo, grid.align)
    if 2 * halo < grid.chip_size:
        return replace(grid, halo=halo)
    return None if grid.fixed else replace(grid, halo=halo, chip_size=grid.stride + 2 * halo)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A chip of each grid, the pixels that both see, and the part of the scene that lies in both cores."""

    planned: Chip
    wide: Chip
    pixels: Pixels

    @property
    def common(self) -> Window:
        return self.planned.core.intersect(self.wide.core)

    @property
    def valid(self) -> Bools:
        return self.pixels.valid_in(self.common)


def _drawn(grid: ChipGrid, wide: ChipGrid, read: Read, chips: int, seed: int) -> list[_Drawn]:
    """At most ``chips`` pairs with valid pixels in what they have in common, in the order of the draw."""
    found: list[_Drawn] = []
    dice = random.Random(seed)
    _, across = grid.counts
    for n in dice.sample(range(len(grid)), min(chips * _TRIES, len(grid))):
        planned = grid.chip(n // across, n % across)
        other = wide.chip(*(dice.choice(_touching(planned.core, wide, axis)) for axis in (0, 1)))
        window = _around(planned.read, other.read)
        drawn = _Drawn(planned, other, Pixels(*read(window), window))
        if drawn.valid.any():
            found.append(drawn)
        if len(found) == chips:
            break
    return found


def _touching(core: Window, grid: ChipGrid, axis: int) -> range:
    """Indices along an axis of the chips of ``grid`` whose cores meet ``core``."""
    start, length = (core.row, core.height) if axis == 0 else (core.col, core.width)
    return range(start // grid.stride, (start + length - 1) // grid.stride + 1)


def _around(one: Window, other: Window) -> Window:
    row, col = min(one.row, other.row), min(one.col, other.col)
    bottom = max(one.row + one.height, other.row + other.height)
    right = max(one.col + one.width, other.col + other.width)
    return Window(row, col, bottom - row, right - col)


def _pairs(
    predictor: Predictor, lanes: Lanes, drawn: list[_Drawn], grids: tuple[ChipGrid, ChipGrid], norm: Normalization
) -> Iterator[tuple[Bytes, Bytes]]:
    """Class indices of the valid pixels that a pair has in common, by the plan and by the wider halo."""
    shapes = [grid.input_of(grid.chip_size) for grid in grids]
    runs = [
        (item, chip, shape) for item in drawn for chip, shape in zip((item.planned, item.wide), shapes, strict=True)
    ]

    def run(one: tuple[_Drawn, Chip, tuple[int, int]]) -> Bytes | None:
        item, chip, shape = one
        return _core_of(predictor, item.pixels, chip.read, item.common, norm, shape)

    found = lanes.map(run, runs)
    for item, one, other in zip(drawn, found, found, strict=True):
        if one is not None and other is not None:
            yield one[item.valid], other[item.valid]


def _core_of(
    predictor: Predictor, pixels: Pixels, read: Window, core: Window, norm: Normalization, shape: tuple[int, int]
) -> Bytes | None:
    """Class indices of ``core`` by the network on ``read``, or None where its logits are not finite."""
    batches = Batches.sized(pixels, norm, predictor.batch_size, shape)
    with batches.images([Reading(read, (core,))]) as images:
        found = predictor.classify(images)
    if not found.finite[0]:
        return None
    rows, cols = core.within(read).slices
    return found.index[0, rows, cols].copy()
