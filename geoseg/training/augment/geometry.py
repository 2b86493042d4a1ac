"""Geometry: turn, mirror, zoom and warp a crop, image and labels by one map, applied once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.training.augment.surface import Floats, knots, surface
from geoseg.training.data.labels import IGNORE
from geoseg.training.settings.augment import AugmentSettings

Image = NDArray[np.float32]
Bools = NDArray[np.bool_]
Index = NDArray[np.integer]

_INJECTIVE = 0.48
"""Control points that move by less than this share of their spacing never fold the plane: Choi and Lee 2000, Injectivity
conditions of 2D and 3D uniform cubic B-spline functions, Graphical Models 62."""
_COARSE = 4
"""Control points lie a quarter of a crop apart, or farther where the warp is strong."""
_SLACK = 1e-4
"""Pixels by which a map may leave a read before that counts: rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """How the pixels of a crop of ``size`` are moved; what each pixel of the result shows is :meth:`source`.

    What was read is turned by the angle and zoomed, then warped, then turned by quarters, then mirrored.

    Parameters
    ----------
    size
        Side of the crop, pixels.
    turns, mirrored
        ``np.rot90(crop, turns)``, and then its columns reversed.
    angle
        Degrees, counterclockwise as ``turns``.
    zoom
        Above 1 the crop shows less of the scene, larger.
    warp
        Control points (2, knots, knots) of a displacement in rows and columns, pixels of the crop; None: no warp.
    spacing
        Distance of the control points, pixels.
    """

    size: int
    turns: int = 0
    mirrored: bool = False
    angle: float = 0.0
    zoom: float = 1.0
    warp: Floats | None = None
    spacing: float = 0.0

    @classmethod
    def draw(cls, settings: AugmentSettings, size: int, rng: np.random.Generator) -> Geometry:
        """Draw one; what is 0 in the settings is left out."""
        turns, mirrored = (int(rng.integers(4)), bool(rng.integers(2))) if settings.d4 else (0, False)
        angle = float(rng.uniform(-settings.rotate, settings.rotate)) if settings.rotate else 0.0
        zoom = math.exp(rng.uniform(-1, 1) * math.log1p(settings.scale)) if settings.scale else 1.0
        if not settings.elastic:
            return cls(size, turns, mirrored, angle, zoom)
        spacing = max(size / _COARSE, settings.elastic / _INJECTIVE)
        count = knots(size, spacing)
        warp = rng.uniform(-settings.elastic, settings.elastic, (2, count, count))
        return cls(size, turns, mirrored, angle, zoom, warp, spacing)

    @property
    def exact(self) -> bool:
        """Whether pixels only change places, so that none is interpolated."""
        return self.angle == 0 and self.zoom == 1 and self.warp is None

    def source(self) -> Floats:
        """(2, size, size): the place in the read that each pixel shows, rows and columns from the centre, pixels."""
        line = np.arange(self.size) - (self.size - 1) / 2
        row, col = line[:, None], line[None, :]
        if self.warp is not None:
            moved = surface(self.warp, self.size, self.spacing)
            row, col = row + moved[0], col + moved[1]
        cos, sin = math.cos(math.radians(self.angle)) / self.zoom, math.sin(math.radians(self.angle)) / self.zoom
        return np.ascontiguousarray(self.arranged(np.stack([cos * row + sin * col, cos * col - sin * row])))

    def arranged(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array (..., size, size) turned and mirrored, by places alone: a view."""
        turned = np.rot90(array, self.turns, (-2, -1))
        return turned[..., ::-1] if self.mirrored else turned


def side_of(source: Floats) -> int:
    """Side of the smallest square, no smaller than the crop and as even or odd, that holds all of a source.

    Even or odd alike: the square is read around the crop's centre, half a pixel of which would shift everything.
    """
    size = int(source.shape[-1])
    missing = float(np.abs(source).max()) - (size - 1) / 2
    return size + 2 * max(0, math.ceil(missing - _SLACK))


def resample(source: Floats, image: Image, valid: Bools, index: Index) -> tuple[Image, Bools, Index]:
    """Show what lies at ``source``: the image between its four pixels (bilinear), valid and index at the nearest.

    An invalid pixel adds nothing to its neighbours: the weights of the valid ones are made to add up to 1. What lies outside
    of the square that was read is invalid and ``IGNORE``.

    Parameters
    ----------
    source
        (2, size, size), from the centre of the square.
    image, valid, index
        (bands, side, side), (side, side) and (side, side): any side that is as even or odd as ``size``.
    """
    side = valid.shape[-1]
    assert side > 1 and (side - source.shape[-1]) % 2 == 0, (side, source.shape)
    row, col = source + (side - 1) / 2
    near_row, near_col = np.floor(row + 0.5), np.floor(col + 0.5)
    inside = (near_row >= 0) & (near_row < side) & (near_col >= 0) & (near_col < side)
    row, col = np.clip(row, 0, side - 1), np.clip(col, 0, side - 1)
    nearest = (np.floor(row + 0.5) * side + np.floor(col + 0.5)).astype(np.intp)
    there = valid.reshape(-1)[nearest] & inside
    labels = np.where(inside, index.reshape(-1)[nearest], np.array(IGNORE, index.dtype))
    return _between(row, col, image, valid, there), there, labels


def _between(row: Floats, col: Floats, image: Image, valid: Bools, there: Bools) -> Image:
    """Bilinear over the valid pixels, at places inside the square; 0 where not ``there``."""
    bands, side = len(image), valid.shape[-1]
    top, left = np.minimum(np.floor(row), side - 2), np.minimum(np.floor(col), side - 2)
    down, right = (row - top).astype(np.float32), (col - left).astype(np.float32)
    first = (top * side + left).astype(np.intp)
    pixels, known = np.ascontiguousarray(image).reshape(bands, -1), valid.reshape(-1)
    whole = bool(known.all())
    shown = np.zeros((bands, *row.shape), np.float32)
    total = np.zeros(row.shape, np.float32)
    for step, weight in (
        (0, (1 - down) * (1 - right)),
        (1, (1 - down) * right),
        (side, down * (1 - right)),
        (side + 1, down * right),
    ):
        where = first + step
        if not whole:
            weight = weight * known[where]
            total += weight
        shown += pixels.take(where, axis=1) * weight
    if not whole:
        shown /= np.where(there, total, np.float32(1))
    if not there.all():
        np.copyto(shown, np.float32(0), where=~there)
    return shown
