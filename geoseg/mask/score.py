"""Score: how much the seams matter, measured on a few chips, and the smallest halo that makes them matter little."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError, ResourceError
from geoseg.grid.chips import Chip, ChipGrid
from geoseg.grid.geobox import Window
from geoseg.mask.readings import Batches, Pixels, Reading
from geoseg.raster.normalize import Normalization

if TYPE_CHECKING:
    from geoseg.model.predict import Predictor

Read = Callable[[Window], tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]]
Bytes = npt.NDArray[np.uint8]

SMALL = 0.001
"""Share of differing pixels below which a halo is wide enough."""

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_TRIES = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeamScore:
    """Share of ``pixels`` in the cores of ``chips`` whose class differs between the plan's halo and one twice as wide.

    A scene that one chip covers has no seams: share 0 of 0 pixels.
    """

    share: float
    pixels: int
    chips: int


@dataclass(frozen=True, slots=True)
class HaloProposal:
    """The smallest halo of ``tried`` (halo, share) whose share is below :data:`SMALL` if ``enough``, else the best.

    ``share`` is None where it cannot be measured because the network accepts chips of one size only.
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
) -> SeamScore | None:
    """Predict the cores of a few chips as planned, and again from reads that are wider by the halo on each side.

    The wider read starts at a multiple of ``grid.align`` too; with a halo of 0 it is wider by ``grid.align``. Chips are
    drawn with ``seed`` among those whose wider read lies inside the scene, or among all where there are none.

    Returns
    -------
    SeamScore or None
        None where it cannot be measured: the network accepts one size of chips only, the device has no memory for
        wider ones, or none of the chips drawn has valid pixels and finite logits.
    """
    more = max(grid.halo, grid.align)
    down, across = grid.counts
    if grid.chip(0, 0).read == grid.chip(down - 1, across - 1).read:
        return SeamScore(0.0, 0, 0)
    drawn = _drawn(grid, more, read, chips, seed)
    try:
        pairs = list(_pairs(predictor, drawn, grid, normalization, more))
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
) -> HaloProposal:
    """Try halos from the smallest on, each with the grid's chip size, until the seam score is below :data:`SMALL`."""
    base = -(-8 // grid.align) * grid.align
    tried: list[tuple[int, float]] = []
    for halo in (base * step for step in _STEPS if 2 * base * step < grid.chip_size):
        score = seam_score(predictor, read, replace(grid, halo=halo), normalization, chips=chips, seed=seed)
        if score is None:
            break
        tried.append((halo, score.share))
        if score.share < SMALL:
            return HaloProposal(halo, score.share, True, tuple(tried))
    halo, share = min(tried, key=lambda pair: pair[1]) if tried else (grid.halo, None)
    return HaloProposal(halo, share, False, tuple(tried))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A chip and the pixels of its wider read."""

    chip: Chip
    pixels: Pixels

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        return self.pixels.valid_in(self.chip.core)


def _drawn(grid: ChipGrid, more: int, read: Read, chips: int, seed: int) -> list[_Drawn]:
    """At most ``chips`` chips with valid pixels in their cores, in the order of the draw."""
    found: list[_Drawn] = []
    for chip in _order(grid, more, chips * _TRIES, seed):
        wide = chip.read.buffer(more, grid.shape)
        drawn = _Drawn(chip, Pixels(*read(wide), wide))
        if drawn.valid.any():
            found.append(drawn)
        if len(found) == chips:
            break
    return found


def _order(grid: ChipGrid, more: int, most: int, seed: int) -> Iterator[Chip]:
    down, across = (_inside(grid, more, axis) for axis in (0, 1))
    count = len(down) * len(across)
    for n in random.Random(seed).sample(range(count), min(most, count)):
        yield grid.chip(down[n // len(across)], across[n % len(across)])


def _inside(grid: ChipGrid, more: int, axis: int) -> Sequence[int]:
    """Indices along an axis of the chips whose core has the whole halo, and as much again, on both sides."""
    length, far = grid.shape[axis], grid.halo + more
    first = -(-far // grid.stride)
    last = (length - far) // grid.stride  # exclusive: core (i + 1) * stride + far <= length
    return range(first, last) or range(grid.counts[axis])


def _pairs(
    predictor: Predictor, drawn: list[_Drawn], grid: ChipGrid, norm: Normalization, more: int
) -> Iterator[tuple[Bytes, Bytes]]:
    """Class indices of the valid pixels of each core, by the plan and by the wider read."""
    for item in drawn:
        core = item.chip.core
        one = _core_of(predictor, item.pixels, item.chip.read, core, norm, grid.input_of(grid.chip_size))
        other = _core_of(
            predictor, item.pixels, item.pixels.window, core, norm, grid.input_of(grid.chip_size + 2 * more)
        )
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
