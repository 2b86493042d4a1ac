"""Shift: how far labels move when each pixel of a scene takes the value of the nearest pixel of another grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox
from geoseg.raster.align import crs_name, pixel_metres, pixels_of
from geoseg.raster.georef import lonlat
from geoseg.training.checking.finding import Finding

_SIDE = 33
"""Places along each side of the scene."""
_EARTH = 6_371_008.8
"""Mean radius of the Earth, metres (IUGG)."""
_SAME = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """Mean movement in pixels of the scene (``rows`` down, ``cols`` to the right), the largest one, and a pixel's metres."""

    rows: float
    cols: float
    largest: float
    pixel_m: float

    @classmethod
    def between(cls, labels: GeoBox, scene: GeoBox) -> Self | None:
        """From the middles of label pixels to those of the scene's pixels that take them; None where they do not meet."""
        high, wide = scene.shape
        rows, cols = (np.unique(np.linspace(0, n - 1, _SIDE).round()) + 0.5 for n in (high, wide))
        cols, rows = (axis.ravel() for axis in np.meshgrid(cols, rows))
        there = pixels_of(scene, labels, np.array([cols, rows]))
        inside = np.isfinite(there).all(axis=0)
        inside &= (there >= 0).all(axis=0) & (there[0] < labels.shape[1]) & (there[1] < labels.shape[0])
        if not inside.any():
            return None
        centres = np.floor(there[:, inside] + 1e-6) + 0.5
        moved = np.array([cols, rows])[:, inside] - pixels_of(labels, scene, centres)
        moved = np.where(np.abs(moved) < 1e-4, 0.0, moved)
        col, row = moved.mean(axis=1)
        return cls(float(row), float(col), float(np.hypot(*moved).max()), pixel_metres(scene))

    @property
    def length(self) -> float:
        """The mean movement, pixels."""
        return math.hypot(self.rows, self.cols)

    def __str__(self) -> str:
        """In words."""
        if self.largest < 0.005:
            return "nothing"
        down, right = ("down" if self.rows >= 0 else "up"), ("right" if self.cols >= 0 else "left")
        mean = (
            f"{abs(self.cols):.2f} px {right} and {abs(self.rows):.2f} px {down} ({self.length * self.pixel_m:.3g} m)"
        )
        return f"{mean} on average, at most {self.largest:.2f} px"

    def to_json(self) -> dict[str, float]:
        """The numbers, rounded."""
        metres = round(self.length * self.pixel_m, 3)
        return {
            "rows": round(self.rows, 4),
            "cols": round(self.cols, 4),
            "largest": round(self.largest, 4),
            "metres": metres,
        }


def same_numbers(one: GeoBox, other: GeoBox) -> bool:
    """Whether two grids have one shape and the same numbers in their transforms, whatever their CRS."""
    scale = max(*map(abs, one.transform), 1.0)
    close = all(abs(a - b) <= _SAME * scale for a, b in zip(one.transform, other.transform, strict=True))
    res = all(abs(a - b) <= 1e-4 * b for a, b in zip(one.res, other.res, strict=True))
    return one.shape == other.shape and close and res


def metres_apart(one: GeoBox, other: GeoBox, *, centres: bool = False) -> float:
    """Distance on the Earth of the same pixel, the middle one of ``other``, in two grids; ``centres``: of their middles."""
    high, wide = other.shape
    middle = (high / 2, wide / 2)
    mine = (one.shape[0] / 2, one.shape[1] / 2) if centres else middle
    places = [*lonlat(one, [mine]), *lonlat(other, [middle])]
    return _great_circle(places) if len(places) == 2 else math.inf


def twin(name: str, one: GeoBox, other_name: str, other: GeoBox) -> tuple[Finding, ...]:
    """``CRS_TWIN`` where two grids have the very same numbers and CRS of two names: an error when that is half a pixel."""
    names = crs_name(one), crs_name(other)
    if one.crs == other.crs or names[0] == names[1] or not same_numbers(one, other):
        return ()
    apart = metres_apart(one, other)
    what = (
        f"has the very numbers of {other_name}'s grid in another CRS ({names[0]}, {other_name} {names[1]}): "
        f"the same pixels lie {apart:.3g} m apart"
    )
    if apart > pixel_metres(other) / 2:
        remedy = "One of the two CRS is wrong: assign the right one with gdal_edit -a_srs"
        return (Finding("error", "CRS_TWIN", name, what, remedy, numbers={"metres": apart}),)
    remedy = "That is below half a pixel: pixels are taken as they lie in the files"
    return (Finding("warning", "CRS_TWIN", name, what, remedy, numbers={"metres": apart}),)


def _great_circle(places: Sequence[tuple[float, float]]) -> float:
    (lon1, lat1), (lon2, lat2) = [(math.radians(lon), math.radians(lat)) for lon, lat in places]
    haversine = math.sin((lat2 - lat1) / 2) ** 2
    haversine += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH * math.asin(math.sqrt(min(haversine, 1.0)))
