"""Images: two scenes band by band on one grid, read as pixels that are valid at both dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.align import same_grid
from geoseg.raster.pair import pair
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene
from geoseg.vector.threads import InOrder

Pixels = NDArray[np.float64]
"""Pixels of both dates, (n, 2 * bands): the bands of BEFORE, then those of AFTER, in the scenes' units."""

_CELL = 512
_MOST = 1e100
_CELL_BYTES = 32 << 20
"""Of one cell's pixels as numbers of 8 bytes."""


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two scenes with the same bands on one grid, as one scene of :func:`geoseg.raster.pair.pair`; picklable.

    ``scenes`` are the two as they were given, with the bands that are compared.
    """

    scene: Scene
    scenes: tuple[Scene, Scene]
    notes: tuple[str, ...] = ()

    @property
    def geobox(self) -> GeoBox:
        """The common grid."""
        return self.scene.geobox

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands that are compared."""
        return tuple(band.name for band in self.scenes[0].bands)

    def read(self, window: Window, step: int = 1) -> tuple[Pixels, NDArray[np.bool_]]:
        """The pixels of a window that are valid at both dates, and where they lie.

        Parameters
        ----------
        step
            Only rows and columns of the raster that are multiples of it.

        Returns
        -------
        pixels, valid
            ``(n, 2 * bands)`` row-major, and ``(rows, cols)`` with ``n`` times True; of the rows and columns taken.

        Raises
        ------
        InputRefused
            ``VALUES``: larger ones than can be squared.
        """
        rows, cols = (slice(-first % step, None, step) for first in (window.row, window.col))
        image, valid = read_window(self.scene, window)
        valid = valid[rows, cols]
        pixels = np.empty((int(valid.sum()), len(self.scene.bands)))
        for i, (band, plane) in enumerate(zip(self.scene.bands, image, strict=True)):
            np.multiply(plane[rows, cols][valid], band.scale, out=pixels[:, i])
            pixels[:, i] += band.offset
        if pixels.size and max(-pixels.min(), pixels.max()) > _MOST:
            what = f"holds values beyond {_MOST:g}, whose squares no number can hold"
            raise InputRefused.of("VALUES", self.scene.name, what, "State its nodata value with --nodata")
        return pixels, valid

    def cells(self) -> list[Window]:
        """Windows that tile the grid, row-major; they depend on its shape and the number of bands alone."""
        rows, cols = self.geobox.shape
        side = _CELL
        while side > 64 and side * side * 16 * len(self.bands) > _CELL_BYTES:
            side //= 2
        return [
            Window(row, col, min(side, rows - row), min(side, cols - col))
            for row in range(0, rows, side)
            for col in range(0, cols, side)
        ]

    def step(self, sample: int) -> int:
        """Each how many rows and columns are taken for about ``sample`` pixels at most; 1: all (``sample`` 0 as well)."""
        rows, cols = self.geobox.shape
        step = 1
        while sample and -(-rows // step) * -(-cols // step) > sample:
            step += 1
        return step


def pair_images(before: Scene, after: Scene, *, align: bool = False) -> ImagePair:
    """Two scenes as one pair: their common bands, by name, on BEFORE's grid.

    Bands that only one scene has are left out and noted.

    Raises
    ------
    InputRefused
        ``BANDS``: no band in common. ``GRID``, ``EXTENT``: those of :func:`geoseg.raster.pair.pair`.
    """
    named = [{band.name.casefold(): band.name for band in scene.bands} for scene in (before, after)]
    common = [name for name in named[0] if name in named[1]]
    if not common:
        there = " against ".join(", ".join(names.values()) for names in named)
        what = f"has no band of the same name as {before.name}: {there}"
        raise InputRefused.of("BANDS", after.name, what, "Name the files' bands in their order with --bands")
    notes: list[str] = []
    for scene, names in zip((before, after), named, strict=True):
        left = [names[name] for name in names if name not in common]
        if left:
            notes.append(f"{scene.name}: not compared, because the other date has no such band: {', '.join(left)}")
    one, two = (
        scene.select([names[name] for name in common])
        for scene, names in zip((before, after), named, strict=True)
    )  # fmt: skip
    notes += _nodata_note(one, two)
    if not same_grid(one.geobox, two.geobox):
        how = "bilinear" if align else "by whole pixels"
        notes.append(f"{after.name}: brought onto the grid of {before.name}, {how}; what lies outside has no data")
    scene = pair(one, two, align=align)
    return ImagePair(scene, (one, two), (*notes, *scene.notes))


def gather(pair: ImagePair, step: int, run: InOrder[Window, Pixels]) -> list[Pixels]:
    """The sampled pixels, cell by cell in their order."""
    return [part for part in run(_Sampled(pair, step), pair.cells()) if len(part)]


@dataclass(frozen=True, slots=True)
class _Sampled:
    pair: ImagePair
    step: int

    def __call__(self, window: Window) -> Pixels:
        return self.pair.read(window, self.step)[0]


def _nodata_note(before: Scene, after: Scene) -> list[str]:
    """What to say where one date states a nodata value and the other none."""
    told = [sorted({band.nodata for band in scene.bands if band.nodata is not None}) for scene in (before, after)]
    for mine, other, scene in ((told[0], told[1], after), (told[1], told[0], before)):
        if mine and not other and all(band.mask is None for band in scene.bands):
            return [f"{scene.name}: states no nodata value and the other date {mine[0]:g} (--nodata says it for both)"]
    return []
