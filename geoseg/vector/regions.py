"""Regions: polygons of a mask as flat arrays in pixel coordinates, cheap to make, join, measure and hand to shapely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geoseg.grid.geobox import GeoBox

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """``n`` polygons: connected pixels of one class each, with what was counted on their pixels.

    Attributes
    ----------
    values
        Class value, uint16 ``(n,)``.
    n_pixels
        Pixels of the region, int64 ``(n,)``.
    area_m2, perim_m
        Area on the ellipsoid, and length of all rings on it, in metres; float64 ``(n,)``.
    confidence
        Mean confidence of the pixels (0-100), float64 ``(n,)``, or None where no confidence was read.
    coords
        Vertices ``(col, row)`` counted from the outer corner of the first pixel, ``(v, 2)``: int32 as traced, float64
        when simplified. Each ring is closed: its first vertex is repeated at its end.
    rings
        Offsets of the rings in ``coords``, int64 ``(r + 1,)``.
    polygons
        Offsets of the polygons in the rings, int64 ``(n + 1,)``; the first ring of each is its shell, the others holes.
    parts
        None where each region is one polygon. With 8-connectivity a region can hang together by a corner alone; a ring
        that touches itself there (GDAL's answer) is invalid, so a region is the MultiPolygon of its 4-connected
        pieces, which is valid and covers the same ground. Then ``polygons`` has ``p + 1`` entries for the pieces, and
        ``parts`` are the offsets of the regions in them, int64 ``(n + 1,)``.
    """

    values: NDArray[np.uint16]
    n_pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    perim_m: NDArray[np.float64]
    confidence: NDArray[np.float64] | None
    coords: NDArray[Any]
    rings: NDArray[np.int64]
    polygons: NDArray[np.int64]
    parts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.values)

    @property
    def geometry_type(self) -> str:
        """``Polygon``, or ``MultiPolygon`` for all where regions have parts."""
        return "Polygon" if self.parts is None else "MultiPolygon"

    def geometries(self, geobox: GeoBox | None = None) -> NDArray[np.object_]:
        """Shapely polygons (or multipolygons), in the geobox's CRS or, without one, in pixel coordinates."""
        import shapely

        kind, offsets = shapely.GeometryType.POLYGON, [self.rings, self.polygons]
        if self.parts is not None:
            kind, offsets = shapely.GeometryType.MULTIPOLYGON, [*offsets, self.parts]
        made: NDArray[np.object_] = shapely.from_ragged_array(kind, self.xy(geobox), tuple(offsets))
        return made

    def xy(self, geobox: GeoBox | None = None) -> NDArray[np.float64]:
        """Vertices ``(v, 2)`` in the geobox's CRS or, without one, in pixel coordinates."""
        pixels = np.asarray(self.coords, dtype=np.float64)
        if geobox is None:
            return pixels
        a, b, c, d, e, f = geobox.transform
        col, row = pixels[:, 0], pixels[:, 1]
        return np.column_stack([c + col * a + row * b, f + col * d + row * e])

    def pick(self, start: int, stop: int) -> Self:
        """Regions ``start .. stop``."""
        parts = None if self.parts is None else self.parts[start : stop + 1]
        first, last = (start, stop) if parts is None else (parts[0], parts[-1])
        polygons = self.polygons[first : last + 1]
        rings = self.rings[polygons[0] : polygons[-1] + 1]
        return replace(
            self,
            values=self.values[start:stop],
            n_pixels=self.n_pixels[start:stop],
            area_m2=self.area_m2[start:stop],
            perim_m=self.perim_m[start:stop],
            confidence=None if self.confidence is None else self.confidence[start:stop],
            coords=self.coords[rings[0] : rings[-1]],
            rings=rings - rings[0],
            polygons=polygons - polygons[0],
            parts=None if parts is None else parts - parts[0],
        )

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """Join batches into one, in their order."""
        items = list(parts)
        if len(items) == 1:
            return items[0]
        if not items:
            return cls.empty()
        pieces = [item.parts for item in items if item.parts is not None]
        assert len(pieces) in (0, len(items)), "regions of one raster all have parts or none"
        confidences = [item.confidence for item in items if item.confidence is not None]
        return cls(
            values=np.concatenate([item.values for item in items]),
            n_pixels=np.concatenate([item.n_pixels for item in items]),
            area_m2=np.concatenate([item.area_m2 for item in items]),
            perim_m=np.concatenate([item.perim_m for item in items]),
            confidence=np.concatenate(confidences) if len(confidences) == len(items) else None,
            coords=np.concatenate([item.coords for item in items]),
            rings=_chain([item.rings for item in items]),
            polygons=_chain([item.polygons for item in items]),
            parts=_chain(pieces) if pieces else None,
        )

    @classmethod
    def empty(cls) -> Self:
        """No polygon at all."""
        ints, floats = np.zeros(0, np.int64), np.zeros(0, np.float64)
        zero = np.zeros(1, np.int64)
        return cls(np.zeros(0, np.uint16), ints, floats, floats, None, np.zeros((0, 2), np.int32), zero, zero)


def _chain(offsets: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Join offset arrays, each starting at 0, so that each goes on where the one before ends."""
    lengths = np.concatenate([np.diff(item) for item in offsets])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
