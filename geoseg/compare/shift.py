"""Shift: how far AFTER lies beside BEFORE, by the correlation of blocks spread over both.

Of each block the spectra of both dates are multiplied (the correlation theorem), and the products are added over all
blocks: the sum is highest where the dates lie on each other. That place is found below a pixel as the middle between the
correlation's two flanks, interpolated by a matrix product in place of a large transform (Guizar-Sicairos, Thurman and Fienup
2008, doi:10.1364/OL.33.000156): maps of classes have so sharp a peak that its own interpolation leans to whole pixels, by
0.08 at a shift of 0.25. Amplitudes are kept: normalising them away, as phase correlation proper does, gives the noise of
single pixels the weight of shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import pixel_metres

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Layers = npt.NDArray[np.float32]
Read = Callable[[Window], Layers]
"""A window to its layers, float32 (layers, rows, cols), NaN where there is nothing."""
ReadClasses = Callable[[Window], npt.NDArray[np.uint8]]

BLOCK = 256
BLOCKS = 64
"""Pixels along a block's side, and blocks at most."""
REACH = 16
"""Pixels that a shift can be found up to, along each axis."""
STEP = 0.01
_FLANK, _WIDE, _ROUNDS = 1.0, 0.75, 3
_ALIKE = 0.05
"""Correlation that a block must reach somewhere: of blocks that have nothing in common noise would be measured."""
_LEAST = 0.25
"""Share of a block that both dates must have."""


@dataclass(frozen=True, slots=True)
class MapShift:
    """Pixels that AFTER's content lies below (``rows``) and right of (``cols``) BEFORE's.

    ``px`` is the length, ``metres`` the same on the ground, ``blocks`` how many had anything to measure by, ``spread`` how far
    the single blocks' shifts lie from that of all, in pixels: 1.4826 times the median distance, which is 1.7 standard
    deviations along an axis where they scatter normally. Where it is large, the maps are bent against each other and one
    shift does not describe them, or the land itself moved, as a river does.
    """

    rows: float
    cols: float
    px: float
    metres: float
    blocks: int
    spread: float

    @property
    def least(self) -> float:
        """What the length surely is: less 2 ``spread / sqrt(blocks)``, about 3.5 standard errors.

        Below 0 where blocks disagree: then they say nothing.
        """
        return self.px - 2 * self.spread / math.sqrt(max(self.blocks, 1))

    @property
    def unsure(self) -> bool:
        """Whether the blocks disagree by more than there is to be measured, and by half a pixel."""
        return self.px - self.least > max(self.px, 0.5)

    def to_json(self) -> dict[str, Any]:
        """The numbers, rounded."""
        return {
            "rows": round(self.rows, 3), "cols": round(self.cols, 3), "px": round(self.px, 3),
            "metres": round(self.metres, 3), "blocks": self.blocks, "spread": round(self.spread, 3),
        }  # fmt: skip

    def __str__(self) -> str:
        """In words."""
        down, right = "down" if self.rows >= 0 else "up", "right" if self.cols >= 0 else "left"
        parts = f"{abs(self.cols):.2f} px {right}, {abs(self.rows):.2f} px {down}"
        return f"{self.px:.2f} px ({self.metres:.3g} m: {parts}; {self.blocks} blocks, spread {self.spread:.2f} px)"


def measure_shift(
    read_before: Read,
    read_after: Read,
    geobox: GeoBox,
    *,
    block: int = BLOCK,
    blocks: int = BLOCKS,
) -> MapShift | None:
    """Measure the shift of two rasters on one grid; None where nothing can be measured (no borders, no data).

    Parameters
    ----------
    read_before, read_after
        Windows to layers: bands of an image, or one of 0 and 1 for each class (:func:`class_layers`).
    block, blocks
        Side of a block, and how many at most; they are spread evenly.
    """
    from scipy import fft

    spectra = []
    for window in _spread(geobox.shape, block, blocks):
        prepared = _prepared(read_before(window), read_after(window), block)
        if prepared is not None:
            one, other, fade = (fft.rfft2(part) for part in prepared)
            product = (np.conj(one) * other).sum(axis=0)
            scale = math.sqrt(float((prepared[0] ** 2).sum()) * float((prepared[1] ** 2).sum()))
            if fft.irfft2(product, (block, block)).max() > _ALIKE * scale:
                spectra.append(np.stack([product, np.conj(fade) * fade]))
    if not spectra:
        return None
    rows, cols = _peak(np.sum(spectra, axis=0), block)
    away = [math.dist((rows, cols), _peak(spectrum, block)) for spectrum in spectra]
    length = math.hypot(rows, cols)
    return MapShift(rows, cols, length, length * pixel_metres(geobox), len(spectra), 1.4826 * float(np.median(away)))


def measure_map_shift(
    before: ReadClasses, after: ReadClasses, geobox: GeoBox, classes: Sequence[int]
) -> MapShift | None:
    """The shift of two class maps on one grid, by the borders of all classes; None where nothing can be measured.

    Parameters
    ----------
    before, after
        Windows to class values, uint8 (rows, cols), 0 nodata.
    classes
        The values.
    """
    if not classes:
        return None

    def layers(read: ReadClasses) -> Read:
        return lambda window: class_layers(read(window), classes)

    return measure_shift(layers(before), layers(after), geobox)


def refuse_shift(shift: MapShift | None, limit: float, *, before: object, after: object) -> None:
    """InputRefused ``SHIFT`` where AFTER surely lies more than ``limit`` pixels beside BEFORE; a limit of 0 is none."""
    if shift is not None and 0 < limit < shift.least:
        remedy = (
            f"Register them first, or allow it with --max-shift {math.ceil(shift.px * 10) / 10:g} (0: never refuse)"
        )
        raise InputRefused.of("SHIFT", after, f"lies {shift} beside {before}", remedy)


def shift_notes(shift: MapShift | None, limit: float, *, before: str, after: str) -> tuple[str, ...]:
    """What is to be said of a shift that is larger than ``limit``, but not surely."""
    if shift is None or not 0 < limit < shift.px or shift.least > limit:
        return ()
    seems = f"{after} seems to lie {shift} beside {before}"
    return (f"{seems}, too uncertain to refuse it: parts of them disagree, as where the land itself moved",)


def class_layers(values: npt.NDArray[np.uint8], classes: Iterable[int]) -> Layers:
    """One layer of 0 and 1 for each class: float32 (classes, rows, cols), NaN at nodata (0)."""
    layers = np.stack([values == value for value in classes]).astype(np.float32)
    layers[:, values == 0] = np.nan
    return layers


def _spread(shape: tuple[int, int], block: int, blocks: int) -> Iterator[Window]:
    """Windows of a block's side, evenly from edge to edge, cut where the raster is smaller than one."""
    rows, cols = shape
    high, wide = (-(-n // block) for n in shape)
    step = max(math.sqrt(high * wide / blocks), 1.0)
    for row in np.linspace(0, max(rows - block, 0), max(int(high / step), 1)).round().astype(int).tolist():
        for col in np.linspace(0, max(cols - block, 0), max(int(wide / step), 1)).round().astype(int).tolist():
            yield Window(row, col, min(block, rows - row), min(block, cols - col))


def _prepared(before: Layers, after: Layers, block: int) -> tuple[Layers, Layers, Layers] | None:
    """Both dates less their means, faded at the sides and where either has nothing, and the fading; None without content."""
    valid = np.isfinite(before).all(axis=0) & np.isfinite(after).all(axis=0)
    if valid.sum() < max(_LEAST * valid.size, 16):
        return None
    rows, cols = valid.shape
    fade = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(cols + 2)[1:-1]) * valid
    faded = np.zeros((block, block), np.float32)
    faded[:rows, :cols] = fade
    made = []
    for layers in (before, after):
        known = np.where(valid, layers, 0).astype(np.float64)
        mean = (known * fade).sum(axis=(1, 2), keepdims=True) / fade.sum()
        square = np.zeros((len(layers), block, block), np.float32)
        square[:, :rows, :cols] = (known - mean) * fade
        if not np.abs(square).max(initial=0.0) > 1e-9:
            return None
        made.append(square)
    return made[0], made[1], faded


def _peak(spectra: Complex, block: int) -> tuple[float, float]:
    """The place (rows, cols) of the highest correlation.

    ``spectra`` (2, block, block // 2 + 1) are of the dates' correlation and of the fading's with itself, which it is divided
    by: what is faded at its sides looks less shifted than it is.
    """
    from scipy import fft

    reach = min(REACH, block // 4)
    surface, fading = fft.irfft2(spectra, (block, block))
    near = np.roll(surface / np.maximum(fading, 0.2 * fading[0, 0]), (reach, reach), axis=(0, 1))
    row, col = np.unravel_index(int(near[: 2 * reach + 1, : 2 * reach + 1].argmax()), (2 * reach + 1, 2 * reach + 1))
    at = (float(row - reach), float(col - reach))
    for _ in range(_ROUNDS):
        at = _middle(spectra, block, at)
    return round(at[0], 6), round(at[1], 6)


def _middle(spectra: Complex, block: int, at: tuple[float, float]) -> tuple[float, float]:
    """The place, near ``at``, that the correlation falls from alike to both sides, along one axis after the other."""
    moves = np.arange(-_WIDE, _WIDE + STEP / 2, STEP)
    row, col = at
    low, high = (_along(spectra, block, row + moves + side, np.array([col]))[:, 0] for side in (-_FLANK, _FLANK))
    row += float(moves[np.abs(low - high).argmin()])
    low, high = (_along(spectra, block, np.array([row]), col + moves + side)[0] for side in (-_FLANK, _FLANK))
    return row, col + float(moves[np.abs(low - high).argmin()])


def _along(spectra: Complex, block: int, rows: Floats, cols: Floats) -> Floats:
    """The correlation at ``rows`` by ``cols``, by trigonometric interpolation."""
    down = np.exp(2j * np.pi * np.outer(rows, np.fft.fftfreq(block)))
    right = np.exp(2j * np.pi * np.outer(np.fft.rfftfreq(block), cols))
    weight = np.full(block // 2 + 1, 2.0)
    weight[0] = 1.0
    if block % 2 == 0:
        weight[-1] = 1.0
    weighted = spectra * weight
    found = down @ (weighted @ right) if len(rows) > len(cols) else (down @ weighted) @ right  # the short side first
    surface, fading = found.real / block**2
    return np.asarray(surface / np.maximum(fading, 1e-9))
